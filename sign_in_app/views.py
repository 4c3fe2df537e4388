"""Sign in with Microsoft, come back from there, and sign in once more before what needs it."""

from __future__ import annotations

from typing import Any, Final

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.base import AuthProcess
from django.contrib.auth import authenticate
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods
from requests import RequestException

from core_app import clock
from sign_in_app import pages, sessions
from sign_in_app.entra.adapters import PROVIDER, is_configured
from sign_in_app.entra.exchange import EntraAdapter, EntraCallback

# Entra asks for the password (or the key) again, whatever session the browser has there
_ANEW: Final = {"prompt": "login", "max_age": "0"}


@require_GET
@never_cache
def entra_login(request: HttpRequest) -> HttpResponse:
    """Send a person to Microsoft to sign in."""
    return _leave(request, AuthProcess.LOGIN, {"prompt": "select_account"})


@require_GET
@never_cache
def entra_callback(request: HttpRequest) -> HttpResponse:
    """Take a person back from Microsoft."""
    if not is_configured():
        raise Http404(_("Nobody signs in with Microsoft here."))
    answer: HttpResponse = EntraCallback.adapter_view(EntraAdapter(request))(request)
    return answer


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@login_required
@never_cache
def sign_in_again(request: HttpRequest) -> HttpResponse:
    """Let the signed-in person prove once more who they are, the way they came in, and go on where they were."""
    if sessions.by_entra(request):
        return _leave(request, AuthProcess.REDIRECT, _ANEW)
    back = pages.safe_next(request, reverse("admin:index"))
    context: dict[str, Any] = {"next": back, "upn": request.user.get_username()}
    if request.method == "GET":
        return render(request, "sign_in_app/sign_in_again.html", context)
    person = authenticate(request, username=request.user.get_username(), password=request.POST.get("password", ""))
    if person is None or person.pk != request.user.pk:
        return render(request, "sign_in_app/sign_in_again.html", {**context, "is_wrong": True}, status=403)
    sessions.proved_again(request, person, clock.now())
    return HttpResponseRedirect(back)


def _leave(request: HttpRequest, process: str, auth_params: dict[str, str]) -> HttpResponse:
    if not is_configured():
        raise Http404(_("Nobody signs in with Microsoft here."))
    provider = get_adapter().get_provider(request, PROVIDER)
    back = pages.safe_next(request, reverse("admin:index"))
    try:
        answer: HttpResponse = provider.redirect(request, process, next_url=back, auth_params=auth_params)
    except (RequestException, ValueError, KeyError):
        text = _(
            "Microsoft's sign-in does not answer. Try again in a few minutes; if it stays so, tell your operators."
        )
        return pages.refused(request, text, status=503)
    return answer
