"""What a page asks for several times is read once: who may decide, which stage is open, what somebody reaches."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeVar

_read: Final[ContextVar[dict[Hashable, Any] | None]] = ContextVar("read_once", default=None)

T = TypeVar("T")


@contextmanager
def reading_once() -> Iterator[None]:
    """Read each thing once within: for showing one page, never for a verb, which asks anew each time."""
    kept = _read.get()
    token = _read.set({} if kept is None else kept)
    try:
        yield
    finally:
        _read.reset(token)


def once(named: Hashable, read: Callable[[], T]) -> T:
    """Return what is read; within ``reading_once``, what was read of that name before.

    Args:
        named: What it is, with the keys of what it is about.
        read: Asks the database.
    """
    kept = _read.get()
    if kept is None:
        return read()
    if named not in kept:
        kept[named] = read()
    found: T = kept[named]
    return found
