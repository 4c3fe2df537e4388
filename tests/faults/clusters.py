"""A PostgreSQL server of a test's own, which may be stopped, killed, filled and cut off."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connections
from django.test import override_settings

from core_app import tenancy
from elm_project import app_role
from elm_project.env import env, postgresql
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.factories import People, make_people, make_request
from tests.lanes import servers
from tests.microsoft import Simulator, WorldMaker

OWNER, APP = "postgres", "elm_app"
WAIT_SECONDS = 60
# What survives a crash of the server but not one of the host: enough here, where only the server is killed
QUICK = {"fsync": "off", "full_page_writes": "off", "max_connections": "60", "shared_buffers": "32MB"}


class Cluster:
    """One server: its folder, its port, and what may be done to it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data, self.log = folder, folder / "data", folder / "log"
        self.programs, self.account = servers.postgresql_programs(), servers.unprivileged(folder)
        self.port = servers.free_port()

    def initialise(self) -> None:
        """Make an empty data directory; WAL in small files, so that a small disk can be full."""
        options = ["-U", OWNER, "-A", "trust", "-E", "UTF8", "--no-locale", "-N", "--wal-segsize=1"]
        self._run("initdb", "-D", self.data, *options)
        settings = {**QUICK, "listen_addresses": "'127.0.0.1'", "unix_socket_directories": "''"}
        with (self.data / "postgresql.conf").open("a") as configuration:
            configuration.writelines(f"{name} = {value}\n" for name, value in settings.items())

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._run("pg_ctl", "start", "-w", "-D", self.data, "-l", self.log, "-o", f"-p {self.port}")

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: ``fast`` in order, ``immediate`` as a crash would."""
        self._run("pg_ctl", "stop", "-w", "-D", self.data, "-m", mode)

    def is_running(self) -> bool:
        """Say whether the server runs."""
        return (self.data / "postmaster.pid").exists() and self._call("pg_ctl", "status", "-D", self.data) == 0

    def process(self) -> int:
        """Return the number of the server's first process."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def url(self, user: str = APP, port: int = 0, database: str = "elm") -> str:
        """Return the URL of a database, at another port when there is something in between."""
        return f"postgres://{user}@127.0.0.1:{port or self.port}/{database}"

    @contextmanager
    def admin(self, database: str = "elm") -> Iterator[psycopg.Connection[Any]]:
        """Open a session of the database's administrator; what it does not commit is undone at its end."""
        session = psycopg.connect(self.url(OWNER, database=database), autocommit=True)
        try:
            yield session
        finally:
            session.close()

    def ask(self, question: str, *arguments: Any) -> Any:
        """Return the only value that the administrator is answered."""
        with self.admin() as session:
            row = session.execute(question, arguments).fetchone()
        return row[0] if row else None

    def set(self, name: str, value: str) -> None:
        """Change a setting of the running server."""
        with self.admin() as session:
            session.execute("SET default_transaction_read_only = off")
            session.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            session.execute("SELECT pg_reload_conf()")

    def write_wal(self, size: int) -> None:
        """Add so many bytes to the write-ahead log; whether there is room for them or not."""
        with suppress(psycopg.Error), self.admin() as session:
            session.execute("SELECT pg_logical_emit_message(true, 'test', repeat('x', %s))", [size])

    def reach_the_last_segment(self) -> None:
        """Use up the segments of the write-ahead log that were made in advance."""
        ahead = "SELECT count(*) FROM pg_ls_waldir() WHERE name > pg_walfile_name(pg_current_wal_insert_lsn())"
        while self.ask(ahead):
            self.write_wal(300_000)

    def recover(self) -> None:
        """Wait until the server answers again, and start it where it has given up."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                with self.admin():
                    return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, self.log.read_text()[-3000:]
                if not self.is_running():
                    self.start()

    def terminate_everyone(self) -> int:
        """End every connection of the application; return how many there were."""
        ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = %s"
        return int(self.ask(ended, APP))

    def _run(self, program: str, *arguments: Any) -> None:
        if self._call(program, *arguments):
            raise AssertionError(f"{program} failed\n{self.log.read_text()[-3000:] if self.log.exists() else ''}")

    def _call(self, program: str, *arguments: Any) -> int:
        command = [self.programs / program, *arguments]
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.account).returncode


@contextmanager
def running_cluster(blocker: Any) -> Iterator[Cluster]:
    """Yield a running server with our tables; a copy of one that is made once per run of the tests."""
    with tempfile.TemporaryDirectory(prefix="elm-cluster-", ignore_cleanup_errors=True) as folder:
        try:
            cluster = Cluster(Path(folder))
        except servers.UnavailableError as reason:
            pytest.skip(f"needs a PostgreSQL server of its own: {reason}")
        with blocker.unblock():
            subprocess.run(["cp", "-a", _template(), cluster.data], check=True)
        cluster.start()
        try:
            yield cluster
        finally:
            if cluster.is_running():
                cluster.stop("immediate")


def _template() -> Path:
    """Return a data directory with our tables, made by whichever process comes first."""
    shared = Path(os.environ["ELM_TEST_FOLDER"])
    shared.chmod(0o711)  # PostgreSQL's account passes through it
    folder = shared / "cluster"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cluster = Cluster(folder)
        if not (folder / "made").exists():
            cluster.initialise()
            cluster.start()
            try:
                _create_tables(cluster)
            finally:
                cluster.stop()
            (folder / "made").touch()
    return cluster.data


def _create_tables(cluster: Cluster) -> None:
    with cluster.admin("postgres") as session:
        session.execute("CREATE DATABASE elm")
    no_migrations = {config.label: None for config in apps.get_app_configs()}  # they are tested on their own
    with override_settings(MIGRATION_MODULES=no_migrations), connected(cluster.url(OWNER)):
        call_command("migrate", run_syncdb=True, interactive=False, verbosity=0)
        app_role.give(APP)


@contextmanager
def connected(url: str) -> Iterator[None]:
    """Let this process and its threads to come work on another database, with the settings of an installation."""
    own, own_settings = connections["default"], connections.settings["default"]
    settings = connections.configure_settings({"default": postgresql(env.db_url_config(url))})
    connections.settings["default"] = settings["default"]
    del connections["default"]
    ContentType.objects.clear_cache()
    try:
        with tenancy.everywhere("a test looks at what it made"):
            yield
    finally:
        connections["default"].close()
        connections["default"], connections.settings["default"] = own, own_settings
        ContentType.objects.clear_cache()


@pytest.fixture(scope="session")
def private_cluster(django_db_blocker: Any) -> Iterator[Cluster]:
    """A server for the tests that do something to it, one for each process that runs tests."""
    with running_cluster(django_db_blocker) as running:
        yield running


@pytest.fixture
def cluster(private_cluster: Cluster, django_db_blocker: Any) -> Iterator[Cluster]:
    """A server to be ill-treated, on which this process works too; it holds what earlier tests have left."""
    with django_db_blocker.unblock(), connected(private_cluster.url()):
        yield private_cluster
    private_cluster.recover()


@pytest.fixture
def make_real_world(cluster: Cluster, simulator: Simulator, settings: Any, tmp_path: Path) -> WorldMaker:
    """Return a maker of tenants on both sides, under the clock on the wall."""
    simulator.tell_the_time()
    return WorldMaker(simulator, lambda: datetime.now(UTC), settings, tmp_path)  # type: ignore[arg-type]


@pytest.fixture
def pending(cluster: Cluster) -> tuple[EnvironmentRequest, People]:
    """A request that waits for its approver, and the people around it."""
    people = make_people()
    return make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2), people


def eventually(condition: Callable[[], Any], what: str, seconds: float = WAIT_SECONDS) -> Any:
    """Ask again until the answer is true, and return it; fail when it never is."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.05)
    return answer
