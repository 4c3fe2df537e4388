"""What stands in the database, read as if anybody could have written it: nothing of it may stop a verification."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.db import connections

from audit_app.merkle import HASH_SIZE, leaf_hash


@contextmanager
def legible(using: str) -> Iterator[None]:
    """Read text that is no UTF-8 as text that equals nothing; SQLite would not give its whole page back."""
    connection = connections[using]
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()
    database, before = connection.connection, connection.connection.text_factory
    database.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
    try:
        yield
    finally:
        database.text_factory = before


def as_bytes(value: Any) -> bytes:
    """Return what a column of bytes holds; SQLite gives back whatever somebody put there."""
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else str(value).encode(errors="replace")


def key_of(text: str) -> bytes | None:
    """Return the public key that a column says in hexadecimal, or None when it says none."""
    try:
        public = bytes.fromhex(text)
    except ValueError:
        return None
    return public if len(public) == HASH_SIZE else None


def leaf_of(entry_hash: str) -> bytes:
    """Return the leaf of an entry; one that no leaf equals when its hash is none."""
    try:
        return leaf_hash(entry_hash)
    except ValueError:
        return b""
