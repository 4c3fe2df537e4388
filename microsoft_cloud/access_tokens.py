"""What an access token says of its owner: the two claims that we read."""

from __future__ import annotations

import base64
import json
from typing import Any

from .errors import AuthenticationError


def object_id_in(token: str) -> str:
    """Return the object id of the principal that an access token was issued to (claim ``oid``), in lower case.

    Raises:
        AuthenticationError: code UnreadableToken: the token does not say.
    """
    object_id = _claims_in(token).get("oid")
    if not object_id:
        raise _unreadable()
    return str(object_id).lower()


def permissions_in(token: str) -> frozenset[str]:
    """Return the application permissions that an access token carries (claim ``roles``).

    Raises:
        AuthenticationError: code UnreadableToken.
    """
    roles = _claims_in(token).get("roles")
    return frozenset(str(role) for role in roles) if isinstance(roles, list) else frozenset()


def _claims_in(token: str) -> dict[str, Any]:
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        claims = None
    if isinstance(claims, dict):
        return claims
    raise _unreadable()


def _unreadable() -> AuthenticationError:
    return AuthenticationError("The access token does not say whose it is.", code="UnreadableToken")
