"""Attempts to change the log that were refused, kept in memory until their transaction has ended, whichever way."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import structlog
from structlog.contextvars import get_contextvars

from core_app import tenancy

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A change of the log that was refused.

    Attributes:
        table: Of which table.
        operation: UPDATE, DELETE, TRUNCATE, INSERT or what else it began with.
        tenants: Whose rows were shown to who tried (``core_app.tenancy.shown``).
        correlation_id: Of the web request or the task.
    """

    table: str
    operation: str
    tenants: str
    correlation_id: str


class _Noticed(threading.local):
    """Of each thread, as connections are."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []


_noticed = _Noticed()


def notice(table: str, operation: str) -> None:
    """Say in the log stream, at once, that a change was refused, and keep it for ``audit_app.guard`` to record."""
    known: dict[str, Any] = get_contextvars()
    _noticed.attempts.append(Attempt(table, operation, tenancy.shown(), known.get("correlation_id", "")))
    log.error("log_write_refused", table=table, operation=operation)


def taken() -> list[Attempt]:
    """Return what was noticed in this thread, once."""
    attempts, _noticed.attempts = _noticed.attempts, []
    return attempts


def any_noticed() -> bool:
    """Say whether something waits to be recorded."""
    return bool(_noticed.attempts)
