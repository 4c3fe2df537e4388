"""What the login service remembers of people's sign-ins: browsers, codes, and the key that signs id tokens."""

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256


@dataclass(frozen=True)
class BrowserSession:
    """Who has signed in in a browser, and when."""

    tenant_id: str
    user_id: str
    since: datetime


@dataclass(frozen=True)
class Code:
    """What an authorization code stands for."""

    tenant_id: str
    user_id: str
    client_id: str
    redirect_uri: str
    challenge: str
    nonce: str
    since: datetime  # when the person proved who they are
    ends: datetime


class SignIns:
    """What the login service remembers of browsers and codes; gone with the process."""

    def __init__(self) -> None:
        self.sessions: dict[str, BrowserSession] = {}
        self.codes: dict[str, Code] = {}
        self._key: rsa.RSAPrivateKey | None = None

    @property
    def key(self) -> rsa.RSAPrivateKey:
        """The key that signs id tokens, made when first needed."""
        if self._key is None:
            self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self._key

    @property
    def key_id(self) -> str:
        """The name of the key."""
        return text(hashlib.sha256(str(self.key.public_key().public_numbers().n).encode()).digest()[:20])

    def public_keys(self) -> list[dict[str, str]]:
        """Return the JSON Web Key Set's keys."""
        numbers = self.key.public_key().public_numbers()
        values = {"n": text(_octets(numbers.n)), "e": text(_octets(numbers.e))}
        return [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.key_id, **values}]

    def sign(self, claims: dict[str, Any]) -> str:
        """Return the claims as a JWT, RS256."""
        header = {"typ": "JWT", "alg": "RS256", "kid": self.key_id}
        signed = ".".join(text(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
        return f"{signed}.{text(self.key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"


def _octets(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def text(value: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
