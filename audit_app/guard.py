"""What is done to the log from outside: refused writes and, on PostgreSQL, changed definitions of its tables.

A refused write is recorded although its transaction rolls back: in the stream at once, and as an entry of the log when
the transaction has ended. PostgreSQL counts refusals in a sequence, which no rollback undoes, so that also those of
other programs are recorded; and it marks every row of its catalogue with the transaction that wrote it, so that a
trigger which was switched off and on again is known, without an event trigger and the superuser that one needs. The
signer's host remembers both outside the database and looks with each scheduled verification.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final
from uuid import UUID

import structlog
from celery import signals
from django.core.signals import request_finished
from django.db import DatabaseError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.utils.translation import gettext_noop as noop

from audit_app import attempts, catalogue, triggers
from audit_app.actions import Action
from audit_app.actors import SYSTEM
from audit_app.log import record
from audit_app.models import VerificationRun
from audit_app.tree import logged_tenant, tenants
from core_app import tenancy

log = structlog.get_logger(__name__)

_REFUSED: Final = re.compile(r"append-only table (\w+)|permission denied for table (\w+)")
_SOME: Final = ("", tenancy.EVERY, tenancy.NONE)  # what is shown then says nothing about whose rows were meant


def connect() -> None:
    """Let every connection to come notice refused writes, and record them when a web request or a task has ended."""
    connection_created.connect(_on_connection, dispatch_uid="notice refused writes")
    request_finished.connect(write_down, dispatch_uid="record refused writes")
    signals.task_postrun.connect(write_down, dispatch_uid="record refused writes")


def write_down(**_signal: Any) -> None:
    """Record what was noticed in this thread, unless a transaction is still open; what cannot be is in the stream."""
    if not attempts.any_noticed() or connection.in_atomic_block:
        return
    noticed = Counter(attempts.taken())
    try:
        with tenancy.everywhere("whoever's log somebody tried to change is told"):
            for attempt, count in noticed.items():
                _record_refused(attempt, count)
    except DatabaseError as error:
        log.error("log_write_refused_not_recorded", reason=str(error))  # noqa: TRY400


def look() -> None:
    """Record what was refused, and what was altered, since this host looked last; SQLite keeps no such record."""
    if connection.vendor != "postgresql":
        return
    with catalogue.held():
        now = catalogue.read()
        try:
            before = catalogue.recall()
        except ValueError:
            _record_forgotten("damaged", now)
        else:
            if before:
                _record_differences(before, now)
            elif VerificationRun.objects.exists():
                _record_forgotten("missing", now)
            else:
                log.info("log_tables_seen_for_the_first_time", objects=len(now.versions))
        now.keep()


def _record_forgotten(memory: str, now: catalogue.Catalogue) -> None:
    """Record that nobody knows what was altered before this: whoever wants to hide it takes the memory away."""
    log.error("log_tables_forgotten", memory=memory)
    details = {"since": None, "memory": memory, "objects": len(now.versions), "refused_ever": now.refused}
    told = noop("What this host remembered of the log's tables is %(memory)s: what was altered before is not known.")
    _record_everywhere(Action.LOG_TABLE_ALTERED, details, told % {"memory": memory})


def _record_differences(before: catalogue.Catalogue, now: catalogue.Catalogue) -> None:
    refused = now.refused - before.refused
    if refused > 0:
        log.error("log_write_refused", attempts=refused, since=before.at)
        details = {"attempts": refused, "since": before.at, "counted_by": "database"}
        _record_everywhere(Action.LOG_WRITE_REFUSED, details, noop("The database refused writes on the log."))
    altered = now.differences(before)
    if altered:
        log.error("log_table_altered", since=before.at, **altered)
        _record_everywhere(Action.LOG_TABLE_ALTERED, {"since": before.at, **altered}, "")


def _record_refused(attempt: attempts.Attempt, count: int) -> None:
    details = {"table": attempt.table, "operation": attempt.operation, "attempts": count, "counted_by": "application"}
    concerned = tenants() if attempt.tenants in _SOME else map(UUID, attempt.tenants.split(","))
    error = noop("%(operation)s on %(table)s was refused.") % {"operation": attempt.operation, "table": attempt.table}
    _record_everywhere(Action.LOG_WRITE_REFUSED, details, error, concerned, attempt.correlation_id)


def _record_everywhere(
    action: Action,
    details: dict[str, Any],
    error: str,
    concerned: Iterable[UUID] | None = None,
    correlation_id: str = "",
) -> None:
    for tenant_id in tenants() if concerned is None else concerned:
        with transaction.atomic():
            record(
                action,
                on=logged_tenant(tenant_id),
                by=SYSTEM,
                details=details,
                error=error,
                success=not error,
                correlation_id=correlation_id,
            )


def _on_connection(connection: BaseDatabaseWrapper, **_signal: Any) -> None:
    if connection.alias == "default" and _notice not in connection.execute_wrappers:
        connection.execute_wrappers.append(_notice)


def _notice(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Run a statement; notice when the database refuses it because of what it would change."""
    if attempts.any_noticed():
        write_down()
    try:
        return execute(sql, params, many, context)
    except DatabaseError as error:
        found = _REFUSED.search(str(error))
        table = (found[1] or found[2]) if found else ""
        if table in triggers.append_only_tables() or table in triggers.COUNTED:
            attempts.notice(table, str(sql).split(maxsplit=1)[0].upper())
        raise
