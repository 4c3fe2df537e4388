"""The two halves of a sign-in with Entra: leaving with a nonce, coming back with an id token that is verified."""

from __future__ import annotations

from typing import Any, NoReturn

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import HttpRequest
from django.urls import reverse
from requests import RequestException

from accounts_app.models import Tenant
from sign_in_app.entra.claims import Expected, NoAnswerError, SignInRefusedError, verified


class EntraAdapter(OpenIDConnectOAuth2Adapter):
    """Trusts the id token only when its signature, nonce and tenant are right."""

    state: dict[str, Any]

    def __init__(self, request: HttpRequest, provider_id: str = "entra") -> None:
        super().__init__(request, provider_id)
        self.state = {}

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        """Return the address that is registered with Entra."""
        return request.build_absolute_uri(reverse("entra_callback"))

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **kwargs: Any) -> SocialLogin:
        """Verify the id token and return who it names.

        Raises:
            _Refused: nobody is signed in.
        """
        try:
            claims = verified(str(kwargs["response"].get("id_token") or ""), self._expected(app))
        except SignInRefusedError as refused:
            raise _Refused(refused) from refused
        says = {"sub": str(claims.object_id)}
        login = self.get_provider().sociallogin_from_response(request, {"id_token": says})
        login.verified_claims = claims
        return login

    def _expected(self, app: Any) -> Expected:
        config = self.openid_config
        with get_adapter().get_requests_session() as session:
            answer = session.get(config["jwks_uri"])
            answer.raise_for_status()
        return Expected(
            issuer=config["issuer"],
            audience=app.client_id,
            nonce=self.state.get("nonce", ""),
            tenants=frozenset(Tenant.objects.values_list("entra_tenant_id", flat=True)),
            keys=answer.json(),
        )


class EntraCallback(OAuth2CallbackView):
    """Gives the adapter what the sign-in was begun with."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Complete the sign-in; whatever the exchange comes to is a page, never a broken one."""
        try:
            return super().dispatch(request, *args, **kwargs)
        except _Refused as refused:
            return self._refusal(request, refused.because)
        except (RequestException, ValueError, KeyError) as error:
            return self._refusal(request, NoAnswerError(type(error).__name__))

    def _get_state(self, request: HttpRequest, provider: Any) -> Any:
        state, answer = super()._get_state(request, provider)
        self.adapter.state = state or {}
        return state, answer

    def _refusal(self, request: HttpRequest, refused: SignInRefusedError) -> NoReturn:
        get_adapter().on_authentication_error(request, self.adapter.get_provider(), exception=refused)
        raise AssertionError("the adapter always answers with a page")


class _Refused(Exception):  # noqa: N818
    """Carries a refusal past django-allauth, which would hide its words."""

    def __init__(self, because: SignInRefusedError) -> None:
        super().__init__(str(because))
        self.because = because
