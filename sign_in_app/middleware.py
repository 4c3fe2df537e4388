"""Ends sessions that no longer hold, and tells verbs when the person last proved who they are."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.messages.storage import default_storage
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from accounts_app.models import User
from core_app.live import page_shown
from sign_in_app import sessions


class SessionLimits:
    """Idle and absolute limits (ASVS 7.3.1, 7.3.2), and ``request.user.authenticated_at``."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request; one of a session that has ended leads to the sign-in and back."""
        if SESSION_KEY in request.session and (reason := sessions.why_ended(request)):
            return _sign_in_first(request, reason)
        request.user = SimpleLazyObject(_vouched(request, request.user))  # type: ignore[assignment]
        return self.get_response(request)


def _vouched(request: HttpRequest, user: object) -> Callable[[], object]:
    def found() -> object:
        if isinstance(user, User):  # which asks the database who it is, not before
            user.authenticated_at = sessions.proved_at(request)
        return getattr(user, "_wrapped", user)

    return found


def _sign_in_first(request: HttpRequest, reason: str) -> HttpResponse:
    logout(request)
    request._messages = default_storage(request)  # type: ignore[attr-defined]  # their middleware comes after us
    messages.info(request, reason)
    back = page_shown(request) if request.method == "GET" else reverse("admin:index")
    address = f"{reverse('admin:login')}?{urlencode({'next': back})}"
    if "HX-Request" in request.headers:
        answer = HttpResponse(headers={"HX-Redirect": address})
    else:
        answer = HttpResponseRedirect(address)
    request._messages.update(answer)  # type: ignore[attr-defined]
    return answer
