"""The database's clock: what hosts whose own clocks differ agree on when they share leases, due times and deadlines.

SQLite has no clock but its host's. An injected clock (a test, a simulation) is everybody's clock, the database's too.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import connection, models
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from core_app import clock


def expression(after: timedelta = timedelta(0)) -> Combinable:
    """Return the time at which the statement it stands in reaches the database, later by ``after``.

    It does not move while a statement waits for a lock, so that a lease is rather too short than too long, and an
    index can be searched with it.
    """
    if not _is_asked():
        return models.Value(clock.now() + after, output_field=models.DateTimeField())
    return Now() + after if after else Now()


def now() -> datetime:
    """Return the database's current time, aware and in UTC; costs a statement."""
    if not _is_asked():
        return clock.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT STATEMENT_TIMESTAMP()")
        at: datetime = cursor.fetchone()[0]
    return at.astimezone(UTC)


def _is_asked() -> bool:
    return connection.vendor == "postgresql" and not clock.is_injected()
