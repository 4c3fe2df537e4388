"""The only place that reads this host's time, so that a test can live through a year in a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

_source: Callable[[], datetime] | None = None


def now() -> datetime:
    """Return the current time, aware and in UTC."""
    return _source() if _source else datetime.now(UTC)


def is_injected() -> bool:
    """Say whether the time is read from a source that somebody put in place of the system's clock."""
    return _source is not None


class ManualClock:
    """A clock that stands still until it is advanced (for tests and simulations)."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def advance(self, **by: float) -> datetime:
        """Move forward by ``timedelta(**by)`` and return the new time."""
        self.at += timedelta(**by)
        return self.at


@contextmanager
def using(source: Callable[[], datetime]) -> Iterator[None]:
    """Read the time from ``source`` inside the block."""
    global _source  # one process, one clock
    previous, _source = _source, source
    try:
        yield
    finally:
        _source = previous
