"""Microsoft Entra as a provider of django-allauth, which looks for a module of this name in every app."""

from __future__ import annotations

from typing import Any

from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import get_random_string

from sign_in_app.entra.exchange import EntraAdapter


class EntraProvider(OpenIDConnectProvider):
    """OpenID Connect with PKCE and a nonce, always; nothing of the exchange is taken from the address."""

    id = "entra"
    name = "Microsoft Entra"
    oauth2_adapter_class = EntraAdapter
    pkce_enabled_default = True
    supports_token_authentication = False

    def get_default_scope(self) -> list[str]:
        """Return what is asked for: who it is, and nothing that could be called with it."""
        return ["openid", "profile"]

    def redirect(
        self, request: HttpRequest, process: str, next_url: str | None = None, data: Any = None, **kwargs: Any
    ) -> HttpResponse:
        """Send the person to Entra with a nonce that their session keeps."""
        nonce = get_random_string(32)
        auth_params = {**kwargs.pop("auth_params", {}), "nonce": nonce}
        return super().redirect(request, process, next_url, data, auth_params=auth_params, nonce=nonce)  # type: ignore[no-any-return]

    def extract_common_fields(self, data: Any) -> dict[str, Any]:
        """Take no field from the token into an account by itself."""
        return {}


provider_classes = [EntraProvider]
