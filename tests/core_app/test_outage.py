"""Which errors are the database's trouble, and which are mistakes."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import psycopg
import pytest
from django import db

from core_app.outage import Outage, outage_of

BY_CODE = {
    "40001": Outage.BUSY,  # serialization failure
    "40P01": Outage.BUSY,  # deadlock
    "55P03": Outage.BUSY,  # lock timeout
    "57014": Outage.BUSY,  # statement timeout
    "25006": Outage.READ_ONLY,
    "53100": Outage.READ_ONLY,  # disk full
    "53300": Outage.UNREACHABLE,  # too many connections
    "57P01": Outage.UNREACHABLE,  # terminated by an administrator
    "57P03": Outage.UNREACHABLE,  # starting up
    "08006": Outage.UNREACHABLE,
    "25P03": Outage.UNREACHABLE,  # idle in transaction for too long
    "23505": None,  # unique violation
    "42P01": None,  # undefined table
}


def raised_by_django(driver_error: Exception) -> Exception:
    """Return what Django makes of a driver's error."""
    kind = next(
        name
        for name in ("OperationalError", "InternalError", "InterfaceError", "IntegrityError", "DatabaseError")
        if any(parent.__name__ == name for parent in type(driver_error).__mro__)
    )
    error = getattr(db, kind)(str(driver_error))
    error.__cause__ = driver_error
    return error


@pytest.mark.parametrize(("code", "outage"), BY_CODE.items())
def test_postgresql_says_by_its_code_what_kind_of_trouble_it_is(code: str, outage: Outage | None) -> None:
    assert outage_of(raised_by_django(psycopg.errors.lookup(code)("trouble"))) is outage


@pytest.mark.parametrize("kind", [psycopg.OperationalError, psycopg.InterfaceError])
def test_a_connection_that_broke_has_no_code(kind: type[Exception]) -> None:
    assert outage_of(raised_by_django(kind("the connection is closed"))) is Outage.UNREACHABLE


def test_a_locked_a_full_and_a_read_only_sqlite_file_are_trouble_and_a_missing_table_is_a_mistake(tmp_path) -> None:
    path = tmp_path / "some.sqlite3"
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as first:
        first.execute("CREATE TABLE t (x)")
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as second:
            second.execute("BEGIN IMMEDIATE")
            assert outage_of(raised_by(first, "INSERT INTO t VALUES (1)")) is Outage.BUSY
            second.execute("ROLLBACK")
        first.execute("PRAGMA max_page_count = 2")
        assert outage_of(raised_by(first, "INSERT INTO t VALUES (zeroblob(100000))")) is Outage.READ_ONLY
        assert outage_of(raised_by(first, "INSERT INTO nowhere VALUES (1)")) is None
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader:
        assert outage_of(raised_by(reader, "INSERT INTO t VALUES (1)")) is Outage.READ_ONLY


def raised_by(session: sqlite3.Connection, statement: str) -> Exception:
    with pytest.raises(sqlite3.Error) as raised:
        session.execute(statement)
    return raised_by_django(raised.value)


def test_what_is_no_database_error_is_no_outage() -> None:
    assert outage_of(ValueError("no")) is None
