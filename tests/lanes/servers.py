"""Servers for the tests: the one that an environment variable names, else a private one, else none."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import redis

START_SECONDS = 60


class UnavailableError(Exception):
    """No server can be had on this machine; the text says why, and the lane is skipped."""


@contextmanager
def postgresql() -> Iterator[str]:
    """Yield the URL of a PostgreSQL server.

    Raises:
        UnavailableError: none is named and none is installed.
    """
    if named := os.environ.get("ELM_TEST_DATABASE_URL"):
        psycopg.connect(named).close()
        yield named
        return
    programs = postgresql_programs()
    with tempfile.TemporaryDirectory(prefix="elm-postgresql-") as folder:
        account = unprivileged(Path(folder))
        data, port = f"{folder}/data", free_port()
        quiet = {"check": True, "stdout": subprocess.DEVNULL, **account}
        initdb = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"]
        subprocess.run(initdb, **quiet)
        speed = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "jit=off"]
        command = [programs / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder]
        command += [part for setting in speed for part in ("-c", setting)]
        url = f"postgres://postgres@127.0.0.1:{port}/postgres"
        with _running(command, lambda: psycopg.connect(url).close(), Path(folder) / "log", **account):
            yield url


@contextmanager
def redis_server() -> Iterator[str]:
    """Yield the URL of a Redis server.

    Raises:
        UnavailableError: none is named and none is installed.
    """
    if named := os.environ.get("ELM_TEST_REDIS_URL"):
        _ping(named)
        yield named
        return
    program = shutil.which("redis-server")
    if program is None:
        raise UnavailableError("no redis-server is installed and ELM_TEST_REDIS_URL is not set")
    with tempfile.TemporaryDirectory(prefix="elm-redis-") as folder:
        port = free_port()
        command = [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--save", ""]
        url = f"redis://127.0.0.1:{port}/0"
        with _running(command, lambda: _ping(url), Path(folder) / "log"):
            yield url


def postgresql_programs() -> Path:
    """Return the folder with PostgreSQL's programs.

    Raises:
        UnavailableError: none is installed.
    """
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    for folder in [*map(Path, os.environ["PATH"].split(os.pathsep)), *versions]:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise UnavailableError("no PostgreSQL server is installed and ELM_TEST_DATABASE_URL is not set")


def unprivileged(folder: Path) -> dict[str, object]:
    """Give the folder to an ordinary account when we are root, as whom PostgreSQL refuses to run.

    Returns:
        What :class:`subprocess.Popen` needs to run a program as that account; nothing when we are not root.

    Raises:
        UnavailableError: there is no such account.
    """
    if os.geteuid() != 0:
        return {}
    accounts = {entry.pw_name: entry for entry in pwd.getpwall()}
    account = accounts.get("postgres") or accounts.get("nobody")
    if account is None:
        raise UnavailableError("PostgreSQL does not run as root, and there is no account postgres or nobody")
    os.chown(folder, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": [], "cwd": folder}


@contextmanager
def _running(command: list[object], probe: Callable[[], None], log: Path, **account: object) -> Iterator[None]:
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **account)
    try:
        _await(probe, process, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(probe: Callable[[], None], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return probe()
        except (psycopg.OperationalError, redis.ConnectionError):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.stderr.write(log.read_text())
                raise
            time.sleep(0.1)


def _ping(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.ping()


def free_port() -> int:
    """Return a port of this host that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
