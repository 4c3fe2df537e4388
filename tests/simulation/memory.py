"""A database that lives in memory, as long as a simulation, and begins as a copy of the test's own one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections


@contextmanager
def database_in_memory() -> Iterator[None]:
    """Let every query go to a copy of the test's SQLite database in memory; what is committed there goes with it."""
    original = connections[DEFAULT_DB_ALIAS]
    copy = original.copy()
    copy.settings_dict["NAME"] = ":memory:"
    copy.connect()
    with copy.constraint_checks_disabled():
        # SQLite's own backup would wait for the end of the test's transaction
        copy.connection.executescript("\n".join(original.connection.iterdump()))
    connections[DEFAULT_DB_ALIAS] = copy
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS] = original
        copy.connection.close()
