"""How django-allauth is bound to this installation: our HTTP rules, our people, our pages, and nothing of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NoReturn

import requests
import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base import AuthProcess
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from accounts_app.cloud import endpoints
from core_app.errors import DomainError
from microsoft_cloud.endpoints import Service
from sign_in_app import pages, sessions
from sign_in_app.arrivals import arrive, known_person
from sign_in_app.entra.claims import NoAnswerError, SignInRefusedError

PROVIDER: Final = "entra"
_MOST_BYTES: Final = 1024 * 1024
log = structlog.get_logger(__name__)


class AccountAdapter(DefaultAccountAdapter):
    """Keeps django-allauth from saying or opening anything of its own."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Nobody signs up: people come with Entra."""
        return False

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """Say nothing; our pages do."""


class LoginHostOnly(requests.Session):
    """Talks to Microsoft's login host only, with the authorities we trust, without redirects."""

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request.

        Raises:
            requests.RequestException: it goes elsewhere, or the answer is too large.
        """
        known = endpoints()
        try:
            known.require_trusted(Service.LOGIN, str(url))
        except Exception as error:
            raise requests.exceptions.InvalidURL(str(error)) from error
        kwargs |= {"allow_redirects": False, "verify": known.ca or True}
        kwargs.setdefault("timeout", settings.SOCIALACCOUNT_REQUESTS_TIMEOUT)
        answer = super().request(method, url, *args, **kwargs)
        if len(answer.content) > _MOST_BYTES:
            raise requests.exceptions.ContentDecodingError("The answer is larger than any that is expected.")
        return answer


class EntraAccountAdapter(DefaultSocialAccountAdapter):
    """Who may come in, by the verified claims alone."""

    def list_apps(self, request: HttpRequest, provider: Any = None, client_id: Any = None) -> list[SocialApp]:
        """Return our one application, from settings; none is kept in the database."""
        if not is_configured():
            return []
        authority = f"{endpoints().login.origin}/{settings.ENTRA_SIGN_IN_AUTHORITY}/v2.0"
        values = {"server_url": authority, "fetch_userinfo": False, "token_auth_method": "client_secret_post"}
        app = SocialApp(
            provider=PROVIDER,
            provider_id=PROVIDER,
            name="Microsoft Entra",
            client_id=settings.ENTRA_SIGN_IN_CLIENT_ID,
            secret=_secret(),
            settings=values,
        )
        return [app]

    def get_requests_session(self) -> requests.Session:
        """Return the only HTTP client that sign-in uses."""
        return LoginHostOnly()

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Find the person whom the verified claims name, or show why nobody is signed in."""
        claims = sociallogin.verified_claims
        try:
            if sociallogin.state.get("process") == AuthProcess.REDIRECT:
                sessions.proved_again(request, known_person(claims), claims.authenticated_at)
                return
            person = arrive(claims)
        except DomainError as refused:
            raise ImmediateHttpResponse(pages.refused(request, str(refused))) from refused
        person.authenticated_at = claims.authenticated_at
        person.backend = "sign_in_app.backends.EntraBackend"
        sociallogin.user = person

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Exception | None = None,
        extra_context: Any = None,
    ) -> NoReturn:
        """Show a page of ours: nobody is signed in, and what to do."""
        reason = exception.reason if isinstance(exception, NoAnswerError) else type(exception).__name__
        log.warning("sign_in_failed", error=str(error), reason=reason)
        text = str(exception) if isinstance(exception, SignInRefusedError) else NoAnswerError.words
        raise ImmediateHttpResponse(pages.refused(request, text))


def is_configured() -> bool:
    """Say whether people can sign in with Microsoft."""
    return bool(settings.ENTRA_SIGN_IN_CLIENT_ID)


def _secret() -> str:
    """Read the application's secret anew, so that a rotated one counts at once.

    Raises:
        ImproperlyConfigured: the file cannot be read.
    """
    try:
        return Path(settings.ENTRA_SIGN_IN_SECRET_FILE).read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"ELM_SIGN_IN_SECRET_FILE cannot be read: {error.strerror}.") from error
