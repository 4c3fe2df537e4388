"""A verb is one transaction; the one that PostgreSQL sacrificed to another is begun anew, a few times."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec, TypeVar

import stamina
from django.db import connection, transaction

from core_app.outage import ROLLED_BACK_FOR_ANOTHER, sqlstate

ATTEMPTS: Final = 4
_FIRST_PAUSE, _LONGEST_PAUSE, _JITTER = 0.05, 1.0, 0.2  # seconds

P = ParamSpec("P")
R = TypeVar("R")


def transactional(verb: Callable[P, R]) -> Callable[P, R]:
    """Run a verb as one transaction, again when it was rolled back by a deadlock or a serialization conflict.

    Nothing else is repeated: after a lost connection nobody knows whether the commit arrived. Whoever asked looks at
    the record and asks again; ticks and runs read the state anew anyway. Inside another transaction it is a part of
    that one, which is repeated as a whole or not at all.

    Raises:
        OperationalError: the conflict again, after the last of 4 attempts.
    """
    in_transaction = transaction.atomic(verb)

    @wraps(verb)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if connection.in_atomic_block:
            return in_transaction(*args, **kwargs)
        for attempt in stamina.retry_context(
            on=_was_rolled_back_for_another,
            attempts=ATTEMPTS,
            timeout=None,
            wait_initial=_FIRST_PAUSE,
            wait_max=_LONGEST_PAUSE,
            wait_jitter=_JITTER,
        ):
            with attempt:
                return in_transaction(*args, **kwargs)
        raise AssertionError("stamina always returns or raises")  # pragma: no cover

    return run


def _was_rolled_back_for_another(error: Exception) -> bool:
    return sqlstate(error) in ROLLED_BACK_FOR_ANOTHER
