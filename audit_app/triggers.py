"""Database triggers that hold even for those who go around the code, for SQLite and PostgreSQL.

They are declared by each app (``triggers`` on its AppConfig), dropped before migrations, because SQLite rebuilds
tables, and installed after them. Everything here is idempotent. However long the table and whoever reads it, nobody
queues behind these changes for more than a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import stamina
from django.apps import apps
from django.db import connection, transaction

from core_app.outage import sqlstate

# While a trigger's change waits for its lock, everybody after it waits as well: rather give up and come again
_LOCK_WAIT_MILLISECONDS = 500
_PATIENCE_SECONDS = 600.0
_LONGEST_PAUSE_SECONDS = 5.0
_LOCK_NOT_AVAILABLE = "55P03"
_RESTRICT_VIOLATION = "23001"  # becomes IntegrityError on both databases


# Counts refused changes: unlike rows, what a sequence has given is not taken back when the transaction fails
REFUSED_WRITES = "audit_app_refused_writes"
_ALWAYS, _NEVER = "A", "D"  # it fires even under session_replication_role = replica; it is disabled
# Table, name, when it fires, and what it does
_STANDING = {
    "sqlite": "SELECT tbl_name, name, 'A', sql FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": """
        SELECT relname, tgname, tgenabled, proname, CASE WHEN tgqual IS NULL AND tgattr::text = '' THEN tgtype END,
               trim(both ' ' FROM prosrc)
        FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid
        WHERE NOT tgisinternal AND pg_table_is_visible(tgrelid)
    """,
}
_BITS = {"ROW": 1, "BEFORE": 2, "INSERT": 4, "DELETE": 8, "UPDATE": 16, "TRUNCATE": 32}  # pg_trigger.h

# How far chains and trees go: changed with each entry, never taken away
COUNTED = ("audit_app_chainhead", "audit_app_logtree")


@dataclass(frozen=True, slots=True)
class AppendOnly:
    """Refuses UPDATE, DELETE, TRUNCATE and INSERT OR REPLACE on a table.

    Attributes:
        table: Table name.
        unique: Groups of columns of which a second row would replace the first under SQLite's INSERT OR REPLACE.
    """

    table: str
    unique: tuple[tuple[str, ...], ...] = (("id",),)

    def sqlite(self) -> dict[str, str]:
        refuse = f"SELECT RAISE(ABORT, 'append-only table {self.table}: the change was refused');"
        taken = " OR ".join(
            f"EXISTS (SELECT 1 FROM {self.table} WHERE {' AND '.join(f'{c} = NEW.{c}' for c in columns)})"
            for columns in self.unique
        )
        return {
            f"{self.table}_no_update": f"BEFORE UPDATE ON {self.table} BEGIN {refuse} END",
            f"{self.table}_no_delete": f"BEFORE DELETE ON {self.table} BEGIN {refuse} END",
            f"{self.table}_no_replace": f"BEFORE INSERT ON {self.table} WHEN {taken} BEGIN {refuse} END",
        }

    def postgresql(self) -> dict[str, tuple[str, str]]:
        body = (
            f"BEGIN PERFORM nextval(format('%I.{REFUSED_WRITES}', TG_TABLE_SCHEMA)); "
            f"RAISE EXCEPTION 'append-only table {self.table}: % was refused', TG_OP "
            f"USING ERRCODE = '{_RESTRICT_VIOLATION}'; END"
        )
        return {
            f"{self.table}_no_change": (f"BEFORE UPDATE OR DELETE ON {self.table} FOR EACH ROW", body),
            f"{self.table}_no_truncate": (f"BEFORE TRUNCATE ON {self.table} FOR EACH STATEMENT", body),
        }


@dataclass(frozen=True, slots=True)
class StateFollowsLog:
    """Refuses a state change unless the newest log entry of this row that carries a to-state names exactly that change.

    A new row must start in ``first_state``. Because the newest entry is asked for, an older entry never satisfies it.

    Attributes:
        table: Table with a ``state`` column.
        log_table: The log.
        log_column: The log's foreign key to ``table``.
        first_state: The only state a row may be inserted with.
    """

    table: str
    log_table: str
    log_column: str
    first_state: int

    @property
    def _refusal(self) -> str:
        return f"state of {self.table}: the newest log entry does not name this change"

    def _newest(self) -> str:
        return (
            f"SELECT from_state, to_state FROM {self.log_table} WHERE {self.log_column} = NEW.id "
            "AND to_state IS NOT NULL ORDER BY sequence DESC LIMIT 1"
        )

    def sqlite(self) -> dict[str, str]:
        return {
            f"{self.table}_state_follows_log": (
                f"BEFORE UPDATE ON {self.table} WHEN NEW.state IS NOT OLD.state AND NOT EXISTS ("
                f"SELECT 1 FROM ({self._newest()}) WHERE from_state = OLD.state AND to_state = NEW.state) "
                f"BEGIN SELECT RAISE(ABORT, '{self._refusal}'); END"
            ),
            f"{self.table}_starts_in_first_state": (
                # INSERT OR REPLACE would put a fresh row in the place of one that has moved on
                f"BEFORE INSERT ON {self.table} WHEN NEW.state IS NOT {self.first_state} "
                f"OR EXISTS (SELECT 1 FROM {self.table} WHERE id = NEW.id) "
                f"BEGIN SELECT RAISE(ABORT, 'state of {self.table}: a new row starts in state {self.first_state}'); END"
            ),
        }

    def postgresql(self) -> dict[str, tuple[str, str]]:
        follow = (
            f"BEGIN IF NEW.state IS DISTINCT FROM OLD.state AND NOT EXISTS (SELECT 1 FROM ({self._newest()}) AS newest "
            "WHERE newest.from_state = OLD.state AND newest.to_state = NEW.state) THEN "
            f"RAISE EXCEPTION '{self._refusal}' "
            f"USING ERRCODE = '{_RESTRICT_VIOLATION}'; END IF; RETURN NEW; END"
        )
        start = (
            f"BEGIN IF NEW.state IS DISTINCT FROM {self.first_state} THEN "
            f"RAISE EXCEPTION 'state of {self.table}: a new row starts in state {self.first_state}' "
            f"USING ERRCODE = '{_RESTRICT_VIOLATION}'; END IF; RETURN NEW; END"
        )
        return {
            f"{self.table}_state_follows_log": (f"BEFORE UPDATE ON {self.table} FOR EACH ROW", follow),
            f"{self.table}_starts_in_first_state": (f"BEFORE INSERT ON {self.table} FOR EACH ROW", start),
        }


@dataclass(frozen=True, slots=True)
class KeptWhile:
    """Refuses to delete a row for as long as a condition holds, and to empty the table while it holds for any row.

    Attributes:
        table: Table name.
        condition: On the row ``OLD``, in SQL that both databases understand.
        any_row: Whether there is any reason at all to keep something, in SQL.
        because: What the refusal says, as the end of a sentence.
    """

    table: str
    condition: str
    any_row: str
    because: str

    @property
    def _name(self) -> str:
        return f"{self.table}_kept"

    @property
    def _refusal(self) -> str:
        return f"{self.table}: nothing was deleted, {self.because}"

    def sqlite(self) -> dict[str, str]:
        refuse = f"SELECT RAISE(ABORT, '{self._refusal}');"
        return {self._name: f"BEFORE DELETE ON {self.table} WHEN {self.condition} BEGIN {refuse} END"}

    def postgresql(self) -> dict[str, tuple[str, str]]:
        def refused_if(condition: str, then: str) -> str:
            error = f"RAISE EXCEPTION '{self._refusal}' USING ERRCODE = '{_RESTRICT_VIOLATION}'"
            return f"BEGIN IF {condition} THEN {error}; END IF; RETURN {then}; END"

        return {
            self._name: (f"BEFORE DELETE ON {self.table} FOR EACH ROW", refused_if(self.condition, "OLD")),
            f"{self._name}_whole": (
                f"BEFORE TRUNCATE ON {self.table} FOR EACH STATEMENT",
                refused_if(self.any_row, "NULL"),
            ),
        }


Trigger = AppendOnly | StateFollowsLog | KeptWhile


def declared() -> Iterator[Trigger]:
    """Yield the triggers that the installed apps declare."""
    for config in apps.get_app_configs():
        yield from getattr(config, "triggers", ())


def expected_names() -> set[str]:
    """Return the names of the triggers that must exist on this database."""
    return {name for trigger in declared() for name in _definitions(trigger)}


def expected_by_table() -> dict[str, set[str]]:
    """Return the names of the triggers that must exist on this database, by table."""
    found: dict[str, set[str]] = {}
    for trigger in declared():
        found.setdefault(trigger.table, set()).update(_definitions(trigger))
    return found


def append_only_tables() -> set[str]:
    """Return the tables to which rows may only be added."""
    return {trigger.table for trigger in declared() if isinstance(trigger, AppendOnly)}


def installed_by_table() -> dict[str, set[str]]:
    """Return the names of the triggers that exist and are enabled on this database, by table.

    One of our names counts only while it does what is declared under it: somebody may have put another in its place.
    """
    ours = {name: said for trigger in declared() for name, said in _as_stored(trigger).items()}
    found: dict[str, set[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_STANDING[connection.vendor])
        for table, name, fires, *said in cursor.fetchall():
            counts = fires == _ALWAYS and (table, *said) == ours[name] if name in ours else fires != _NEVER
            if counts:
                found.setdefault(table, set()).add(name)
    return found


def installed_names() -> set[str]:
    """Return the names of the triggers that exist and are enabled on this database."""
    return {name for names in installed_by_table().values() for name in names}


def missing() -> set[str]:
    """Return the names of triggers that should protect this database and do not: missing, disabled, or other ones."""
    return expected_names() - installed_names()


def install(**_signal: Any) -> None:
    """Install every declared trigger whose table exists; safe to call again."""
    tables = set(connection.introspection.table_names())
    for trigger in declared():
        if trigger.table in tables:
            run_patiently(list(_create_statements(trigger)))


def drop(**_signal: Any) -> None:
    """Drop every declared trigger: needed around migrations (SQLite rebuilds tables) and around a test's flush."""
    tables = set(connection.introspection.table_names())
    for trigger in declared():
        if trigger.table in tables:
            run_patiently(list(_drop_statements(trigger)))


def _definitions(trigger: Trigger) -> dict[str, Any]:
    return trigger.sqlite() if connection.vendor == "sqlite" else trigger.postgresql()


def _as_stored(trigger: Trigger) -> dict[str, tuple[Any, ...]]:
    """Return table and ``said`` of each trigger of a declaration, as ``_STANDING`` reads them from the catalogue."""
    if connection.vendor == "sqlite":
        return {name: (trigger.table, f"CREATE TRIGGER {name} {text}") for name, text in trigger.sqlite().items()}
    return {name: (trigger.table, name, _kind(event), body) for name, (event, body) in trigger.postgresql().items()}


def _kind(event: str) -> int:
    """Return ``pg_trigger.tgtype``: a bit for each word."""
    return sum(bit for word, bit in _BITS.items() if f" {word} " in f" {event} ")


def _create_statements(trigger: Trigger) -> Iterator[str]:
    if connection.vendor == "sqlite":
        for name, definition in trigger.sqlite().items():
            yield f"CREATE TRIGGER IF NOT EXISTS {name} {definition}"
        return
    if isinstance(trigger, AppendOnly):
        yield f"CREATE SEQUENCE IF NOT EXISTS {REFUSED_WRITES}"
        yield f"GRANT USAGE, SELECT ON SEQUENCE {REFUSED_WRITES} TO PUBLIC"  # whoever is refused is counted
    for name, (event, body) in trigger.postgresql().items():
        yield f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
        # Replaced rather than dropped first: that would lock out those who only read
        yield f"CREATE OR REPLACE TRIGGER {name} {event} EXECUTE FUNCTION {name}()"
        yield f"ALTER TABLE {trigger.table} ENABLE ALWAYS TRIGGER {name}"


def _drop_statements(trigger: Trigger) -> Iterator[str]:
    for name in _definitions(trigger):
        suffix = "" if connection.vendor == "sqlite" else f" ON {trigger.table}"
        yield f"DROP TRIGGER IF EXISTS {name}{suffix}"


def _is_locked(error: Exception) -> bool:
    return sqlstate(error) == _LOCK_NOT_AVAILABLE


@stamina.retry(on=_is_locked, attempts=None, timeout=_PATIENCE_SECONDS, wait_max=_LONGEST_PAUSE_SECONDS)
def run_patiently(statements: list[str]) -> None:
    """Run the statements in one transaction, again and again while others hold the table on PostgreSQL.

    Raises:
        OperationalError: the table was never free for ten minutes.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            statements = [f"SET LOCAL lock_timeout = {_LOCK_WAIT_MILLISECONDS}", *statements]
            statements.append("SET LOCAL lock_timeout TO DEFAULT")  # for who called us inside a transaction
        for statement in statements:
            cursor.execute(statement)
