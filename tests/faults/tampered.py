"""A small log that is built once, copies of it to be attacked, and the tools of whoever attacks them."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, connections, transaction

from audit_app import canonical, keys, triggers
from audit_app.actions import Action, ActorType
from audit_app.actors import Actor
from audit_app.checkpoints import sign_now
from audit_app.log import record
from audit_app.merkle import CompactRange, leaf_hash
from audit_app.models import ProvisioningLog
from audit_app.notes import TreeHead, public_bytes, sign
from audit_app.verify import Report, verify_log
from core_app import clock as core_clock
from core_app.clock import ManualClock
from evidence_app.services import export_evidence
from requests_app.choices import State, Zone
from tests.factories import make_people, make_request

LOG = "audit_app_provisioninglog"
NOBODYS = "0" * 31 + "1"  # a key that no entry has
BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ACCENTED = "andr\u00e9@contoso.example"  # in normal form C, signed for
NAMES = ("LOG_SIGNING_KEY_FILE", "LOG_SIGNER_FOLDER", "LOG_ANCHOR_FOLDER")


@dataclass(frozen=True)
class Built:
    """What the log holds: three requests of one tenant, of which two are signed for, and another tenant's."""

    folder: Path
    tenant: str
    chain: str  # of a completed request: eleven entries or so, signed for
    other: str  # of a rejected one
    unsigned: str
    elsewhere: str  # of another tenant
    clock: ManualClock

    @contextmanager
    def copied(self, folder: Path, name: str = "now.sqlite3") -> Iterator[None]:
        """Work on a copy of the database and of the signer's host."""
        shutil.copyfile(self.folder / name, folder / "attacked.sqlite3")
        shutil.copytree(self.folder / "host", folder / "host")
        with database_at(folder / "attacked.sqlite3"), host_at(folder / "host"), core_clock.using(self.clock):
            yield


@contextmanager
def database_at(file: Path) -> Iterator[None]:
    """Let everybody work on another database; the transaction of the test goes on in its own."""
    before = connections["default"]
    connections["default"] = another = before.copy("default")
    another.settings_dict["NAME"] = str(file)
    try:
        yield
    finally:
        another.close()
        connections["default"] = before


@contextmanager
def host_at(folder: Path) -> Iterator[None]:
    before = {name: getattr(settings, name) for name in NAMES}
    for name, part in zip(NAMES, ("log_key.pem", "signer", "anchors"), strict=True):
        setattr(settings, name, folder / part)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(settings, name, value)


def build(folder: Path) -> Built:
    """Build the log in a copy of the empty test database; ``older.sqlite3`` is a backup from its middle."""
    empty, copy = sqlite3.connect(connection.settings_dict["NAME"]), sqlite3.connect(folder / "now.sqlite3")
    with closing(empty), closing(copy):
        empty.backup(copy)
    clock = ManualClock(BEGIN)
    with database_at(folder / "now.sqlite3"), host_at(folder / "host"), core_clock.using(clock):
        people, others = make_people(), make_people()
        completed = make_request(State.COMPLETED, people=people, zone=Zone.ZONE_3)
        sign_now()
        clock.advance(minutes=10)
        _back_up(folder / "older.sqlite3")
        rejected = make_request(State.REJECTED, people=people, zone=Zone.ZONE_2)
        elsewhere = make_request(State.REJECTED, people=others, zone=Zone.ZONE_2)
        with transaction.atomic():
            record(Action.PREFLIGHT_CHECKED, on=people.tenant, by=Actor(type=ActorType.USER, name=ACCENTED))
        sign_now()
        for who in (people, others):
            export_evidence(who.tenant.pk, "2026Q1", folder / f"bundle-{who.tenant.pk}", by=who.auditor)
        sign_now()
        clock.advance(seconds=30)
        draft = make_request(people=people)
        _back_up(folder / "now.sqlite3")
    chains = [row.log_chain().key for row in (completed, rejected, draft, elsewhere)]
    return Built(folder, str(people.tenant.pk), *chains, clock)


def _back_up(file: Path) -> None:
    connection.ensure_connection()
    if str(file) != connection.settings_dict["NAME"]:
        with closing(sqlite3.connect(file)) as copy:
            connection.connection.backup(copy)
    else:
        sql("PRAGMA wal_checkpoint(TRUNCATE)")


def sql(statement: str, *parameters: object) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def unguarded() -> None:
    """Take the triggers out of the way, and the foreign keys."""
    triggers.drop()
    if connection.vendor == "sqlite":
        sql("PRAGMA foreign_keys=OFF")


def entry(chain: str, sequence: int) -> dict[str, Any]:
    names = ("id", "canonical", "entry_hash", "previous_hash")
    (row,) = sql(f"SELECT {', '.join(names)} FROM {LOG} WHERE chain = %s AND sequence = %s", chain, sequence)
    return dict(zip(names, row, strict=True))


def rewrite(chain: str, sequence: int, *, to_tail: bool = False, **changes: Any) -> None:
    """Change an entry and hash it anew, and if wanted all that follow it and the head, as a careful intruder would."""
    last = sql("SELECT sequence FROM audit_app_chainhead WHERE chain = %s", chain)[0][0] if to_tail else sequence
    previous = entry(chain, sequence)["previous_hash"]
    for number in range(sequence, last + 1):
        sealed = canonical.decode(bytes(entry(chain, number)["canonical"])) | changes | {"previous_hash": previous}
        changes_here, changes = changes, {}
        content = canonical.encode(sealed)
        put(chain, number, content, previous_hash=previous, **changes_here)
        previous = canonical.digest(content)
    if to_tail:
        sql("UPDATE audit_app_chainhead SET entry_hash = %s WHERE chain = %s", previous, chain)


def put(chain: str, sequence: int, content: bytes, **columns: Any) -> None:
    """Give an entry other bytes with their right hash, and other columns."""
    columns |= {"canonical": content, "entry_hash": canonical.digest(content)}
    names = ", ".join(f"{name} = %s" for name in columns)
    sql(f"UPDATE {LOG} SET {names} WHERE chain = %s AND sequence = %s", *columns.values(), chain, sequence)


def exchange(chain: str, first: int, second: int) -> None:
    """Let two entries change places: each gets the other one's key and number, and nothing else."""
    places = {number: (entry(chain, number)["id"], number) for number in (first, second)}
    aside = f"UPDATE {LOG} SET id = %s, sequence = %s WHERE chain = %s AND sequence = %s"
    sql(aside, NOBODYS, 0x7FFF, chain, first)
    sql(aside, *places[first], chain, second)
    sql(aside, *places[second], chain, 0x7FFF)


def put_in(chain: str, at: int) -> None:
    """Put a forged entry into the middle of a chain; those behind it move on by one."""
    forged = canonical.decode(bytes(entry(chain, at)["canonical"])) | {"id": NOBODYS}
    sql(f"UPDATE {LOG} SET sequence = sequence + 1000 WHERE chain = %s AND sequence >= %s", chain, at)
    sql(f"UPDATE {LOG} SET sequence = sequence - 999 WHERE chain = %s AND sequence >= 1000", chain)
    copy(chain, at + 1, sequence=at)
    put(chain, at, canonical.encode(forged))


def copy(chain: str, of: int, sequence: int) -> None:
    """Put a copy of an entry at a place; a chain never forks, so that it needs a previous hash of its own."""
    others = {"id": f"'{NOBODYS}'", "sequence": str(sequence), "previous_hash": f"'{'f' * 64}'"}
    names = [field.column for field in ProvisioningLog._meta.concrete_fields]
    values = ", ".join(others.get(name, name) for name in names)
    where = "WHERE chain = %s AND sequence = %s"
    sql(f"INSERT INTO {LOG} ({', '.join(names)}) SELECT {values} FROM {LOG} {where}", chain, of)


def plant_leaves() -> None:
    """Make every leaf, and the edge of every tree, what the entries say now."""
    edges: dict[Any, CompactRange] = {}
    rows = sql(
        f"SELECT leaf.tenant_id, leaf.entry, log.entry_hash FROM audit_app_treeleaf leaf JOIN {LOG} log "
        'ON log.id = leaf.entry ORDER BY leaf.tenant_id, leaf."index"'
    )
    for tenant, key, entry_hash in rows:
        edges.setdefault(tenant, CompactRange()).append(leaf_hash(entry_hash))
        sql("UPDATE audit_app_treeleaf SET leaf_hash = %s WHERE entry = %s", leaf_hash(entry_hash), key)
    for tenant, edge in edges.items():
        sql("UPDATE audit_app_logtree SET edge = %s WHERE tenant_id = %s", edge.to_bytes(), tenant)


def sign_again() -> None:
    """Sign every checkpoint anew over what the leaves say now, with the stolen key."""
    key = keys.signing_key()
    rows = sql("SELECT id, tenant_id, note FROM audit_app_checkpoint")
    for pk, tenant, note in rows:
        origin, size, _ = note.partition("\n\n")[0].split("\n")
        leaves = sql('SELECT leaf_hash FROM audit_app_treeleaf WHERE tenant_id = %s ORDER BY "index"', tenant)
        edge = CompactRange()
        for (leaf,) in leaves[: int(size)]:
            edge.append(bytes(leaf))
        (at,) = sql("SELECT signed_at FROM audit_app_checkpoint WHERE id = %s", pk)[0]
        at = at if isinstance(at, datetime) else datetime.fromisoformat(at)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        head = TreeHead(origin, int(size), edge.root(), at)
        values = (sign(key, head), edge.root().hex(), public_bytes(key).hex(), pk)
        sql("UPDATE audit_app_checkpoint SET note = %s, root = %s, public_key = %s WHERE id = %s", *values)


def found(report: Report | None = None) -> set[tuple[str, str]]:
    """Return (class, place) of what does not hold."""
    report = report or verify_log()
    return {(finding.classification, finding.entry) for finding in report.defects}


def classes(report: Report | None = None) -> set[str]:
    return {kind for kind, _ in found(report)}


def lines_of(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text().splitlines()]
