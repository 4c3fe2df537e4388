"""The only place that makes identifiers, so that a simulation can repeat itself."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_source: Callable[[], uuid.UUID] | None = None


def new_id() -> uuid.UUID:
    """Return a fresh random UUID (RFC 9562, version 4); the default of every primary key."""
    return _source() if _source else uuid.uuid4()


def is_injected() -> bool:
    """Say whether identifiers are taken from a source that somebody put in place of chance."""
    return _source is not None


@contextmanager
def using(source: Callable[[], uuid.UUID]) -> Iterator[None]:
    """Take the identifiers from ``source`` inside the block (for simulations); it must never repeat one."""
    global _source  # one process, one source
    previous, _source = _source, source
    try:
        yield
    finally:
        _source = previous
