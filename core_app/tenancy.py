"""Whose rows the database shows: row-level security by tenant, the second wall behind every screen's own filter.

On PostgreSQL every table of a tenant has a policy (``accounts_app.row_security``) that reads the variable
``elm.tenants``. Code says whose rows it works on with :func:`of` or :class:`everywhere`; the connection carries it into
each transaction as its first statement and into each statement outside of one. It ends with the transaction, so that
nothing is left behind for the next client of a pooled connection. Whoever says nothing sees nothing.

``of`` only ever narrows. ``everywhere`` is the one way to widen, and says why: ``grep -rn everywhere``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import wraps
from types import TracebackType
from typing import Any, Final, ParamSpec, TypeVar
from uuid import UUID

from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from psycopg.pq import TransactionStatus

VARIABLE: Final = "elm.tenants"
EVERY: Final = "*"
NONE: Final = "-"  # said on purpose, or left when nothing remains; nothing at all said is an empty text

P = ParamSpec("P")
R = TypeVar("R")

_shown: ContextVar[str] = ContextVar("tenants whose rows are shown", default="")


class everywhere:  # noqa: N801 - read as a word: with everywhere("due runs are found by their id")
    """Show the rows of every tenant, as a context manager or a decorator.

    Args:
        why: What legitimately works across tenants.
    """

    def __init__(self, why: str) -> None:
        self.why = why

    def __enter__(self) -> None:
        """Begin to show every tenant's rows."""
        self._showing: AbstractContextManager[None] = _showing(EVERY)
        self._showing.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show what was shown before."""
        self._showing.__exit__(kind, error, trace)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Let a function work on every tenant's rows; it remembers why, for those who check."""

        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            with everywhere(self.why):
                return function(*args, **kwargs)

        run.works_everywhere = self.why  # type: ignore[attr-defined]
        return run


@contextmanager
def of(*tenant_ids: UUID) -> Iterator[None]:
    """Show the rows of these tenants alone; of those, where fewer are shown already, only these."""
    with _showing(",".join(sorted(map(str, _narrowed(tenant_ids)))) or NONE):
        yield


def shown() -> str:
    """Return what is shown: ``*``, ids of tenants with commas between them, ``-`` for none, or what nobody has said."""
    return _shown.get()


@contextmanager
def reading() -> Iterator[None]:
    """Let a page read in one short transaction on PostgreSQL, which also tells the database once whose rows to show.

    SQLite has no row-level security, and a transaction would take its write lock.
    """
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        yield


def connect() -> None:
    """Let every connection to come carry whose rows are shown."""
    connection_created.connect(_on_connection, dispatch_uid="carry the tenants")


def _narrowed(tenant_ids: Iterable[UUID]) -> set[UUID]:
    wanted, before = set(tenant_ids), _shown.get()
    if before == NONE:
        return set()
    return wanted if before in ("", EVERY) else wanted & {UUID(each) for each in before.split(",")}


@contextmanager
def _showing(value: str) -> Iterator[None]:
    token = _shown.set(value)
    _tell_open_transaction()
    try:
        yield
    finally:
        _shown.reset(token)
        _tell_open_transaction()


def _tell_open_transaction() -> None:
    """Tell a transaction that has begun, at once: later, the end of a savepoint would undo it unnoticed.

    One that has failed takes no statements; what ends it restores what was shown where it, or its savepoint, began.
    """
    if connection.vendor == "postgresql" and _status(connection) == TransactionStatus.INTRANS:
        _set(connection)


def _on_connection(connection: BaseDatabaseWrapper, **_signal: Any) -> None:
    if connection.vendor == "postgresql" and _carry not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, _carry)


def _carry(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Run a statement; where it begins a transaction, say first whose rows are shown."""
    database = context["connection"]
    if not _shown.get() or _status(database) != TransactionStatus.IDLE:
        return execute(sql, params, many, context)
    if database.in_atomic_block:
        _set(database)
        return execute(sql, params, many, context)
    with transaction.atomic(using=database.alias):
        _set(database)
        return execute(sql, params, many, context)


def _status(database: Any) -> TransactionStatus | None:
    return database.connection.info.transaction_status if database.connection is not None else None


def _set(database: Any) -> None:
    """Set the variable for the rest of the transaction.

    Not with ``SELECT set_config(…, true)``, which does the same: before a query it would be too late to choose the
    isolation of the transaction, as exports do. The value holds nothing but ids, commas or an asterisk.
    """
    with database.wrap_database_errors:
        database.connection.execute(f"SET LOCAL {VARIABLE} = '{_shown.get()}'")
