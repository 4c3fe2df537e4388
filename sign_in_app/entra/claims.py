"""Verifies an id token of Microsoft Entra and reads what it says: signature, issuer, audience, times, nonce, tenant.

django-allauth leaves the signature to TLS and does not know the nonce; both are ours. PyJWT does the cryptography.
Sources: OpenID Connect Core 1.0, 3.1.3.7; Microsoft identity platform, ID token claims reference.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import jwt
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop

from core_app import clock
from core_app.errors import DomainError

LEEWAY: Final = timedelta(minutes=2)  # between Entra's clock and ours
_ALGORITHM: Final = "RS256"
_REQUIRED: Final = ["iss", "aud", "exp", "iat", "sub", "nonce", "tid", "oid"]
_TEMPLATE: Final = "{tenantid}"  # stands in the issuer of an authority that serves several tenants


class SignInRefusedError(DomainError):
    """Nobody is signed in; the text tells the person what to do."""


class NoAnswerError(SignInRefusedError):
    """Microsoft's answer did not come, or cannot be used.

    Attributes:
        reason: For the operators' log; a person could do nothing with it.
    """

    words = noop("Microsoft did not complete the sign-in. Try again; if it stays so, tell your operators.")

    def __init__(self, reason: str) -> None:
        super().__init__(_(self.words))
        self.reason = reason


class InvalidTokenError(NoAnswerError):
    """The id token is not one that Entra made for this sign-in."""

    words = noop("Microsoft's answer could not be verified, so nobody is signed in. Try again.")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token has to match.

    Attributes:
        issuer: As the discovery document says it, with ``{tenantid}`` where the authority serves several tenants.
        audience: Our application (client) id.
        nonce: What this sign-in was begun with.
        tenants: Entra ids of the tenants we know.
        keys: The authority's JSON Web Key Set.
    """

    issuer: str
    audience: str
    nonce: str
    tenants: Collection[UUID]
    keys: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Claims:
    """Who Entra says has signed in.

    Attributes:
        tenant_id: Their Entra tenant.
        object_id: Their object id in it, which never changes and is never given to another person.
        upn: Their user principal name, for people to read; it identifies nobody.
        name: Their display name.
        authenticated_at: When they last proved who they are; None when the token does not say.
        groups: Object ids of their groups.
        groups_left_out: They are in more groups than fit into a token, so ``groups`` says nothing.
    """

    tenant_id: UUID
    object_id: UUID
    upn: str
    name: str
    authenticated_at: datetime | None
    groups: frozenset[UUID]
    groups_left_out: bool


def verified(token: str, expected: Expected) -> Claims:
    """Return what a token says, once everything about it is verified.

    Raises:
        InvalidTokenError: it is not a token that Entra made, for us, for this sign-in, for a tenant we know, now.
    """
    try:
        says = jwt.decode(
            token,
            _key(token, expected.keys),
            algorithms=[_ALGORITHM],
            audience=expected.audience,
            # Times are compared below, with the time of this installation
            options={"require": _REQUIRED, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )
        _require_now(says)
        _require_this_sign_in(says, expected)
        return _claims(says)
    except jwt.PyJWTError as error:
        raise InvalidTokenError(f"{type(error).__name__}: {error}") from error
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise InvalidTokenError(f"malformed: {type(error).__name__}") from error


def _key(token: str, keys: Mapping[str, Any]) -> Any:
    """Return the authority's key that the token names; never one of another kind than signs it."""
    wanted = jwt.get_unverified_header(token).get("kid")
    for key in jwt.PyJWKSet.from_dict(dict(keys)).keys:
        if wanted and key.key_id == wanted and key.key_type == "RSA":
            return key.key
    raise InvalidTokenError("it names no key of the authority")


def _require_now(says: Mapping[str, Any]) -> None:
    now = clock.now()
    if now >= _moment(says["exp"]) + LEEWAY:
        raise InvalidTokenError("it has expired")
    if any(_moment(says[name]) > now + LEEWAY for name in ("iat", "nbf", "auth_time") if name in says):
        raise InvalidTokenError("it lies in the future")


def _require_this_sign_in(says: Mapping[str, Any], expected: Expected) -> None:
    tenant = UUID(says["tid"])
    if tenant not in expected.tenants:
        raise SignInRefusedError(
            _("Your organisation's Microsoft tenant is not set up here. Sign in with an account of one that is.")
        )
    if not says["iss"] or says["iss"] != expected.issuer.replace(_TEMPLATE, str(tenant)):
        raise InvalidTokenError("another issuer made it")
    if not expected.nonce or not hmac.compare_digest(str(says["nonce"]).encode(), expected.nonce.encode()):
        raise InvalidTokenError("its nonce belongs to another sign-in")


def _claims(says: Mapping[str, Any]) -> Claims:
    elsewhere = says.get("_claim_names")
    return Claims(
        tenant_id=UUID(says["tid"]),
        object_id=UUID(says["oid"]),
        upn=str(says.get("preferred_username") or says.get("upn") or ""),
        name=str(says.get("name") or ""),
        authenticated_at=_moment(says["auth_time"]) if "auth_time" in says else None,
        groups=frozenset(UUID(group) for group in says.get("groups", [])),
        groups_left_out=bool(says.get("hasgroups")) or (isinstance(elsewhere, Mapping) and "groups" in elsewhere),
    )


def _moment(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
