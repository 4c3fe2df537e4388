"""Walk the log and say what does not hold; works from the stored bytes alone, whether or not triggers are in place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, models
from django.db.models import Q, QuerySet

from audit_app import canonical
from audit_app.canonical import GENESIS_HASH
from audit_app.chain import entry_of
from audit_app.models import ChainHead, ProvisioningLog

_CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold.

    Attributes:
        classification: MODIFIED, DELETED, INSERTED, REORDERED, MOVED, TRUNCATED or STATE_MISMATCH (``class`` in JSON).
        entry: Which entry, as ``<chain>#<sequence>``.
        detail: One sentence for the reader.
    """

    classification: str
    entry: str
    detail: str

    def as_json(self) -> dict[str, str]:
        """Return the finding under the names of the JSON report."""
        values = asdict(self)
        return {"class": values.pop("classification"), **values}


@dataclass(slots=True)
class Report:
    """The result of a verification."""

    entries: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Say whether everything holds."""
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        """Return ``{"entries", "ok", "findings"}``."""
        return {"entries": self.entries, "ok": self.ok, "findings": [finding.as_json() for finding in self.findings]}


def verify_log(tenant_id: UUID | None = None, using: str = DEFAULT_DB_ALIAS) -> Report:
    """Verify every chain from its first entry to its head, and every subject's state against the fold of its log.

    Heads are read before the entries, so that a chain which grows meanwhile is longer than its head, never shorter.

    Args:
        tenant_id: Only this tenant's; everything when None.
        using: Alias of the database, for a restored copy.
    """
    report = Report()
    all_heads = ChainHead.objects.using(using).filter(sequence__gt=0)
    theirs = Q() if tenant_id is None else Q(tenant=tenant_id)
    heads = {head.chain: head for head in all_heads.filter(theirs).iterator(chunk_size=_CHUNK)}
    entries_in_order = ProvisioningLog.objects.using(using).filter(theirs).order_by("chain", "sequence")
    rows = entries_in_order.iterator(chunk_size=_CHUNK)
    for chain, entries in groupby(rows, key=lambda row: row.chain):
        report.findings += _verify_chain(chain, entries, heads.pop(chain, None), all_heads, report)
    for head in heads.values():
        report.findings.append(
            Finding("TRUNCATED", f"{head.chain}#1", f"All {head.sequence} entries of the chain are gone.")
        )
    report.findings += _verify_states(theirs, using)
    return report


def _verify_chain(
    chain: str,
    entries: Iterator[ProvisioningLog],
    head: ChainHead | None,
    all_heads: QuerySet[ChainHead],
    report: Report,
) -> Iterator[Finding]:
    previous_hash, previous_sequence, previous_time = GENESIS_HASH, 0, None
    for row in entries:
        report.entries += 1
        where = f"{chain}#{row.sequence}"
        if row.sequence > previous_sequence + 1:
            yield Finding("DELETED", where, f"Entries {previous_sequence + 1} to {row.sequence - 1} are missing.")
        elif row.previous_hash != previous_hash:
            yield Finding("INSERTED", where, "The entry does not follow the one before it.")
        yield from _verify_entry(row, where)
        if previous_time and row.timestamp < previous_time:
            yield Finding("REORDERED", where, "The entry is older than the one before it.")
        if head and head.sequence == row.sequence and head.entry_hash != row.entry_hash:
            yield Finding("MODIFIED", where, "The chain's head names another entry at this place.")
        previous_hash, previous_sequence, previous_time = row.entry_hash, row.sequence, row.timestamp
    if head and head.sequence > previous_sequence:
        gone = head.sequence - previous_sequence
        yield Finding(
            "TRUNCATED", f"{chain}#{previous_sequence + 1}", f"The last {gone} of {head.sequence} entries are gone."
        )
    elif not head or head.sequence < previous_sequence:
        yield from _verify_growth(chain, previous_sequence, all_heads)


def _verify_growth(chain: str, last: int, all_heads: QuerySet[ChainHead]) -> Iterator[Finding]:
    """Ask again for a head that the chain has outgrown: entry and head are committed together."""
    head = all_heads.filter(chain=chain).first()
    if head is None:
        yield Finding("TRUNCATED", f"{chain}#{last}", "The chain's head is gone.")
    elif head.sequence < last:
        yield Finding("INSERTED", f"{chain}#{last}", f"The chain's head knows of {head.sequence} entries only.")


def _verify_entry(row: ProvisioningLog, where: str) -> Iterator[Finding]:
    content = bytes(row.canonical)
    if canonical.digest(content) != row.entry_hash:
        yield Finding("MODIFIED", where, "The stored bytes do not have the stored hash.")
        return
    try:
        sealed = canonical.decode(content)
    except canonical.NotCanonicalError as error:
        yield Finding("MODIFIED", where, f"The stored bytes cannot be read: {error}.")
        return
    columns = dict(entry_of(row))
    if changed := sorted(name for name in columns if columns[name] != sealed.get(name)):
        kind = "MOVED" if {"chain", "environment_request", "tenant"} & set(changed) else "MODIFIED"
        yield Finding(kind, where, f"Columns differ from what was hashed: {', '.join(changed)}.")


def _verify_states(theirs: Q, using: str) -> Iterator[Finding]:
    """Compare the state of every request with the to-state of its newest entry that carries one."""
    subject = ProvisioningLog._meta.get_field("environment_request").related_model
    newest = (
        ProvisioningLog.objects.filter(environment_request=models.OuterRef("pk"), to_state__isnull=False)
        .order_by("-sequence")
        .values("to_state")[:1]
    )
    wrong = (
        subject._base_manager.using(using)
        .annotate(folded=models.Subquery(newest))
        .filter(theirs, Q(folded__isnull=True) | ~Q(folded=models.F("state")))
        .values_list("pk", "state", "folded")
    )
    for pk, state, folded in wrong.iterator(chunk_size=_CHUNK):
        yield Finding(
            "STATE_MISMATCH", f"request:{pk}", f"The request is in state {state}, its log says {folded or 'nothing'}."
        )
