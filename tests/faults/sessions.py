"""Two sessions of one database that get into each other's way: one of ours, one of its administrator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context, copy_context
from typing import Any

import psycopg
import stamina
from django.db import connections
from stamina.instrumentation import RetryDetails, get_on_retry_hooks, set_on_retry_hooks

from tests.faults.clusters import APP, Cluster, eventually

_WAITING = f"SELECT pid FROM pg_stat_activity WHERE usename = '{APP}' AND wait_event_type = 'Lock'"
_WAITING_FOR = f"""SELECT pid FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE usename = '{APP}'
                   AND NOT granted AND relation = %s::regclass AND backend_xid IS NOT NULL"""


@contextmanager
def held_at(cluster: Cluster, table: str, begin: Callable[[], object] = lambda: None) -> Iterator[int]:
    """Let a transaction of ours that has written before come as far as a table, and hold it there; yield its process.

    The server may be stopped inside the block.

    Args:
        cluster: The server.
        table: What it is about to write to.
        begin: Starts it; nothing when others are at work anyway.
    """
    with cluster.admin() as session, cluster.admin() as watch:
        session.execute("BEGIN")
        session.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
        begin()
        found = eventually(lambda: watch.execute(_WAITING_FOR, [table]).fetchone(), f"a transaction at {table}")
        yield found[0]


@contextmanager
def head_locked(cluster: Cluster, chain: str) -> Iterator[psycopg.Connection[Any]]:
    """Hold the lock of a chain's head as an administrator's session, until it commits or the block ends."""
    with cluster.admin() as session:
        session.execute(
            "SET deadlock_timeout = '10min'"
        )  # whoever looks first for a deadlock is its victim: not this one
        session.execute("BEGIN")
        session.execute("SELECT 1 FROM audit_app_chainhead WHERE chain = %s FOR UPDATE", [chain])
        yield session


def wait_until_somebody_waits(cluster: Cluster) -> None:
    """Return when a transaction of ours waits for a lock."""
    eventually(lambda: cluster.ask(_WAITING), "a transaction of ours that waits for a lock")


def in_background(act: Callable[[], Any], *, says_nothing: bool = False) -> Future[Any]:
    """Let a thread do it on a connection of its own, working on whose rows this one does unless it says nothing."""

    def on_a_connection_of_its_own() -> Any:
        try:
            return act()
        finally:
            connections.close_all()

    executor = ThreadPoolExecutor(1)
    future = executor.submit((Context() if says_nothing else copy_context()).run, on_a_connection_of_its_own)
    executor.shutdown(wait=False)
    return future


@contextmanager
def retries_scheduled() -> Iterator[list[float]]:
    """Let what is repeated be repeated as in production, and note the pauses, in seconds."""
    pauses: list[float] = []
    hooks = get_on_retry_hooks()

    def note(details: RetryDetails) -> None:
        pauses.append(details.wait_for)

    set_on_retry_hooks([note])
    try:
        with stamina.set_testing(False):
            yield pauses
    finally:
        set_on_retry_hooks(hooks)
