"""What every page does that hands a file out: say on the page what was refused, and where to sign in again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpResponse, HttpResponseBase
from django.urls import reverse

from core_app.errors import DomainError, PermissionRefused, SignInAgainError
from evidence_app.downloads import Download
from evidence_app.folder import ARCHIVE
from evidence_app.handover import SignerSilentError

_FORBIDDEN, _CONFLICT = 403, 409


def handed_out(package: Download, name: str) -> FileResponse:
    """Return a package as a file, whose name says when nobody has signed it."""
    unsigned = "" if package.signed else "-unsigned"
    return FileResponse(package, as_attachment=True, filename=f"{name}{unsigned}{ARCHIVE}")


def hand_out(
    make: Callable[[], HttpResponseBase], page: Callable[..., HttpResponse], *, back: str, **said: Any
) -> HttpResponseBase:
    """Return what was made, or the page with the reason why it was not.

    Args:
        make: Makes the answer with the file.
        page: Makes the page, with a status and words.
        back: The address to come back to after signing in again, with what was chosen.
        said: What else the page is to show.

    Raises:
        PermissionDenied: it is not for this person.
    """
    try:
        return make()
    except SignInAgainError as stale:
        # No redirect: what a form's answer leads to must be ours (form-action), and this may lead to Microsoft
        again = f"{reverse('sign_in_again')}?{urlencode({'next': back})}"
        return page(status=_FORBIDDEN, refused=str(stale), sign_in_again=again, **said)
    except PermissionRefused as refused:
        raise PermissionDenied(str(refused)) from refused
    except SignerSilentError as silent:
        return page(status=_CONFLICT, refused=str(silent), unsigned_is_offered=True, **said)
    except DomainError as refused:
        return page(status=_CONFLICT, refused=str(refused), **said)
