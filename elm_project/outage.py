"""What people see while the database refuses or is gone: plain words, and nothing they typed is lost.

Wherever it happens, in a view, in the session or in another middleware, Django ends up at ``handler500``.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views import defaults

from core_app.outage import Outage, outage_of

RETRY_AFTER_SECONDS: Final = 30
_BANNER_SECONDS: Final = 60
_NEVER_SHOWN: Final = ("password", "csrfmiddlewaretoken", "secret", "token")


class _Refusals:
    """When this process was last refused a change."""

    at: float | None = None


def handler500(request: HttpRequest) -> HttpResponse:
    """Answer an error that nobody caught: for the database's trouble 503 in words with what was sent, else 500."""
    error = sys.exc_info()[1]
    outage = outage_of(error) if error else None
    if outage is None:
        return defaults.server_error(request)
    if outage is Outage.READ_ONLY:
        _Refusals.at = time.monotonic()
    if "HX-Request" in request.headers:
        return _later(in_the_dialog(request, gettext(outage.value)))
    return _later(render(request, "503.html", {"text": gettext(outage.value), "sent": _sent(request)}, status=503))


def read_only_banner(request: HttpRequest) -> dict[str, Any]:
    """Tell every page when this process was refused a change within the last minute (a context processor)."""
    if _Refusals.at is None or (ago := time.monotonic() - _Refusals.at) > _BANNER_SECONDS:
        return {}
    return {"read_only_since": datetime.now(UTC) - timedelta(seconds=ago)}


def in_the_dialog(request: HttpRequest, text: str) -> HttpResponse:
    """Say it above the dialog's fields, which stay as they are; htmx shows nothing of an answer that is an error."""
    answer = render(request, "outage_in_dialog.html", {"text": text})
    answer["HX-Retarget"], answer["HX-Reswap"], answer["HX-Reselect"] = "#dialog-form", "afterbegin", "#outage"
    answer["Cache-Control"] = "no-store"
    return answer


def _later(answer: HttpResponse) -> HttpResponse:
    answer["Retry-After"] = str(RETRY_AFTER_SECONDS)
    answer["Cache-Control"] = "no-store"
    return answer


def _sent(request: HttpRequest) -> list[tuple[str, str]]:
    """Return what the person sent, to be kept on the page; never a password."""
    if request.method != "POST":
        return []
    return [
        (name, value)
        for name, values in request.POST.lists()
        if not any(word in name.lower() for word in _NEVER_SHOWN)
        for value in values
        if isinstance(value, str)
    ]
