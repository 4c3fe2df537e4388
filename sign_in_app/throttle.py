"""What django-axes asks of us: which name was tried, and what a person reads who tried too often."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import ngettext

from sign_in_app import pages


def name_tried(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """Return the user principal name that was tried, as it is compared: without case."""
    said = (credentials or {}).get("username") or request.POST.get("username", "")
    return str(said).strip().lower()


def locked_out(request: HttpRequest, original_response: Any = None, credentials: Any = None) -> HttpResponse:
    """Answer somebody who failed too often."""
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    text = ngettext(
        "Too many sign-ins failed. Wait %(minutes)s minute and try again, or sign in with Microsoft.",
        "Too many sign-ins failed. Wait %(minutes)s minutes and try again, or sign in with Microsoft.",
        minutes,
    ) % {"minutes": minutes}
    return pages.refused(request, text, status=429)
