"""What stands in an export: the log as it was hashed, and tables of what else is known, each for programs and people.

A table is written twice: as NDJSON, which is the record, and as CSV, which renders it.
"""

from __future__ import annotations

import json
from array import array
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db.models import OuterRef, Subquery

from audit_app import canonical
from audit_app.actions import Action, ActorType
from audit_app.models import TreeLeaf
from evidence_app import spreadsheet
from evidence_app.folder import LineFile, StagedFolder
from evidence_app.selection import Selection
from requests_app.fields import LOG_COLUMNS

LOG, LOG_CSV, CHAINS = "log.ndjson", "log.csv", "chains.ndjson"
_CHUNK: Final = 2000  # rows in memory at a time
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LOG_CSV_COLUMNS: Final = (*(name for name in LOG_COLUMNS if name != "canonical"), "action_name", "actor_type_name")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """One table of an export.

    Attributes:
        name: Of its files, without ending.
        columns: In order.
        rows: What it holds of a selection, in an order that is always the same.
    """

    name: str
    columns: tuple[str, ...]
    rows: Callable[[Selection], Iterable[Row]]

    @property
    def record(self) -> str:
        """Return the name of the file that is the record."""
        return f"{self.name}.ndjson"

    @property
    def rendering(self) -> str:
        """Return the name of the file for a spreadsheet."""
        return f"{self.name}.csv"


def columns(words: str) -> tuple[str, ...]:
    """Return the names of columns out of one text."""
    return tuple(words.split())


def write_table(stage: StagedFolder, table: Table, selection: Selection) -> dict[str, dict[str, Any]]:
    """Write a table as record and as rendering; return what the manifest says about both files."""
    with stage.line_file(table.record) as record, stage.line_file(table.rendering) as rendering:
        rendering.append(spreadsheet.head(table.columns))
        for row in table.rows(selection):
            record.write({name: row[name] for name in table.columns})
            rendering.append(spreadsheet.line([row[name] for name in table.columns]))
    return {table.record: record.facts(), table.rendering: rendering.facts()}


@dataclass(frozen=True, slots=True)
class LogFiles:
    """The files of the log.

    Attributes:
        sealed: The record: every entry as it was hashed.
        read: Its rendering.
        chains: Where every chain began and stood.
    """

    sealed: LineFile
    read: LineFile
    chains: LineFile


def write_log(selection: Selection, size: int, files: LogFiles) -> Sequence[int]:
    """Write every entry as it was hashed and as people read it, and of every chain where it began and stood.

    Returns:
        The places of the entries in the tree of ``size`` leaves.
    """
    head: dict[str, Any] = {}
    shown = array("q")
    place = Subquery(TreeLeaf.objects.filter(entry=OuterRef("pk"), index__lt=size).values("index"))
    wanted = columns("chain sequence previous_hash entry_hash canonical index")
    chosen = selection.entries.order_by("chain", "sequence").annotate(index=place).values(*wanted)
    files.read.append(spreadsheet.head(LOG_CSV_COLUMNS))
    for row in chunked(chosen):
        content = bytes(row["canonical"])
        files.sealed.write({**row, "canonical": b64encode(content).decode()})
        files.read.append(spreadsheet.line(_as_people_read(content, row)))
        if row["index"] is not None:
            shown.append(row["index"])
        if head and head["chain"] != row["chain"]:
            files.chains.write(head)
            head = {}
        head = head or {
            "chain": row["chain"],
            "first_sequence": row["sequence"],
            "first_previous_hash": row["previous_hash"],
        }
        head |= {"head_sequence": row["sequence"], "head_hash": row["entry_hash"]}
    if head:
        files.chains.write(head)
    return shown


def _as_people_read(content: bytes, row: Row) -> list[Any]:
    """Return the cells of an entry, out of the bytes that were hashed; where they cannot be read, its place."""
    try:
        sealed = canonical.decode(content)
        said = sealed | {
            "timestamp": _EPOCH + timedelta(microseconds=sealed["timestamp"]),
            "action_details": json.dumps(sealed["action_details"], sort_keys=True, ensure_ascii=False),
            "action_name": Action(sealed["action"]).label,
            "actor_type_name": ActorType(sealed["actor_type"]).label,
        }
    except (canonical.NotCanonicalError, KeyError, TypeError, ValueError, OverflowError):
        said = {**row, "error_message": "The bytes of this entry cannot be read."}
    said["entry_hash"] = row["entry_hash"]
    return [said.get(name) for name in LOG_CSV_COLUMNS]


def chunked(rows: Any) -> Iterator[Any]:
    """Yield the rows of a query with a few of them in memory at a time."""
    with closing(rows.iterator(chunk_size=_CHUNK)) as found:
        yield from found
