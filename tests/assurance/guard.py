"""What a guard is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard.

    Attributes:
        name: What it is called on the command line and in the report.
        keeps: The sentence it keeps true.
        tests: Names of tests, each of which fails without it.
        take_out: What removes it from a process.
        hangs: Whether its tests do not end without it; else they have to fail.
    """

    name: str
    keeps: str
    tests: tuple[str, ...]
    take_out: Callable[[], None]
    hangs: bool = False
