"""When the database refuses or is gone: which kind of trouble it is, and what to tell people about it."""

from __future__ import annotations

import sqlite3
from enum import Enum
from typing import Final

import psycopg
from django.db import Error
from django.utils.translation import gettext_noop as noop


class Outage(Enum):
    """A kind of trouble; its value is what people are told."""

    BUSY = noop(
        "Others are working on the same records and did not finish in time, so nothing was changed. "
        "Try again in a moment."
    )
    READ_ONLY = noop(
        "The database can be read but takes no changes at present, so nothing was changed. "
        "Try again when your administrators have made room."
    )
    UNREACHABLE = noop(
        "The database does not answer at present. What was sent last may or may not have been stored: "
        "look at the record before you send it again."
    )


# https://www.postgresql.org/docs/current/errcodes-appendix.html
ROLLED_BACK_FOR_ANOTHER: Final = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
_POSTGRESQL: Final = {
    **dict.fromkeys(ROLLED_BACK_FOR_ANOTHER, Outage.BUSY),
    "55P03": Outage.BUSY,  # lock_not_available: lock_timeout
    "57014": Outage.BUSY,  # query_canceled: statement_timeout
    "25006": Outage.READ_ONLY,  # read_only_sql_transaction
    "53100": Outage.READ_ONLY,  # disk_full
}
# connection exception, insufficient resources, operator intervention, idle in transaction for too long
_UNREACHABLE: Final = ("08", "53", "57", "25P03")
_SQLITE: Final = {
    sqlite3.SQLITE_BUSY: Outage.BUSY,
    sqlite3.SQLITE_LOCKED: Outage.BUSY,
    sqlite3.SQLITE_FULL: Outage.READ_ONLY,
    sqlite3.SQLITE_READONLY: Outage.READ_ONLY,
}


def outage_of(error: BaseException) -> Outage | None:
    """Return what trouble of the database an error tells of, or None when it is a mistake in the program or its data.

    Args:
        error: What Django raised; the driver's own error is its cause.
    """
    if not isinstance(error, Error):
        return None
    driver = error.__cause__
    if isinstance(driver, sqlite3.Error):
        code = getattr(driver, "sqlite_errorcode", 0)  # what Python's module raises by itself has none
        return _SQLITE.get(code & 0xFF)  # the extended code says more than is needed
    state = sqlstate(error)
    if state:
        return _POSTGRESQL.get(state) or (Outage.UNREACHABLE if state.startswith(_UNREACHABLE) else None)
    # A connection that broke or could not be made has no code
    return Outage.UNREACHABLE if isinstance(driver, psycopg.OperationalError | psycopg.InterfaceError) else None


def sqlstate(error: BaseException) -> str | None:
    """Return PostgreSQL's five-character code of an error; None when there is none, as for a lost connection."""
    state: str | None = getattr(error.__cause__, "sqlstate", None)
    return state
