"""Many items, one after the other: what is wrong with one never keeps the others waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import structlog

from core_app.errors import DomainError

log = structlog.get_logger(__name__)
Item = TypeVar("Item")


def each(items: Iterable[Item], act: Callable[[Item], object]) -> int:
    """Let a verb act on one after the other; none that is refused or breaks stops the others.

    Returns:
        How many it acted on; a verb that found nothing to do says so with False.
    """
    done = 0
    for item in items:
        try:
            done += act(item) is not False
        except DomainError as refused:
            log.info("skipped", item=str(item), reason=str(refused))  # another process or a person was first
        except Exception:
            log.exception("one_of_many_broke", item=str(item))
    return done
