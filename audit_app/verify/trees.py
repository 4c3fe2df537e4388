"""Rebuild a tenant's tree from its entries and hold it against the stored leaves and every signed head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.utils.translation import gettext_noop as noop

from audit_app.merkle import EMPTY_ROOT, CompactRange
from audit_app.models import ChainHead, Checkpoint, LogTree, ProvisioningLog, TreeLeaf
from audit_app.verify.heads import CHECKPOINT, SIGNER, SILENT_AFTER, Head, Heads
from audit_app.verify.incarnations import verify_incarnations
from audit_app.verify.report import Finding
from audit_app.verify.stored import as_bytes, leaf_of
from core_app import clock

_PAGE: Final = 5000
_MOST: Final = 10_000  # suspects and findings kept; what was done to more is told by the first of them


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A leaf whose entry is not what it was: another hash, or none."""

    index: int
    entry: UUID
    is_gone: bool


def trees(tenant_id: UUID | None, using: str) -> list[LogTree]:
    """Return the trees of the tenants, or of one; an empty one where its row is gone and something of it is left."""
    theirs = Q() if tenant_id is None else Q(tenant=tenant_id)
    found = list(LogTree.objects.using(using).filter(theirs).order_by("tenant"))
    left = (Exists(model.objects.filter(tenant=OuterRef("pk"))) for model in (TreeLeaf, Checkpoint))
    tenants: Any = LogTree._meta.get_field("tenant").related_model
    gone = tenants._base_manager.using(using).filter(next(left) | next(left)).order_by("pk")
    gone = gone.exclude(pk__in=[tree.tenant_id for tree in found])
    if tenant_id is not None:
        gone = gone.filter(pk=tenant_id)
    return [*found, *(LogTree(tenant_id=pk) for pk in gone.values_list("pk", flat=True))]


class TreeWalk:
    """One walk over a tenant's tree, from a leaf whose left side was verified before.

    Attributes:
        findings: What does not hold.
        known: Entries shown to be changed or put in.
        stored: The edge of the tree as far as it was walked.
        tail: A sentence about entries that are not signed for yet, or "".
        is_silent: Nobody has signed for a quarter of an hour.
    """

    def __init__(self, tree: LogTree, using: str, *, outside: bool, start: CompactRange | None = None) -> None:
        self.tree, self.using = tree, using
        self.name = f"tree:{tree.tenant_id}"
        self.findings: list[Finding] = []
        self.known: set[UUID] = set()
        self.tail, self.is_silent = "", False
        self.first = start.size if start else 0
        self.stored = start.copy() if start else CompactRange()
        self.actual = self.stored.copy()
        self.agreed = self.first
        self.heads = Heads(tree, using, outside=outside)
        self._suspects: list[_Suspect] = []
        self._signed_at: datetime | None = None
        self._contradicted = False
        self._doubt: Head | None = None
        self._beyond: Head | None = None
        self._backdated: list[UUID] = []
        self._edge_holds = tree.size < self.first  # what is behind the start was compared then

    def walk(self) -> TreeWalk:
        """Walk to the last leaf and the last head."""
        waiting = self.heads.between(self.first)
        head = next(waiting, None)
        self._compare_edge()
        for row in self._leaves():
            while head and head.size <= self.stored.size:
                self._compare(head)
                head = next(waiting, None)
            self._step(row)
        while head:
            self._compare(head)
            head = next(waiting, None)
        self._conclude()
        return self

    def _leaves(self) -> Iterator[Any]:
        entry = ProvisioningLog.objects.filter(pk=OuterRef("entry"), tenant=OuterRef("tenant"))
        rows = TreeLeaf.objects.using(self.using).filter(tenant=self.tree.tenant_id)
        rows = rows.annotate(
            entry_hash=Subquery(entry.values("entry_hash")), timestamp=Subquery(entry.values("timestamp"))
        )
        read = rows.order_by("index").values_list("index", "entry", "leaf_hash", "entry_hash", "timestamp", named=True)
        after = self.first - 1
        while page := list(read.filter(index__gt=after)[:_PAGE]):
            yield from page
            after = page[-1].index

    def _step(self, row: Any) -> None:
        if row.index < self.stored.size:
            self._report("FORKED", f"{self.name}#{row.index}", noop("Two leaves have this place in the tree."))
            return
        if row.index != self.stored.size:
            self._missing_leaves(row.index)
        leaf = as_bytes(row.leaf_hash)
        actual = leaf_of(row.entry_hash) if row.entry_hash is not None else leaf
        if (actual != leaf or row.entry_hash is None) and len(self._suspects) < _MOST:
            self._suspects.append(_Suspect(row.index, row.entry, row.entry_hash is None))
        if row.timestamp and self._signed_at and row.timestamp < self._signed_at - SILENT_AFTER:
            self._backdated.append(row.entry)
        self.stored.append(leaf)
        self.actual.append(actual)
        self._compare_edge()

    def _compare_edge(self) -> None:
        """Compare where the tree's row said that the tree ends; it may have grown since the row was read."""
        if self.stored.size == self.tree.size:
            self._edge_holds = as_bytes(self.tree.edge) in (self.stored.to_bytes(), self.actual.to_bytes())

    def _missing_leaves(self, found: int) -> None:
        last = f"{self.name}#{self.stored.size}"
        self._report(
            "DELETED",
            last,
            noop("Leaves %(first)s to %(last)s of the tree are missing.")
            % {"first": self.stored.size, "last": found - 1},
        )
        self._contradicted = True  # from here on no root can be the signed one
        self.stored = CompactRange(found, [EMPTY_ROOT] * found.bit_count())
        self.actual = self.stored.copy()

    def _compare(self, head: Head) -> None:
        if self.heads.is_superseded(head):
            return
        if head.incarnation != self.tree.incarnation and head.source == SIGNER:
            self._foreign_memory(head)
        elif head.size > self.stored.size:
            self._beyond = max(self._beyond or head, head)
        else:
            self._compare_copy(head)
            self._compare_roots(head)
        if head.source == CHECKPOINT and head.signed_at:
            self._signed_at = max(self._signed_at or head.signed_at, head.signed_at)

    def _compare_copy(self, head: Head) -> None:
        if self.heads.is_lost(head):
            detail = noop("The database has lost this checkpoint; its anchor still has it.")
            self._report("DELETED", head.name, detail)

    def _compare_roots(self, head: Head) -> None:
        if self._contradicted or head.size < self.stored.size:
            return
        if self.stored.root() == head.root:
            self._report_suspects()
            self.actual = self.stored.copy()
        elif self.actual.root() == head.root:
            first, last = self._suspects[0].index, self._suspects[-1].index
            detail = noop(
                "Leaves %(first)s to %(last)s of the stored tree were changed; the entries are as they were signed."
            ) % {"first": first, "last": last}
            self._report("MODIFIED", f"{self.name}#{first}", detail)
            self._suspects.clear()
            self.stored = self.actual.copy()
        elif head.source == CHECKPOINT:
            self._contradicted = True
            detail = noop(
                "Entries %(first)s to %(last)s were rewritten: %(checkpoint)s was signed over another root."
            ) % {"first": self.agreed, "last": head.size - 1, "checkpoint": head.name}
            self._report("MODIFIED", f"{self.name}#{self.agreed}", detail)
            return
        else:
            self._doubt = self._doubt or head
            return
        if head.source == CHECKPOINT:
            self.agreed = head.size

    def _foreign_memory(self, head: Head) -> None:
        if head.incarnation > self.tree.incarnation:
            detail = noop("Incarnation %(signed)s was signed for, the database holds %(stored)s.") % {
                "signed": head.incarnation,
                "stored": self.tree.incarnation,
            }
            self._report("TRUNCATED", f"{self.name}#{self.stored.size}", detail)
        else:
            detail = noop("Incarnation %(incarnation)s began without manage.py accept_restore.") % {
                "incarnation": self.tree.incarnation
            }
            self._report("INCARNATION_CHANGE", self.name, detail)

    def _conclude(self) -> None:
        self._report_suspects()
        if self._beyond:
            gone = self._beyond.size - self.stored.size
            detail = noop("The last %(gone)s of %(size)s entries are gone; %(checkpoint)s was signed over them.") % {
                "gone": gone,
                "size": self._beyond.size,
                "checkpoint": self._beyond.name,
            }
            self._report("TRUNCATED", f"{self.name}#{self.stored.size}", detail)
        elif self.tree.size > self.stored.size or self._size_now() < self.stored.size:
            detail = noop("The tree says %(size)s leaves and has %(stored)s.") % {
                "size": self.tree.size,
                "stored": self.stored.size,
            }
            self._report("MODIFIED", self.name, detail)
        elif not self._edge_holds and not self.findings:
            self._report("MODIFIED", self.name, noop("The tree's row does not hold what follows from its leaves."))
        if self._doubt:
            kind = "SPLIT_VIEW" if self.agreed >= self._doubt.size else "MODIFIED"
            detail = noop("%(checkpoint)s says that the first %(size)s entries had another root.") % {
                "checkpoint": self._doubt.name,
                "size": self._doubt.size,
            }
            self._report(kind, f"{self.name}#{self._doubt.size}", detail)
        for entry in self._backdated[:_MOST]:
            detail = noop("The entry was written after a checkpoint that was signed long after the entry's own time.")
            self._report("BACKDATED", self._place_of(entry), detail)
        self._report_unlisted()
        self._report_miscounted()
        self._report_silence()
        self.findings += verify_incarnations(self.tree, self.using)
        self.findings += self.heads.findings

    def _report_suspects(self) -> None:
        """Name the entries that are not what their leaves say; entries that are gone in runs."""
        for is_gone, group in groupby(self._suspects, key=lambda suspect: suspect.is_gone):
            suspects = list(group)
            first, last = suspects[0].index, suspects[-1].index
            if is_gone:
                detail = noop(
                    "The entries of leaves %(first)s to %(last)s are gone (%(count)s); the tree still has them."
                ) % {"first": first, "last": last, "count": len(suspects)}
                self._report("DELETED", f"{self.name}#{first}", detail)
                continue
            for suspect in suspects:
                self.known.add(suspect.entry)
                detail = noop("The entry is not what is signed for as leaf %(index)s.") % {"index": suspect.index}
                self._report("MODIFIED", self._place_of(suspect.entry), detail)
        self._suspects.clear()

    def _report_unlisted(self) -> None:
        """Name entries that count as sequenced and are no leaf: they were put in later."""
        head = ChainHead.objects.filter(chain=OuterRef("chain"))
        entries = ProvisioningLog.objects.using(self.using).filter(tenant=self.tree.tenant_id)
        leaf = TreeLeaf.objects.filter(entry=OuterRef("pk"), tenant=OuterRef("tenant"))
        unlisted = entries.filter(~Exists(leaf)).annotate(done=Subquery(head.values("sequenced")))
        places = unlisted.filter(sequence__lte=F("done")).values_list("pk", "chain", "sequence")
        for entry, chain, sequence in places.order_by("chain", "sequence")[:_MOST]:
            self.known.add(entry)
            self._report("INSERTED", f"{chain}#{sequence}", noop("The entry is not in the tree; it was put in."))

    def _report_miscounted(self) -> None:
        """Name chains whose heads say another number of entries in the tree than there are."""
        heads = ChainHead.objects.using(self.using).filter(tenant=self.tree.tenant_id)
        leaf = TreeLeaf.objects.filter(entry=OuterRef("pk"), tenant=OuterRef("tenant"))
        done = ProvisioningLog.objects.using(self.using).filter(tenant=self.tree.tenant_id).filter(Exists(leaf))
        done = done.filter(chain__in=heads.filter(sequence__gt=F("sequenced")).values("chain"))
        wrong = [*done.filter(sequence__gt=Subquery(_sequenced())).values_list("chain", flat=True)[:_MOST]]
        wrong += heads.filter(sequenced__gt=F("sequence")).values_list("chain", flat=True)[:_MOST]
        for chain in sorted(set(wrong)):
            self._report("MODIFIED", f"{chain}#1", noop("The chain's head says another number of entries in the tree."))

    def _size_now(self) -> int:
        row = LogTree.objects.using(self.using).filter(pk=self.tree.pk).only("size").first()
        return row.size if row else 0

    def _report_silence(self) -> None:
        last, now = self.heads.last_at, clock.now()
        gap = self.heads.longest_gap
        if gap:
            detail = noop("Nothing was signed for %(time)s after %(at)s UTC, the longest silence.") % {
                "time": _spoken(gap[0]),
                "at": f"{gap[1]:%Y-%m-%d %H:%M}",
            }
            self._report("HEARTBEAT_GAP", self.name, detail, is_informational=True)
        if last and now - last > SILENT_AFTER:
            detail = noop("Nothing has been signed since %(at)s UTC, for %(time)s.") % {
                "at": f"{last:%Y-%m-%d %H:%M}",
                "time": _spoken(now - last),
            }
            self._report("HEARTBEAT_GAP", self.name, detail, is_informational=True)
            self.is_silent = True
        self._report_tail(last, now)

    def _report_tail(self, last: datetime | None, now: datetime) -> None:
        """Say how many entries nobody has signed for; those much older than the last signature were passed over."""
        theirs = Q(tenant=self.tree.tenant_id)
        heads = ChainHead.objects.using(self.using).filter(theirs, sequence__gt=F("sequenced"))
        waiting = ProvisioningLog.objects.using(self.using).filter(
            theirs, chain__in=heads.values("chain"), sequence__gt=Subquery(_sequenced())
        )
        unsigned = list(waiting.order_by("timestamp").values_list("timestamp", flat=True)[:_MOST])
        count = len(unsigned) + max(self.stored.size - self.agreed, 0)
        if last is None or not count:
            return
        oldest = min([*unsigned, now if not self.stored.size > self.agreed else last])
        self.tail = noop("%(count)s entries since the checkpoint of %(at)s UTC (%(time)s).") % {
            "count": count,
            "at": f"{last:%Y-%m-%d %H:%M:%S}",
            "time": _spoken(now - oldest),
        }
        if unsigned and unsigned[0] < last - SILENT_AFTER:
            detail = noop("%(count)s entries, the oldest of %(at)s UTC, were passed over.") % {
                "count": len(unsigned),
                "at": f"{unsigned[0]:%Y-%m-%d %H:%M}",
            }
            self._report("UNANCHORED_TAIL", self.name, detail)
        elif now - oldest > SILENT_AFTER:
            self._report("UNANCHORED_TAIL", self.name, self.tail, is_informational=True)

    def _place_of(self, entry: UUID) -> str:
        found = ProvisioningLog.objects.using(self.using).filter(pk=entry).values_list("chain", "sequence").first()
        return f"{found[0]}#{found[1]}" if found else f"{self.name}?{entry}"

    def _report(self, kind: str, where: str, detail: str, *, is_informational: bool = False) -> None:
        self.findings.append(Finding(kind, where, detail, is_informational))


def _sequenced() -> Any:
    return ChainHead.objects.filter(chain=OuterRef("chain")).values("sequenced")


def _spoken(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
