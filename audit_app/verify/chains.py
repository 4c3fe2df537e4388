"""Walk every chain from its first entry to its head; works from the stored bytes alone, with or without triggers.

Entries are read in pages, each one statement: memory stays flat, no transaction stays open, and the head that comes
with a chain's last entry is of the same moment as that entry.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.utils.translation import gettext_noop as noop

from audit_app import canonical
from audit_app.canonical import GENESIS_HASH
from audit_app.chain import details_in, entry_of
from audit_app.models import AppendOnlyQuerySet, ChainHead, ProvisioningLog
from audit_app.verify.report import Finding, Report
from audit_app.verify.stored import as_bytes

PAGE: Final = 2000
_PLACES: Final = frozenset({"chain", "environment_request", "tenant"})


@dataclass(slots=True)
class _Chain:
    """How far a chain has been walked; ``last`` carries the head as its page saw it."""

    name: str
    last: Any = None
    sequence: int = 0
    entry_hash: str = GENESIS_HASH
    timestamp: datetime | None = None


def verify_chains(theirs: Q, using: str, known: Collection[UUID], report: Report) -> Iterator[Finding]:
    """Yield what does not hold within the chains.

    Args:
        theirs: Which entries.
        using: Alias of the database.
        known: Entries that the tree has shown to be changed or put in: the break they leave is not reported again.
        report: Counts the entries.
    """
    chain: _Chain | None = None
    for row in _entries(theirs, using):
        report.entries += 1
        if chain is None or chain.name != row.chain:
            if chain:
                yield from _end(chain)
            chain = _Chain(row.chain)
        yield from _link(chain, row, known)
        yield from verify_entry(row)
        chain.last, chain.sequence, chain.entry_hash, chain.timestamp = row, row.sequence, row.entry_hash, row.timestamp
    if chain:
        yield from _end(chain)
    yield from _heads_alone(theirs, using)


def _entries(theirs: Q, using: str) -> Iterator[Any]:
    """Yield every entry by chain and sequence, with the head of its chain."""
    head = ChainHead.objects.filter(chain=OuterRef("chain"))
    entries = ProvisioningLog.objects.using(using).filter(theirs).with_details_as_text()
    entries = entries.annotate(
        head_sequence=Subquery(head.values("sequence")), head_hash=Subquery(head.values("entry_hash"))
    )
    page = list(entries.order_by("chain", "sequence")[:PAGE])
    while page:
        yield from page
        last = page[-1]
        page = list(entries.filter(chain=last.chain, sequence__gt=last.sequence).order_by("sequence")[:PAGE])
        page = page or list(entries.filter(chain__gt=last.chain).order_by("chain", "sequence")[:PAGE])


def _link(chain: _Chain, row: Any, known: Collection[UUID]) -> Iterator[Finding]:
    where = f"{row.chain}#{row.sequence}"
    if row.sequence == chain.sequence:
        yield Finding("FORKED", where, noop("Two entries have this place in the chain."))
    elif row.sequence > chain.sequence + 1:
        yield Finding(
            "DELETED",
            where,
            noop("Entries %(first)s to %(last)s are missing.")
            % {"first": chain.sequence + 1, "last": row.sequence - 1},
        )
    elif row.previous_hash != chain.entry_hash and not ({row.pk, getattr(chain.last, "pk", None)} & set(known)):
        yield _broken(row, where)
    if chain.timestamp and row.timestamp < chain.timestamp:
        yield Finding("REORDERED", where, noop("The entry is older than the one before it."))
    if row.head_sequence == row.sequence and row.head_hash != row.entry_hash:
        yield Finding("MODIFIED", where, noop("The chain's head names another entry at this place."))


def _broken(row: Any, where: str) -> Finding:
    try:
        sealed = canonical.decode(as_bytes(row.canonical)).get("sequence")
    except canonical.NotCanonicalError:
        sealed = None
    if isinstance(sealed, int) and sealed < row.sequence:
        return Finding(
            "INSERTED",
            where,
            noop("The entry was number %(number)s: another one was put in before it.") % {"number": sealed},
        )
    return Finding(
        "MODIFIED", where, noop("The entry does not follow the one before it, which was changed or exchanged.")
    )


def _end(chain: _Chain) -> Iterator[Finding]:
    last = chain.last
    if last.head_sequence is None:
        yield Finding(
            "TRUNCATED",
            f"{chain.name}#{chain.sequence}",
            noop("The chain's head is gone."),
        )
    elif last.head_sequence > chain.sequence:
        gone = last.head_sequence - chain.sequence
        where = f"{chain.name}#{chain.sequence + 1}"
        yield Finding(
            "TRUNCATED",
            where,
            noop("The last %(gone)s of %(size)s entries are gone.") % {"gone": gone, "size": last.head_sequence},
        )
    elif last.head_sequence < chain.sequence:
        where = f"{chain.name}#{chain.sequence}"
        yield Finding(
            "INSERTED", where, noop("The chain's head knows of %(size)s entries only.") % {"size": last.head_sequence}
        )


def _heads_alone(theirs: Q, using: str) -> Iterator[Finding]:
    entries = ProvisioningLog.objects.filter(chain=OuterRef("chain"))
    heads = ChainHead.objects.using(using).filter(theirs, ~Exists(entries), sequence__gt=0).order_by("chain")
    for head in heads.iterator(chunk_size=PAGE):
        yield Finding(
            "TRUNCATED",
            f"{head.chain}#1",
            noop("All %(size)s entries of the chain are gone.") % {"size": head.sequence},
        )


def verify_heads(theirs: Q, using: str) -> Iterator[Finding]:
    """Yield what does not hold about the heads of chains, in one statement that reads no chain: where each ends."""
    entries = ProvisioningLog.objects.filter(chain=OuterRef("chain"))
    last, beyond = entries.filter(sequence=OuterRef("sequence")), entries.filter(sequence__gt=OuterRef("sequence"))
    heads = ChainHead.objects.using(using).filter(theirs, sequence__gt=0)
    heads = heads.annotate(last_hash=Subquery(last.values("entry_hash")[:1]), goes_on=Exists(beyond))
    wrong = heads.filter(Q(last_hash__isnull=True) | ~Q(last_hash=F("entry_hash")) | Q(goes_on=True))
    for head in wrong.order_by("chain").iterator(chunk_size=PAGE):
        where = f"{head.chain}#{head.sequence}"
        if head.last_hash is None:
            yield Finding("TRUNCATED", where, noop("The entry at which the chain's head stands is gone."))
        elif head.last_hash != head.entry_hash:
            yield Finding("MODIFIED", where, noop("The chain's head names another entry at this place."))
        if head.goes_on:
            detail = noop("The chain's head knows of %(size)s entries only.") % {"size": head.sequence}
            yield Finding("INSERTED", where, detail)


def verify_entry(row: Any) -> Iterator[Finding]:
    """Yield what does not hold within one entry, read with its details as text: its hash, its bytes, its columns."""
    where = f"{row.chain}#{row.sequence}"
    content = as_bytes(row.canonical)
    if canonical.digest(content) != row.entry_hash:
        yield Finding("MODIFIED", where, noop("The stored bytes do not have the stored hash."))
        return
    try:
        sealed = canonical.decode(content)
    except canonical.NotCanonicalError as error:
        yield Finding("MODIFIED", where, noop("The stored bytes cannot be read: %(reason)s.") % {"reason": error})
        return
    row.action_details = details_in(row.stored_details)
    columns = dict(entry_of(row))
    if changed := sorted(name for name in columns if columns[name] != sealed.get(name)):
        kind = "MOVED" if _PLACES & set(changed) else "MODIFIED"
        detail = noop("Columns differ from what was hashed: %(columns)s.") % {"columns": ", ".join(changed)}
        if changed == ["id", "sequence"]:  # whole and true, but somewhere else in its chain
            detail = noop("This is what was entry %(number)s of the chain.") % {"number": sealed.get("sequence")}
            kind = "REORDERED"
        yield Finding(kind, where, detail)


def verify_links(entries: AppendOnlyQuerySet) -> Iterator[Finding]:
    """Yield what does not hold between some entries and those before them in their chains."""
    before = ProvisioningLog.objects.filter(chain=OuterRef("chain"), sequence=OuterRef("sequence") - 1)
    for row in entries.with_details_as_text().annotate(before_hash=Subquery(before.values("entry_hash")[:1])):
        where = f"{row.chain}#{row.sequence}"
        yield from verify_entry(row)
        if row.sequence > 1 and row.before_hash is None:
            yield Finding("DELETED", where, noop("Entry %(entry)s is missing.") % {"entry": row.sequence - 1})
        elif (row.before_hash or GENESIS_HASH) != row.previous_hash:
            yield _broken(row, where)
