"""The pages around a sign-in."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme


def refused(request: HttpRequest, text: str, status: int = 403) -> HttpResponse:
    """Say why nobody is signed in, with the way back to the sign-in."""
    answer = render(request, "sign_in_app/refused.html", {"text": text}, status=status)
    answer["Cache-Control"] = "no-store"
    return answer


def safe_next(request: HttpRequest, default: str) -> str:
    """Return where the person wanted to go, when that is a page of ours."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if ours else default


def sign_in_choices(request: HttpRequest) -> dict[str, bool]:
    """Tell templates which ways of signing in there are (a context processor)."""
    return {"entra_sign_in": bool(settings.ENTRA_SIGN_IN_CLIENT_ID), "local_passwords": settings.LOCAL_PASSWORDS}
