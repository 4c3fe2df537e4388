"""Signed checkpoints as text: C2SP signed-note, tlog-checkpoint, and tlog-cosignature for the time of signing.

Two lines sign the same text with the same Ed25519 key: the log's own signature, and a *cosignature/v1*, which also says
when. The second is what makes a checkpoint of an idle log a sign of life.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.utils.translation import gettext_noop as noop

from audit_app.merkle import HASH_SIZE

_LOG_SIGNATURE, _COSIGNATURE = b"\x01", b"\x04"
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_SPKI_PREFIX: Final = bytes.fromhex("302a300506032b6570032100")  # what stands before an Ed25519 key in DER (RFC 8410)


class BadNoteError(ValueError):
    """The text is no checkpoint, or not one that this key has signed."""


@dataclass(frozen=True, slots=True)
class TreeHead:
    """What a checkpoint says: so many leaves had this root, and when somebody signed for it."""

    origin: str
    size: int
    root: bytes
    signed_at: datetime


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """Return the 32 bytes of the public key."""
    return key.public_key().public_bytes_raw()


def fingerprint(public: bytes) -> str:
    """Return the SHA-256 of a public key in DER: ``openssl pkey -pubin -outform DER | sha256sum``."""
    return hashlib.sha256(_SPKI_PREFIX + public).hexdigest()


def sign(key: Ed25519PrivateKey, head: TreeHead) -> str:
    """Return the signed note of a tree head; its time is cut to whole seconds."""
    body = f"{head.origin}\n{head.size}\n{b64encode(head.root).decode()}\n"
    public, seconds = public_bytes(key), int(head.signed_at.timestamp())
    own = _key_id(head.origin, _LOG_SIGNATURE, public) + key.sign(body.encode())
    timed = key.sign(_timed(seconds, body))
    cosigned = _key_id(head.origin, _COSIGNATURE, public) + seconds.to_bytes(8, "big") + timed
    lines = "".join(f"— {head.origin} {b64encode(signature).decode()}\n" for signature in (own, cosigned))
    return f"{body}\n{lines}"


def opened(note: str, public: bytes) -> TreeHead:
    """Return what a note says, once both signatures are found to be this key's.

    Raises:
        BadNoteError: it is malformed, or a signature is missing or wrong.
    """
    body, separator, signatures = note.rpartition("\n\n")
    body += "\n"
    try:
        origin, size, root = body.removesuffix("\n").split("\n")
        root_bytes = b64decode(root, validate=True)
    except ValueError as error:
        raise BadNoteError(noop("It is no checkpoint: origin, size and root are expected.")) from error
    if not separator or not _SIZE.fullmatch(size) or len(root_bytes) != HASH_SIZE:
        raise BadNoteError(noop("It is no checkpoint: its size or its root is malformed."))
    found = _signatures(origin, signatures)
    verifier = Ed25519PublicKey.from_public_bytes(public)
    try:
        verifier.verify(found[_key_id(origin, _LOG_SIGNATURE, public)], body.encode())
        cosigned = found[_key_id(origin, _COSIGNATURE, public)]
        seconds = int.from_bytes(cosigned[:8], "big")
        verifier.verify(cosigned[8:], _timed(seconds, body))
    except (KeyError, UnicodeEncodeError, InvalidSignature) as error:
        raise BadNoteError(noop("It does not carry this key's signatures.")) from error
    return TreeHead(origin, int(size), root_bytes, datetime.fromtimestamp(seconds, UTC))


def _signatures(origin: str, text: str) -> dict[bytes, bytes]:
    found = {}
    for line in text.splitlines():
        name, _, encoded = line.removeprefix("— ").rpartition(" ")
        if name != origin:
            continue  # a witness of somebody else
        try:
            content = b64decode(encoded, validate=True)
        except ValueError:
            continue
        found[content[:4]] = content[4:]
    return found


def _timed(seconds: int, body: str) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{body}".encode()


def _key_id(name: str, kind: bytes, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + kind + public).digest()[:4]
