"""The periods that evidence is exported for: calendar quarters in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from core_app.errors import DomainError

_WRITTEN = re.compile(r"(20\d\d)Q([1-4])")
_MONTHS = 3


@dataclass(frozen=True, slots=True)
class Quarter:
    """A calendar quarter.

    Attributes:
        name: As it is written: ``2026Q1``.
        begin: Its first moment.
        end: The first moment after it.
    """

    name: str
    begin: datetime
    end: datetime


def quarter_named(name: str, now: datetime) -> Quarter:
    """Return the quarter that is written as ``2026Q1``.

    Raises:
        DomainError: it is no quarter of this century, or has not begun at ``now``.
    """
    written = _WRITTEN.fullmatch(name.strip().upper())
    if written is None:
        raise DomainError(f"{name} is no quarter; write year and quarter as in 2026Q1.")
    year, number = int(written[1]), int(written[2])
    following = (year + 1, 1) if number == 4 else (year, number + 1)
    quarter = Quarter(written[0], _first_of(year, number), _first_of(*following))
    if quarter.begin > now:
        raise DomainError(f"{quarter.name} has not begun; there is nothing to export yet.")
    return quarter


def quarter_of(moment: datetime) -> str:
    """Return the name of the quarter that a moment lies in."""
    utc = moment.astimezone(UTC)
    return f"{utc.year}Q{(utc.month - 1) // _MONTHS + 1}"


def _first_of(year: int, quarter: int) -> datetime:
    return datetime(year, _MONTHS * (quarter - 1) + 1, 1, tzinfo=UTC)
