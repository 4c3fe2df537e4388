"""Every signed tree head that is known of a tenant: in the database, in the signer's memory, in the anchors."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import merge
from typing import Final
from uuid import UUID

from django.db.models import Max, Q
from django.utils.translation import gettext_noop as noop

from audit_app import anchors, keys, witness
from audit_app.models import Anchor, Checkpoint, LogTree
from audit_app.notes import BadNoteError, TreeHead, fingerprint, opened
from audit_app.verify.report import Finding
from audit_app.verify.stored import key_of

CHECKPOINT, SIGNER, ANCHOR = "checkpoint", "signer", "anchor"
SILENT_AFTER: Final = timedelta(minutes=15)
_CHUNK: Final = 2000


@dataclass(frozen=True, slots=True, order=True)
class Head:
    """A tree head and who says so; ordered by size, then as listed in ``rank``."""

    size: int
    rank: int
    source: str = field(compare=False)
    incarnation: int = field(compare=False)
    root: bytes = field(compare=False)
    signed_at: datetime | None = field(compare=False)
    name: str = field(compare=False)


class Heads:
    """Reads the heads of one tenant and says what is wrong with them by themselves."""

    def __init__(self, tree: LogTree, using: str, *, outside: bool) -> None:
        self.tree, self.using, self.outside = tree, using, outside
        self.findings: list[Finding] = []
        self.checkpoints = Checkpoint.objects.using(using).filter(tenant=tree.tenant_id)
        self.trusted = keys.trusted(keys.rotations(tree.tenant_id, using), self._signed_with())
        self._strangers: set[bytes] = set()
        self._last_at: datetime | None = None
        self.longest_gap: tuple[timedelta, datetime] | None = None
        rows = self.checkpoints.order_by().values_list("incarnation")
        newest = rows.annotate(Max("size"), Max("signed_at"))
        self._common = {incarnation: (size, at) for incarnation, size, at in newest}

    @property
    def last_at(self) -> datetime | None:
        """Return when the newest checkpoint that was read had been signed."""
        return self._last_at

    def between(self, first: int) -> Iterator[Head]:
        """Yield what is known of trees of ``first`` leaves or more, smallest first, the database's own first."""
        sources = [self._stored(first)]
        if self.outside:
            sources += [self._remembered(), *(self._anchored(store, first) for store in anchors.stores())]
        yield from merge(*sources)

    def is_superseded(self, head: Head) -> bool:
        """Say whether a head is of an incarnation that a restore cut off before it came that far."""
        size, _ = self._common.get(head.incarnation, (0, None))
        return head.incarnation < self.tree.incarnation and head.size > size

    def is_lost(self, head: Head) -> bool:
        """Say whether the database should hold the checkpoint of which this is a copy, and does not.

        A restore also cut off the last ones of its incarnation that were signed over no more entries.
        """
        if head.source != ANCHOR or head.signed_at is None:
            return False
        if self.checkpoints.filter(size=head.size, signed_at=head.signed_at).exists():
            return False
        _, last_at = self._common.get(head.incarnation, (0, None))
        return head.incarnation >= self.tree.incarnation or (last_at is not None and head.signed_at < last_at)

    def _signed_with(self) -> set[bytes]:
        """Return the keys that checkpoints name; many checkpoints name few keys."""
        named = self.checkpoints.order_by().values_list("public_key", flat=True).distinct()
        return {public for public in map(key_of, named) if public}

    def _stored(self, first: int) -> Iterator[Head]:
        rows = self.checkpoints.filter(size__gte=first).order_by("size", "signed_at")
        for row in rows.iterator(chunk_size=_CHUNK):
            where, public = f"checkpoint:{row.tenant_id}#{row.size}", key_of(row.public_key)
            if public is None:
                self.findings.append(Finding("MODIFIED", where, noop("The stored checkpoint names no key.")))
                continue
            if not keys.is_trusted(public, self.trusted):
                self._stranger(public, where)
                continue
            try:
                head = opened(row.note, public)
            except BadNoteError as error:
                self.findings.append(
                    Finding(
                        "MODIFIED",
                        where,
                        noop("The stored checkpoint is not what was signed. %(reason)s") % {"reason": error},
                    )
                )
                continue
            if (head.origin, head.size, head.root.hex(), head.signed_at) != (
                f"elm/{row.tenant_id}/{row.incarnation}",
                row.size,
                row.root,
                row.signed_at,
            ):
                self.findings.append(
                    Finding("MODIFIED", where, noop("The columns of the checkpoint differ from its note."))
                )
                continue
            self._beat(head.signed_at)
            yield Head(row.size, 0, CHECKPOINT, row.incarnation, head.root, head.signed_at, where)

    def _remembered(self) -> Iterator[Head]:
        try:
            memory = witness.recall(self.tree.tenant_id)
        except ValueError:
            where = f"tree:{self.tree.tenant_id}"
            self.findings.append(Finding("MODIFIED", where, noop("The signer's memory on this host is damaged.")))
            return
        if memory:
            root = memory.edge.root()
            yield Head(memory.edge.size, 1, SIGNER, memory.incarnation, root, None, noop("the signer's memory"))

    def _anchored(self, store: anchors.AnchorStore, first: int) -> Iterator[Head]:
        try:
            yield from self._anchored_in(store, first)
        except anchors.AnchorError as error:
            where = f"tree:{self.tree.tenant_id}"
            self.findings.append(Finding("UNANCHORED_TAIL", where, str(error), is_informational=True))

    def _anchored_in(self, store: anchors.AnchorStore, first: int) -> Iterator[Head]:
        names = names_in(store, self.tree, anchors.NOTE, self.using, first=first)
        if names and not self.trusted:
            detail = noop("No key is known here with which anchors can be verified; see ELM_LOG_KEY_FINGERPRINTS.")
            self.findings.append(Finding("KEY_UNKNOWN", f"tree:{self.tree.tenant_id}", detail))
            return
        for name in names:
            if not anchors.is_name(name, self.tree.tenant_id):
                self.findings.append(Finding("MODIFIED", name[:300], noop("This is no name of an anchor of this log.")))
                continue
            content = store.read(name)
            if content is None:
                self.findings.append(
                    Finding(
                        "UNANCHORED_TAIL", name, noop("The anchor is gone from %(place)s.") % {"place": store.place}
                    )
                )
            elif head := self._opened(name, content):
                yield Head(head.size, 2, ANCHOR, int(head.origin.rpartition("/")[2]), head.root, head.signed_at, name)

    def _opened(self, name: str, content: bytes) -> TreeHead | None:
        """Return what an anchor says if a trusted key signed it and it is the one its name promises."""
        for public in self.trusted:
            try:
                head = opened(content.decode(), public)
            except (BadNoteError, UnicodeDecodeError):
                continue
            promised = Checkpoint(
                tenant_id=self.tree.tenant_id,
                incarnation=int(head.origin.rpartition("/")[2]),
                size=head.size,
                signed_at=head.signed_at,
            )
            if anchors.name_of(promised) == name and head.origin.startswith(f"elm/{self.tree.tenant_id}/"):
                return head
            self.findings.append(
                Finding("SPLIT_VIEW", name, noop("The anchor holds another checkpoint than its name says."))
            )
            return None
        self.findings.append(Finding("MODIFIED", name, noop("The anchor is not what any trusted key has signed.")))
        return None

    def _stranger(self, public: bytes, where: str) -> None:
        if public not in self._strangers:
            self._strangers.add(public)
            detail = noop("Signed by a key that is not trusted, SHA-256 %(key)s; see ELM_LOG_KEY_FINGERPRINTS.") % {
                "key": fingerprint(public)
            }
            self.findings.append(Finding("KEY_UNKNOWN", where, detail))

    def _beat(self, at: datetime) -> None:
        if self._last_at and at - self._last_at > SILENT_AFTER:
            gap = (at - self._last_at, self._last_at)
            self.longest_gap = max(self.longest_gap or gap, gap)
        self._last_at = max(self._last_at or at, at)


def lost_logs(seen: Collection[UUID], *, only: UUID | None = None) -> list[Finding]:
    """Name the tenants whose logs this host has signed for, and of which the database holds nothing any more.

    Args:
        seen: The tenants of whose logs it holds something.
        only: Look for this tenant's alone.
    """
    lost = witness.remembered() - set(seen)
    lost = lost if only is None else lost & {only}
    detail = noop("The whole log that was signed for is gone.")
    return [Finding("TRUNCATED", f"tree:{tenant}#0", detail) for tenant in sorted(lost)]


def names_in(store: anchors.AnchorStore, tree: LogTree, ending: str, using: str, *, first: int) -> list[str]:
    """Return the names of a tenant's anchors over ``first`` entries or more, smallest first: those the store lists,
    and those the database knows of, which the store must have.

    Among the notes is what ends like nothing that is ever put there: it is a finding, and not passed over.

    Raises:
        AnchorError: the store does not answer.
    """
    listed = {name for name in store.names(anchors.folder_of(tree.tenant_id), ending) if size_in(name) >= first}
    is_one = Q(name__endswith=ending) if ending != anchors.NOTE else ~Q(name__endswith=anchors.STAMP)
    known = Anchor.objects.using(using).filter(is_one, tenant=tree.tenant_id, place=store.place)
    known = known.filter(checkpoint__size__gte=first).order_by()
    unlisted = {name for name in known.values_list("name", flat=True).iterator(_CHUNK) if name not in listed}
    return sorted(listed | unlisted, key=size_in)


def size_in(name: str) -> int:
    """Return how many entries the anchor of that name is over; 0 when its name says nothing."""
    size = name.rpartition("/")[2].partition("-")[0]
    return int(size) if size.isdecimal() else 0
