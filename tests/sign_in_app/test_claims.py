"""An id token counts only when everything about it is right."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from core_app.clock import ManualClock
from sign_in_app.entra.claims import Expected, InvalidTokenError, SignInRefusedError, verified

TENANT, PERSON, GROUP, AUDIENCE = uuid4(), uuid4(), uuid4(), str(uuid4())
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
HOST = "https://login.example"
PUBLIC = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_set() -> dict[str, Any]:
    published = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
    secret = {"kty": "oct", "kid": "symmetric", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}
    return {"keys": [published | {"kid": "current", "use": "sig"}, secret]}


EXPECTED = Expected(f"{HOST}/{{tenantid}}/v2.0", AUDIENCE, "the nonce", frozenset({TENANT}), key_set())


def says(clock: ManualClock, **changes: Any) -> dict[str, Any]:
    now = int(clock.at.timestamp())
    claims = {
        "iss": f"{HOST}/{TENANT}/v2.0",
        "aud": AUDIENCE,
        "sub": "pairwise",
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "auth_time": now - 30,
        "nonce": "the nonce",
        "tid": str(TENANT),
        "oid": str(PERSON),
        "preferred_username": "ada@contoso.example",
        "groups": [str(GROUP)],
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


def signed(claims: dict[str, Any], *, key: Any = KEY, algorithm: str = "RS256", kid: str | None = "current") -> str:
    return jwt.encode(claims, key, algorithm, headers={"kid": kid} if kid else None)


def test_a_good_token_says_who_it_is(clock: ManualClock) -> None:
    claims = verified(signed(says(clock)), EXPECTED)
    assert (claims.tenant_id, claims.object_id, claims.upn) == (TENANT, PERSON, "ada@contoso.example")
    assert claims.authenticated_at == clock.at - timedelta(seconds=30)
    assert (claims.groups, claims.groups_left_out) == ({GROUP}, False)


def test_groups_that_do_not_fit_are_noticed(clock: ManualClock) -> None:
    elsewhere = {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://x.example"}}}
    assert verified(signed(says(clock, groups=None, **elsewhere)), EXPECTED).groups_left_out
    assert verified(signed(says(clock, groups=None, hasgroups=True)), EXPECTED).groups_left_out
    assert not verified(signed(says(clock, groups=None)), EXPECTED).groups_left_out


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": f"{HOST}/{UUID(int=7)}/v2.0"},
        {"iss": "https://attacker.example/v2.0"},
        {"iss": f"{HOST}/{{tenantid}}/v2.0"},
        {"aud": str(UUID(int=7))},
        {"nonce": "another"},
        {"nonce": ""},
        {"oid": "not-an-id"},
        {"groups": ["not-an-id"]},
        *({name: None} for name in ("iss", "aud", "exp", "iat", "sub", "nonce", "tid", "oid")),
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_is_refused(clock: ManualClock, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidTokenError):
        verified(signed(says(clock, **changes)), EXPECTED)


def test_a_tenant_that_is_not_known_is_refused(clock: ManualClock) -> None:
    stranger = uuid4()
    with pytest.raises(SignInRefusedError, match="not set up here"):
        verified(signed(says(clock, tid=str(stranger), iss=f"{HOST}/{stranger}/v2.0")), EXPECTED)


def test_a_token_counts_in_its_time_only(clock: ManualClock) -> None:
    token = signed(says(clock))
    clock.advance(minutes=61)
    assert verified(token, EXPECTED)
    clock.advance(minutes=1)
    with pytest.raises(InvalidTokenError, match="verified") as expired:
        verified(token, EXPECTED)
    assert expired.value.reason == "it has expired"
    for name in ("iat", "nbf", "auth_time"):
        future = says(clock, **{name: int(clock.at.timestamp()) + 600})
        with pytest.raises(InvalidTokenError):
            verified(signed(future), EXPECTED)


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_only_the_authoritys_own_key_signs(clock: ManualClock) -> None:
    claims = says(clock)
    secret = b"secretsecretsecretsecretsecret"
    head, body, signature = signed(claims).split(".")
    forged = [
        signed(claims, key=OTHER),
        signed(claims, kid="unknown"),
        signed(claims, kid=None),
        signed(claims, key=None, algorithm="none"),
        signed(claims, key=secret, algorithm="HS256", kid="symmetric"),
        _confused(claims),
        f"{head}.{body}.",
        f"{head}.{signed(claims | {'oid': str(uuid4())}).split('.')[1]}.{signature}",
        "",
        "not a token",
    ]
    for token in forged:
        with pytest.raises(InvalidTokenError):
            verified(token, EXPECTED)


def _confused(claims: dict[str, Any]) -> str:
    """Return a token that is signed with the public key as if it were a shared secret."""

    def text(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    head = {"alg": "HS256", "typ": "JWT", "kid": "current"}
    said = f"{text(json.dumps(head).encode())}.{text(json.dumps(claims).encode())}"
    return f"{said}.{text(hmac.new(PUBLIC, said.encode(), hashlib.sha256).digest())}"
