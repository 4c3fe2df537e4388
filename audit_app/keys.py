"""The key that signs checkpoints, where it is kept, and which public keys are trusted.

Trust begins with fingerprints known out of band (``ELM_LOG_KEY_FINGERPRINTS``) and the key this host signs with, and
follows rotations, each signed by the old and the new key. A key that stands only in the database is not trusted.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import chain
from typing import Any, Protocol
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from django.utils.module_loading import import_string
from django.utils.translation import gettext_noop as noop

from audit_app.actions import Action
from audit_app.chain import details_in
from audit_app.models import ProvisioningLog
from audit_app.notes import fingerprint, public_bytes


class KeyUnavailableError(Exception):
    """There is no key to sign with; the text says where it was looked for and what to do."""


class KeyStore(Protocol):
    """Where the signing key is kept: a file, or a vault."""

    def is_here(self) -> bool:
        """Say whether this host is one that signs, without fetching the key."""

    def load(self) -> bytes:
        """Return the key as PEM (PKCS 8).

        Raises:
            KeyUnavailableError: it cannot be read.
        """

    def store(self, pem: bytes) -> None:
        """Put a new key in place of the old one.

        Raises:
            KeyUnavailableError: it cannot be written.
        """


def store() -> KeyStore:
    """Return where this installation keeps its key (``LOG_KEY_STORE`` names what makes it)."""
    made: KeyStore = import_string(settings.LOG_KEY_STORE)()
    return made


def signing_key() -> Ed25519PrivateKey:
    """Return the key that this host signs with.

    Raises:
        KeyUnavailableError: it has none, or it is no Ed25519 key.
    """
    try:
        key = load_pem_private_key(store().load(), password=None)
    except (ValueError, TypeError) as error:
        raise KeyUnavailableError(
            noop("The signing key is no unencrypted PEM; see docs/guides/operations.md.")
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnavailableError(noop("The signing key is no Ed25519 key; see docs/guides/operations.md."))
    return key


def pem_of(key: Ed25519PrivateKey) -> bytes:
    """Return a private key as PEM (PKCS 8)."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def rotation_of(old: Ed25519PrivateKey, new: Ed25519PrivateKey) -> dict[str, str]:
    """Return the statement that one key follows another, signed by both, as the log's entry carries it."""
    keys = {"old_key": _encoded(public_bytes(old)), "new_key": _encoded(public_bytes(new))}
    statement = _statement(public_bytes(old), public_bytes(new))
    return {**keys, "old_signature": _encoded(old.sign(statement)), "new_signature": _encoded(new.sign(statement))}


def rotations(tenant_id: UUID, using: str = DEFAULT_DB_ALIAS) -> list[Mapping[str, Any]]:
    """Return the rotations that a tenant's log tells of, oldest first; whether they are signed is not yet said."""
    entries = ProvisioningLog.objects.using(using).filter(
        tenant=tenant_id, chain=f"tenant:{tenant_id}", action=Action.SIGNING_KEY_ROTATED
    )
    stored = entries.with_details_as_text().order_by("sequence").values_list("stored_details", flat=True)
    return [details for details in map(details_in, stored) if isinstance(details, dict)]


def trusted(told: Iterable[Mapping[str, Any]], seen: Iterable[bytes] = ()) -> frozenset[bytes]:
    """Return the public keys that are trusted.

    Args:
        told: The rotations that a log tells of.
        seen: Public keys that checkpoints name; a fingerprint alone verifies nothing.
    """
    pinned, known = set(settings.LOG_KEY_FINGERPRINTS), set()
    with suppress(KeyUnavailableError):  # on a host that verifies and does not sign
        known.add(public_bytes(signing_key()))
    links = [link for link in map(_link, told) if link]
    known |= {key for key in chain(seen, *links) if fingerprint(key) in pinned}
    while further := {key for link in links if known & set(link) for key in link} - known:
        known |= further
    return frozenset(known)


def is_trusted(public: bytes, known: frozenset[bytes]) -> bool:
    """Say whether a key is one of the trusted or pinned by its fingerprint."""
    return public in known or fingerprint(public) in settings.LOG_KEY_FINGERPRINTS


def _link(details: Mapping[str, Any]) -> tuple[bytes, bytes] | None:
    """Return the two keys of a rotation that both have signed."""
    try:
        old, new = b64decode(details["old_key"], validate=True), b64decode(details["new_key"], validate=True)
        for public, name in ((old, "old_signature"), (new, "new_signature")):
            signature = b64decode(details[name], validate=True)
            Ed25519PublicKey.from_public_bytes(public).verify(signature, _statement(old, new))
    except (KeyError, ValueError, TypeError, InvalidSignature):
        return None
    return old, new


def _statement(old: bytes, new: bytes) -> bytes:
    return f"elm-key-rotation/v1\nold {fingerprint(old)}\nnew {fingerprint(new)}\n".encode()


def _encoded(content: bytes) -> str:
    return b64encode(content).decode()
