"""What most tests begin with is made by the verbs once in a process; then its rows are written again as they were."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from django.db import connection, transaction

from core_app import clock, ids

_WRITES: Final = ("INSERT", "UPDATE", "DELETE")
_LASTS_SECONDS: Final = 300  # with the real time; where a test has a clock, what is repeated is of the same moment
_AT_ONCE: Final = 2  # in one database


@dataclass(slots=True)
class Recording:
    """What making something wrote, and what was returned."""

    statements: list[tuple[str, Any]] = field(default_factory=list)
    returned: bytes = b""

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        """Keep a statement that writes, on its way to the database."""
        if sql.startswith(_WRITES):
            self.statements.append((sql, params))
        return execute(sql, params, many, context)

    def write_again(self) -> None:
        """Execute the same statements with the same values."""
        with transaction.atomic(), connection.cursor() as cursor:
            for sql, params in self.statements:
                cursor.execute(sql, params)


T = TypeVar("T")

_recordings: dict[Hashable, list[Recording]] = {}


def repeated(make: Callable[[], T], *, named: Hashable, is_there: Callable[[T], bool]) -> T:
    """Make something, or write the rows again that an earlier test made of it.

    Args:
        make: Makes it by the verbs; nothing that it writes may depend on what else is in the database.
        named: What is made, so that the same is repeated.
        is_there: Says whether something made earlier is in the database still, so that another one is wanted.
    """
    if ids.is_injected():
        return make()  # a simulation, which repeats itself with all of its identifiers
    moment = clock.now() if clock.is_injected() else int(clock.now().timestamp()) // _LASTS_SECONDS
    server = connection.settings_dict
    kept = _recordings.setdefault((named, moment, server["NAME"], server["HOST"], server["PORT"]), [])
    for recording in kept:
        returned: T = pickle.loads(recording.returned)
        if not is_there(returned):
            recording.write_again()
            return returned
    recording = Recording()
    with connection.execute_wrapper(recording):
        made = make()
    recording.returned = pickle.dumps(made)
    if len(kept) < _AT_ONCE:
        kept.append(recording)
    return made


def forget() -> None:
    """Make everything anew from now on: the rows that every database has, such as roles, are others now."""
    _recordings.clear()
