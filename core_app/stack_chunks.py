"""Python's stack in one piece, for calls as deep as Django's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_SLOTS: Final = 70_000  # of eight bytes, a little more than half of a megabyte


def in_one_chunk(function: Callable[P, R]) -> Callable[P, R]:
    """Let all calls within a function lie in one chunk of Python's stack: up to a fifth of a page's computing time.

    CPython keeps the frames of Python functions in chunks of 16 KiB. A call that crosses the end of a chunk maps
    another one into memory and its return unmaps it again; a loop at that depth does so each time around. A function
    that asks for more stack gets a chunk of the next power of two, here a megabyte, and what it calls lies in the rest
    of it. Memory is used only where frames come to lie. See ``push_chunk`` in CPython's ``Python/pystate.c``.
    """

    def call(*arguments: P.args, **named: P.kwargs) -> R:
        return function(*arguments, **named)

    call.__code__ = call.__code__.replace(co_stacksize=_SLOTS)
    return call
