"""Back the database up and restore the backup beside it; the database in use is only read.

On PostgreSQL with its own programs, pg_dump and pg_restore; on SQLite with its backup API.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import psycopg
from django.db import connection, connections
from psycopg import sql
from psycopg.conninfo import make_conninfo

from core_app import clock
from core_app.errors import DomainError
from core_app.ids import new_id

Rows = dict[str, int]  # table → how many rows it has

_INSTALLED: Final = Path("/usr/lib/postgresql")
_NOT_FOR_LIBPQ: Final = ("context", "cursor_factory", "prepare_threshold", "password")


class BackupError(DomainError):
    """A backup could not be taken or restored; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup in a file.

    Attributes:
        file: Where it is.
        taken_at: The moment it shows.
        rows: What the database held at that moment; None for a backup that was taken earlier.
    """

    file: Path
    taken_at: datetime
    rows: Rows | None = None

    @classmethod
    def taken_earlier(cls, file: Path) -> Backup:
        """Return a stored backup, as old as its file.

        Raises:
            BackupError: there is no such file.
        """
        if not file.is_file():
            raise BackupError(f"There is no backup {file}.")
        return cls(file, datetime.fromtimestamp(file.stat().st_mtime, UTC))


@dataclass(frozen=True, slots=True)
class Restored:
    """A restored database: the alias under which Django reads it, and what it holds."""

    alias: str
    rows: Rows


class Database(Protocol):
    """A database that can be backed up, and its backup restored."""

    def back_up(self, folder: Path) -> Backup:
        """Back up into a folder what the database holds at one moment."""

    def restored(self, backup: Backup, folder: Path) -> Iterator[Restored]:
        """Restore a backup into a database that is thrown away when the block ends."""


def database_in_use() -> PostgreSQL | SQLite:
    """Return the database that this installation works with."""
    return SQLite(Path(connection.settings_dict["NAME"])) if connection.vendor == "sqlite" else PostgreSQL()


class PostgreSQL:
    """A database of a PostgreSQL server; the copy is made on the same server."""

    def __init__(self) -> None:
        parameters = connection.get_connection_params()
        self._password = str(parameters.get("password") or "")
        self._parameters = {name: value for name, value in parameters.items() if name not in _NOT_FOR_LIBPQ and value}

    def back_up(self, folder: Path) -> Backup:
        """Dump the database as one exported snapshot shows it, whatever is written meanwhile.

        Raises:
            BackupError: pg_dump is not installed or fails.
        """
        file = folder / "elm.dump"
        with self._connected() as session:
            session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            (snapshot,) = session.execute("SELECT pg_export_snapshot()").fetchone() or ("",)
            backup = Backup(file, clock.now(), _rows_of(session))
            self._run("pg_dump", "--format=custom", f"--snapshot={snapshot}", f"--file={file}", self._address())
        return backup

    @contextmanager
    def restored(self, backup: Backup, folder: Path) -> Iterator[Restored]:
        """Restore a dump into a new database, which is dropped when the block ends.

        Raises:
            BackupError: the role may not create databases, or pg_restore is not installed or fails.
        """
        name = f"elm_drill_{new_id().hex}"
        with self._connected() as session:
            try:
                session.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
            except psycopg.errors.InsufficientPrivilege:
                raise BackupError("The role may not create databases; run the drill as one that may.") from None
            try:
                quietly = ("--no-owner", "--no-privileges", "--exit-on-error")
                self._run("pg_restore", *quietly, self._address(name), str(backup.file))
                with self._connected(name) as copy:
                    rows = _rows_of(copy)
                with _alias_for(name) as alias:
                    yield Restored(alias, rows)
            finally:
                session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _connected(self, name: str = "") -> psycopg.Connection[tuple[Any, ...]]:
        address = self._parameters | ({"dbname": name} if name else {})
        return psycopg.connect(make_conninfo(**address), password=self._password or None, autocommit=True)

    def _address(self, name: str = "") -> str:
        """Return an argument for PostgreSQL's programs; the password is not for everybody's eyes in a process list."""
        return f"--dbname={make_conninfo(**(self._parameters | ({'dbname': name} if name else {})))}"

    def _run(self, program: str, *arguments: str) -> None:
        environment = os.environ | ({"PGPASSWORD": self._password} if self._password else {})
        run = subprocess.run([_installed(program), *arguments], env=environment, capture_output=True, text=True)  # noqa: S603 - our own arguments
        if run.returncode:
            said = run.stderr.strip().splitlines() or [f"exit code {run.returncode}"]
            raise BackupError(f"{program} failed: {said[-1]}")


@dataclass(frozen=True, slots=True)
class SQLite:
    """A database in a file."""

    file: Path

    def back_up(self, folder: Path) -> Backup:
        """Copy the database as it is at one moment, whoever writes meanwhile."""
        copy = folder / "elm.sqlite3"
        with closing(sqlite3.connect(f"{self.file.absolute().as_uri()}?mode=ro", uri=True)) as session:
            session.execute("BEGIN")
            backup = Backup(copy, clock.now(), _rows_in(session))
            with closing(sqlite3.connect(copy)) as target:
                session.backup(target)
        return backup

    @contextmanager
    def restored(self, backup: Backup, folder: Path) -> Iterator[Restored]:
        """Copy the backup back to a file of its own, which is removed when the block ends.

        Raises:
            BackupError: the backup is no database.
        """
        file = folder / f"restored-{new_id().hex}.sqlite3"
        shutil.copyfile(backup.file, file)
        try:
            with closing(sqlite3.connect(file)) as session:
                rows = _rows_in(session)
            with _alias_for(str(file)) as alias:
                yield Restored(alias, rows)
        except sqlite3.DatabaseError as error:
            raise BackupError(f"{backup.file} is no backup of this database: {error}") from error
        finally:
            for left in folder.glob(f"{file.name}*"):
                left.unlink()


@contextmanager
def _alias_for(name: str) -> Iterator[str]:
    """Let Django read another database that is reached like the one in use."""
    alias = "restored"
    connections[alias] = connection.copy(alias)
    connections[alias].settings_dict["NAME"] = name
    try:
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]


def _rows_of(session: psycopg.Connection[tuple[Any, ...]]) -> Rows:
    tables = session.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
    ).fetchall()
    counted = sql.SQL("SELECT count(*) FROM {}")
    return {name: (session.execute(counted.format(sql.Identifier(name))).fetchone() or (0,))[0] for (name,) in tables}


def _rows_in(session: sqlite3.Connection) -> Rows:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    names = [name for (name,) in session.execute(query).fetchall()]
    return {name: session.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}  # noqa: S608 - its own tables


def _installed(program: str) -> str:
    """Return a program of PostgreSQL from the PATH, else the newest that the system's packages have installed."""
    newest_first = sorted(_INSTALLED.glob(f"*/bin/{program}"), key=lambda path: float(path.parts[-3]), reverse=True)
    found = shutil.which(program) or (str(newest_first[0]) if newest_first else "")
    if not found:
        raise BackupError(f"{program} is not installed; install PostgreSQL's client programs of the server's version.")
    return found


def differences(before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """Return one sentence for every table that does not have as many rows after as before."""
    names = sorted(before.keys() | after.keys())
    changed = [name for name in names if before.get(name) != after.get(name)]
    return [f"{name} had {before.get(name, 'no table')}, has {after.get(name, 'no table')}" for name in changed]
