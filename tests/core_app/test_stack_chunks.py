"""Calls within one chunk of the stack map no memory, however often they cross what would be the end of a small one."""

from __future__ import annotations

import resource
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from core_app.stack_chunks import in_one_chunk

FRAMES, CALLS = 500, 200  # as deep as several of CPython's chunks


def leaf() -> None:
    """Need more of the stack than what calls it, so that it is what crosses the end of a chunk."""


leaf.__code__ = leaf.__code__.replace(co_stacksize=40)


def call_at_depth(depth: int) -> None:
    if depth:
        call_at_depth(depth - 1)
    else:
        for _ in range(CALLS):
            leaf()


def call_at_every_depth() -> None:
    for depth in range(FRAMES):
        call_at_depth(depth)


def page_faults(function: Callable[[], None]) -> int:
    """Return how often the kernel had to map memory for a function, in a thread, which has a stack of its own."""

    def counted() -> int:
        function()
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        function()
        return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(counted).result()


@pytest.mark.skipif(not hasattr(resource, "RUSAGE_THREAD"), reason="only Linux counts the page faults of a thread")
def test_calls_at_any_depth_map_no_memory() -> None:
    # Should the second figure be small one day, then CPython has mended it, and the module can go
    assert page_faults(in_one_chunk(call_at_every_depth)) < 50 < CALLS <= page_faults(call_at_every_depth)


def test_arguments_results_and_errors_pass() -> None:
    assert in_one_chunk(divmod)(7, 2) == (3, 1)
    assert in_one_chunk(sorted)([1, 3, 2], reverse=True) == [3, 2, 1]
    with pytest.raises(ZeroDivisionError):
        in_one_chunk(divmod)(1, 0)
