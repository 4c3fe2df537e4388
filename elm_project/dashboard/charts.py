"""The geometry of a pie, drawn on the server: the page runs no script for it and prints as it is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sin
from typing import Final

RADIUS: Final = 50.0


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice of a pie around (0, 0) with radius 50, which begins at twelve o'clock and goes round clockwise.

    Attributes:
        label: What it stands for.
        rows: How many.
        percent: Of all, rounded.
        address: The list of them.
        path: Its outline as an SVG path; empty for a whole pie, which is a circle, and for nothing.
        is_whole: Whether it is the only one that is not empty.
    """

    label: str
    rows: int
    percent: int
    address: str
    path: str
    is_whole: bool


def slices_of(parts: Sequence[tuple[str, int, str]]) -> list[Slice]:
    """Return the slices of a pie.

    Args:
        parts: (label, rows, address) in the order of the slices.
    """
    total, before, slices = sum(rows for _, rows, _ in parts), 0, []
    for label, rows, address in parts:
        is_whole = 0 < rows == total
        path = _path(before / total, (before + rows) / total) if rows and not is_whole else ""
        percent = round(100 * rows / total) if total else 0
        slices.append(Slice(label, rows, percent, address, path, is_whole))
        before += rows
    return slices


def _path(begin: float, end: float) -> str:
    large = 1 if end - begin > 0.5 else 0
    return f"M0 0L{_at(begin)}A{RADIUS:g} {RADIUS:g} 0 {large} 1 {_at(end)}Z"


def _at(share: float) -> str:
    angle = 2 * pi * share
    return f"{RADIUS * sin(angle):.3f} {-RADIUS * cos(angle):.3f}"
