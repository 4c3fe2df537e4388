"""Access tokens: who the caller is, of which tenant, for which audience (contract §1.1, §2)."""

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Any

from simulator.clock import Clock


@dataclass(frozen=True)
class Principal:
    """The caller behind a bearer token."""

    tenant_id: str
    audience: str
    object_id: str
    display_name: str
    client_id: str
    upn: str = ""  # empty for a service principal
    administrator: bool = False  # a person who is Power Platform administrator
    roles: tuple[str, ...] = ()  # application permissions of the audience
    answered_challenge: bool = False  # the token was requested with the claims of a CAE challenge

    @property
    def is_user(self) -> bool:
        return bool(self.upn)

    def identity(self) -> dict[str, str]:
        """Render as `createdBy` and `requestedBy` do (contract §4.2)."""
        kind = "User" if self.is_user else "ServicePrincipal"
        identity = {"id": self.object_id, "displayName": self.display_name, "type": kind, "tenantId": self.tenant_id}
        return identity | ({"userPrincipalName": self.upn} if self.is_user else {})


class Tokens:
    """Issues and reads tokens; opaque to clients, a signed JWT inside."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)

    def issue(self, principal: Principal, issuer: str, lifetime: float) -> str:
        now = self._clock.now().timestamp()
        claims = {
            "iss": issuer,
            "iat": int(now),
            "nbf": int(now),
            "exp": int(now + lifetime),
            "aud": principal.audience,
            "tid": principal.tenant_id,
            "oid": principal.object_id,
            "appid": principal.client_id,
            "app_displayname": principal.display_name,
            "uti": secrets.token_urlsafe(16),
        }
        if principal.is_user:
            claims |= {"upn": principal.upn, "name": principal.display_name, "admin": principal.administrator}
        if principal.roles:
            claims["roles"] = list(principal.roles)
        if principal.answered_challenge:
            claims["xms_cc"] = ["CP1"]
        signed = f"{_encode({'typ': 'JWT', 'alg': 'HS256'})}.{_encode(claims)}"
        return f"{signed}.{self._sign(signed)}"

    def read(self, token: str) -> Principal | None:
        """Return the caller, or None when the token is forged, malformed or expired."""
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(signed).encode()):
            return None
        claims = json.loads(decode_segment(signed.partition(".")[2]))
        if claims["exp"] <= self._clock.now().timestamp():
            return None
        return Principal(
            tenant_id=claims["tid"],
            audience=claims["aud"],
            object_id=claims["oid"],
            display_name=claims.get("name") or claims["app_displayname"],
            client_id=claims["appid"],
            upn=claims.get("upn", ""),
            administrator=claims.get("admin", False),
            roles=tuple(claims.get("roles", ())),
            answered_challenge="xms_cc" in claims,
        )

    def _sign(self, text: str) -> str:
        return _base64url(hmac.new(self._key, text.encode(), hashlib.sha256).digest())


def decode_segment(segment: str) -> bytes:
    """Decode one base64url segment of a JWT, padded or not."""
    return base64.urlsafe_b64decode(segment.rstrip("=") + "=" * (-len(segment.rstrip("=")) % 4))


def _encode(value: dict[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
