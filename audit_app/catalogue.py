"""What PostgreSQL's catalogue says of the log's tables, and what it said when this host looked last."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db import connection

from audit_app import triggers
from audit_app.witness import write_safely
from core_app import clock

# Every object that can weaken a table, with its identity and the transaction that wrote its row in the catalogue last
_OBJECTS: Final = """
    WITH ours AS (SELECT oid, xmin, relname FROM pg_class WHERE relname = ANY(%s) AND pg_table_is_visible(oid))
    SELECT 'table ' || relname, oid || '.' || xmin FROM ours
    UNION ALL SELECT 'trigger ' || tgname, t.oid || '.' || t.xmin FROM pg_trigger t
        JOIN ours ON ours.oid = tgrelid WHERE NOT tgisinternal
    UNION ALL SELECT 'function ' || proname, oid || '.' || xmin FROM pg_proc
        WHERE proname = ANY(%s) AND pg_function_is_visible(oid)
    UNION ALL SELECT 'column ' || relname || '.' || attname, attnum || '.' || a.xmin FROM pg_attribute a
        JOIN ours ON ours.oid = attrelid WHERE attnum > 0
    UNION ALL SELECT 'constraint ' || conname, c.oid || '.' || c.xmin FROM pg_constraint c
        JOIN ours ON ours.oid = conrelid
    UNION ALL SELECT 'policy ' || polname || ' on ' || relname, p.oid || '.' || p.xmin FROM pg_policy p
        JOIN ours ON ours.oid = polrelid
    UNION ALL SELECT 'rule ' || rulename, r.oid || '.' || r.xmin FROM pg_rewrite r JOIN ours ON ours.oid = ev_class
    UNION ALL SELECT 'index ' || indexrelid::regclass::text, indexrelid::text FROM pg_index
        JOIN ours ON ours.oid = indrelid
"""
_REFUSED: Final = f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {triggers.REFUSED_WRITES}"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The log's tables as the catalogue describes them.

    Attributes:
        at: When it was read, as an ISO time.
        refused: How many writes the database has refused, ever.
        versions: Object → what changes whenever somebody defines it anew.
    """

    at: str
    refused: int
    versions: dict[str, str]

    def differences(self, before: Catalogue) -> dict[str, Any]:
        """Return the objects that were added, removed or defined anew since; a counter that was set back is one."""
        then, now = before.versions, self.versions
        found = {
            "added": sorted(now.keys() - then.keys()),
            "removed": sorted(then.keys() - now.keys()),
            "altered": sorted(name for name in now.keys() & then.keys() if now[name] != then[name]),
        }
        if self.refused < before.refused:
            found["altered"].append(f"sequence {triggers.REFUSED_WRITES}")
        return {kind: names for kind, names in found.items() if names}

    def keep(self) -> None:
        """Remember it on this host."""
        write_safely(_path(), asdict(self))


@contextmanager
def held() -> Iterator[None]:
    """Keep other processes of this host from looking meanwhile: what one records the next one knows."""
    _path().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _path().with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read() -> Catalogue:
    """Return what the catalogue says now."""
    tables = {*triggers.append_only_tables(), *triggers.COUNTED}
    with connection.cursor() as cursor:
        cursor.execute(_OBJECTS, [sorted(tables), sorted(triggers.expected_names())])
        versions = dict(cursor.fetchall())
        cursor.execute(_REFUSED)
        (refused,) = cursor.fetchone()
    return Catalogue(clock.now().isoformat(), refused, versions)


def recall() -> Catalogue | None:
    """Return what this host saw last; None when it remembers nothing.

    Raises:
        ValueError: its memory is damaged.
    """
    try:
        return Catalogue(**json.loads(_path().read_text()))
    except FileNotFoundError:
        return None
    except TypeError as error:
        raise ValueError(f"{_path()} is no memory of a catalogue.") from error


def _path() -> Path:
    folder: Path = settings.LOG_SIGNER_FOLDER
    return folder / "catalogue.state"
