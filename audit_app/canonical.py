"""The exact bytes that are hashed: ``ELM-LOG-v1``, a NUL, then the entry as JSON in the form of RFC 8785 (JCS).

Only strings, integers, booleans, null, lists and objects are allowed, so that every JSON library in every language
writes the same bytes; a float is refused rather than rounded. The form of version 1 is final: a change is version 2.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from typing import Any

VERSION_TAG = b"ELM-LOG-v1\x00"
GENESIS_HASH = "0" * 64
MAX_INTEGER = 2**53 - 1  # the largest that every JSON reader keeps exact (RFC 8785 §3.2.2.3)


class NotCanonicalError(ValueError):
    """The value cannot be written in canonical form; the text names the path of the offending value."""


def encode(entry: Mapping[str, Any]) -> bytes:
    """Return the canonical bytes of an entry.

    Raises:
        NotCanonicalError: for floats, integers beyond 2**53 - 1, NUL, lone surrogates, text not in NFC, other types.
    """
    _check(entry, "$")
    text = json.dumps(_ordered(entry), ensure_ascii=False, separators=(",", ":"))
    return VERSION_TAG + text.encode("utf-8")


def decode(canonical: bytes) -> dict[str, Any]:
    """Return the entry that canonical bytes hold; the inverse of :func:`encode`.

    Raises:
        NotCanonicalError: when the version tag or the JSON is not ours.
    """
    if not canonical.startswith(VERSION_TAG):
        raise NotCanonicalError("$: unknown version tag")
    try:
        entry = json.loads(canonical[len(VERSION_TAG) :])
    except (ValueError, RecursionError) as error:
        raise NotCanonicalError(f"$: {error}") from error
    if not isinstance(entry, dict):
        raise NotCanonicalError("$: not an object")
    return entry


def digest(canonical: bytes) -> str:
    """Return the SHA-256 of canonical bytes, in lower-case hexadecimal."""
    return hashlib.sha256(canonical).hexdigest()


def _ordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        # RFC 8785 §3.2.3 orders names by UTF-16 code units
        return {key: _ordered(value[key]) for key in sorted(value, key=lambda name: name.encode("utf-16-be"))}
    if isinstance(value, list | tuple):
        return [_ordered(item) for item in value]
    return value


def _check(value: Any, path: str) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise NotCanonicalError(f"{path}: the integer is too large")
    elif isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, Mapping):
        _check_members(value, path)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check(item, f"{path}[{index}]")
    else:
        raise NotCanonicalError(f"{path}: {type(value).__name__} is not allowed")


def _check_members(members: Mapping[Any, Any], path: str) -> None:
    for key, item in members.items():
        if not isinstance(key, str):
            raise NotCanonicalError(f"{path}: a name that is not text")
        _check_text(key, path)
        _check(item, f"{path}.{key}")


def _check_text(text: str, path: str) -> None:
    if "\x00" in text:
        raise NotCanonicalError(f"{path}: NUL character")
    if not unicodedata.is_normalized("NFC", text):
        raise NotCanonicalError(f"{path}: text is not in Unicode normal form C")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise NotCanonicalError(f"{path}: lone surrogate") from error
