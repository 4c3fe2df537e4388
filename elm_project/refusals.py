"""What people see when a request is refused before any screen has read it: 413 for too much, 400 for the unreadable.

Django refuses such requests wherever it first reads them, often in a middleware, and ends up at ``handler400``.
"""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.core.exceptions import (
    DisallowedHost,
    RequestDataTooBig,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from elm_project.outage import in_the_dialog

TOO_MUCH: Final = 413
_MEBIBYTE: Final = 1024 * 1024
_WORDS: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    (
        RequestDataTooBig,
        TOO_MUCH,
        _("What was sent is larger than %(megabytes)s MB, and nothing was stored. Shorten the text and send it again."),
    ),
    (
        TooManyFieldsSent,
        TOO_MUCH,
        _("More than %(fields)s fields were sent, and nothing of them was stored. Open the form again and fill it in."),
    ),
    (
        TooManyFilesSent,
        TOO_MUCH,
        _("This application takes no files, and nothing was stored. Say in the text where the file can be found."),
    ),
    (
        DisallowedHost,
        400,
        _("This application is not served under the name in the address. Use the address that you were given."),
    ),
)
_UNREADABLE: Final = _(
    "What the browser sent cannot be read, and nothing was stored. Open the page again and repeat it."
)


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that was refused unread, in words that say what to do."""
    status, words = next(
        ((status, words) for kind, status, words in _WORDS if isinstance(exception, kind)), (400, _UNREADABLE)
    )
    text = gettext(words) % {
        "megabytes": settings.DATA_UPLOAD_MAX_MEMORY_SIZE // _MEBIBYTE,
        "fields": settings.DATA_UPLOAD_MAX_NUMBER_FIELDS,
    }
    if "HX-Request" in request.headers and status == TOO_MUCH:
        return in_the_dialog(request, text)
    return render(request, "400.html", {"text": text}, status=status)
