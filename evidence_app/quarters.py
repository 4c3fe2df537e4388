"""The periods that evidence is exported for: calendar quarters in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils.dates import MONTHS
from django.utils.translation import gettext as _

from core_app.errors import DomainError

_WRITTEN = re.compile(r"(20\d\d)Q([1-4])")
_MONTHS = 3
_CENTURY = 2000


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

    def in_words(self) -> str:
        """Return the quarter as people say it: January to March 2026."""
        first = self.begin.month
        named = {"first": MONTHS[first], "last": MONTHS[first + _MONTHS - 1], "year": self.begin.year}
        return _("%(first)s to %(last)s %(year)d") % named


def quarter_named(name: str, now: datetime) -> Quarter:
    """Return the quarter that is written as ``2026Q1``.

    Raises:
        DomainError: it is no quarter of this century, or has not begun at ``now``.
    """
    written = _WRITTEN.fullmatch(name.strip().upper())
    if written is None:
        raise DomainError(_("%(name)s is no quarter; write year and quarter as in 2026Q1.") % {"name": name})
    year, number = int(written[1]), int(written[2])
    following = (year + 1, 1) if number == 4 else (year, number + 1)
    quarter = Quarter(written[0], _first_of(year, number), _first_of(*following))
    if quarter.begin > now:
        raise DomainError(_("%(quarter)s has not begun; there is nothing to export yet.") % {"quarter": quarter.name})
    return quarter


def quarter_of(moment: datetime) -> str:
    """Return the name of the quarter that a moment lies in."""
    utc = moment.astimezone(UTC)
    return f"{utc.year}Q{(utc.month - 1) // _MONTHS + 1}"


def quarters_between(first: datetime | None, now: datetime) -> list[Quarter]:
    """Return the quarters from the one that ``first`` lies in to the one that ``now`` lies in, the newest first.

    A moment that is no good beginning (none, one in the future, one before this century) counts as now or as 2000.
    """
    begin = max(min(first or now, now), _first_of(_CENTURY, 1))
    quarters = [quarter_named(quarter_of(now), now)]
    while quarters[-1].begin > begin:
        quarters.append(quarter_named(quarter_of(quarters[-1].begin - timedelta(days=1)), now))
    return quarters


def _first_of(year: int, quarter: int) -> datetime:
    return datetime(year, _MONTHS * (quarter - 1) + 1, 1, tzinfo=UTC)
