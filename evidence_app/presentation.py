"""How rows are shown to people: words over the columns, times in UTC, yes and no."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from core_app.admin import readable
from evidence_app.contents import Row
from evidence_app.headings import HEADINGS

_SHORT, _LONG = 30, 60  # characters


@dataclass(frozen=True, slots=True)
class Shown:
    """A table for a page.

    Attributes:
        headings: Over the columns.
        rows: The cells of each.
    """

    headings: list[str]
    rows: list[list[Cell]]


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a cell.

    Attributes:
        text: Text or escaped HTML.
        is_short: It is not worth breaking over two lines.
        is_long: It needs some room.
    """

    text: str
    is_short: bool
    is_long: bool


def shown(columns: Sequence[str], rows: Iterable[Row]) -> Shown:
    """Return rows as a page shows them."""
    return Shown([_(HEADINGS[name]) for name in columns], [[_cell(row[name]) for name in columns] for row in rows])


def _cell(value: Any) -> Cell:
    text = cell(value)
    return Cell(text, isinstance(value, datetime) or (len(text) <= _SHORT and " " not in text), len(text) > _LONG)


def fact(value: Any) -> str:
    """Return a value that stands by itself, without a heading that says that times are in UTC."""
    return f"{cell(value)} UTC" if isinstance(value, datetime) else cell(value)


def cell(value: Any) -> str:
    """Return a value as people read it."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return readable(value)
