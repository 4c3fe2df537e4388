"""PgBouncer in transaction mode before a cluster: one session of the server serves all clients in turn."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest
from django.db import connection

from tests.faults.clusters import APP, Cluster, eventually
from tests.faults.sessions import in_background
from tests.lanes import servers

_CONFIGURATION = """
[databases]
elm = host=127.0.0.1 port={server} dbname=elm

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 1
max_client_conn = 100
"""


@contextmanager
def pooler(cluster: Cluster) -> Iterator[int]:
    """Start PgBouncer with one session of the server for everyone; yield its port.

    Skips the test where it is not installed.
    """
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("needs PgBouncer: no pgbouncer is installed")
    port, folder = servers.free_port(), cluster.folder
    (folder / "users").write_text(f'"{APP}" ""\n')
    (folder / "pgbouncer.ini").write_text(_CONFIGURATION.format(server=cluster.port, port=port, folder=folder))
    with (folder / "pgbouncer.log").open("w") as log:
        process = subprocess.Popen([program, folder / "pgbouncer.ini"], stdout=log, stderr=log, **cluster.account)
    try:
        eventually(lambda: _answers(cluster.url(port=port)), "an answer of PgBouncer")
        yield port
    finally:
        process.terminate()
        process.wait(10)


def read_by_the_next_client(name: str) -> tuple[str | None, int]:
    """Let another client, which says nothing itself, look in the same session of the server.

    Returns:
        What it reads of a variable, and how many tenants it sees.
    """

    def process() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return int(cursor.fetchone()[0])

    def look() -> tuple[int, str | None, int]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_backend_pid(), nullif(current_setting(%s, true), ''), count(*) FROM accounts_app_tenant",
                [name],
            )
            return cursor.fetchone()

    other_process, value, count = in_background(look, says_nothing=True).result(timeout=30)
    assert process() == other_process, "the two clients did not share a session of the server"
    return value, count


def _answers(url: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(url):
        return True
    return False
