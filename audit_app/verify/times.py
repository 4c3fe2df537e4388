"""The time stamps of checkpoints, in the database and in the stores, against what they were given for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from django.utils.translation import gettext_noop as noop

from audit_app import anchors, timestamps
from audit_app.models import CheckpointTimestamp, LogTree
from audit_app.verify.heads import names_in
from audit_app.verify.report import Finding
from audit_app.verify.stored import as_bytes

CLOCKS_DIFFER_BY: Final = timedelta(seconds=60)


def verify_timestamps(tree: LogTree, using: str, *, outside: bool, first: int = 0) -> Iterator[Finding]:
    """Yield what does not hold about a tenant's time stamps.

    Args:
        tree: The tenant's tree.
        using: Alias of the database.
        outside: Whether the stores are looked at as well.
        first: Only those of checkpoints over so many entries or more.
    """
    stamps = CheckpointTimestamp.objects.using(using).filter(tenant=tree.tenant_id, checkpoint__size__gte=first)
    known: dict[str, bytes] = {}
    try:
        for stamp in stamps.select_related("checkpoint").order_by("checkpoint__size", "received_at"):
            known[anchors.name_of(stamp.checkpoint, anchors.STAMP)] = as_bytes(stamp.reply)
            yield from _verify(stamp)
        if outside:
            yield from _verify_stores(tree, using, known, first)
    except timestamps.NoCertificatesError as error:
        yield Finding("KEY_UNKNOWN", f"timestamp:{tree.tenant_id}", str(error), is_informational=True)


def _verify(stamp: CheckpointTimestamp) -> Iterator[Finding]:
    where = f"timestamp:{stamp.tenant_id}#{stamp.checkpoint.size}"
    try:
        stamped_at = timestamps.opened(as_bytes(stamp.reply), stamp.checkpoint.note.encode())
    except timestamps.NoCertificatesError:
        raise
    except timestamps.TimestampError as error:
        yield Finding("MODIFIED", where, noop("The stored time stamp does not hold. %(reason)s") % {"reason": error})
        return
    if stamped_at != stamp.stamped_at:
        yield Finding(
            "MODIFIED",
            where,
            noop("The stored time stamp says %(at)s UTC, its column another time.") % {"at": f"{stamped_at:%F %T}"},
        )
    ahead = stamp.checkpoint.signed_at - stamped_at
    if ahead > CLOCKS_DIFFER_BY:
        detail = noop("It was stamped %(seconds)s s before it says it was signed: one of the clocks is wrong.") % {
            "seconds": f"{ahead.total_seconds():.0f}"
        }
        yield Finding("BACKDATED", where, detail, is_informational=True)


def _verify_stores(tree: LogTree, using: str, known: dict[str, bytes], first: int) -> Iterator[Finding]:
    for store in anchors.stores():
        try:
            for name in names_in(store, tree, anchors.STAMP, using, first=first):
                if anchors.is_name(name, tree.tenant_id):
                    yield from _verify_copy(store, name, known.get(name))
        except anchors.AnchorError as error:
            yield Finding("UNANCHORED_TAIL", f"timestamp:{tree.tenant_id}", str(error), is_informational=True)


def _verify_copy(store: anchors.AnchorStore, name: str, ours: bytes | None) -> Iterator[Finding]:
    """Hold a copy in a store against the database, and where that has none, against the checkpoint beside it."""
    content = store.read(name)
    if content is None:
        yield Finding("UNANCHORED_TAIL", name, noop("The time stamp is gone from %(place)s.") % {"place": store.place})
    elif ours is None:
        note = store.read(name.removesuffix(anchors.STAMP) + anchors.NOTE) or b""
        try:
            timestamps.opened(content, note)
        except timestamps.NoCertificatesError:
            raise
        except timestamps.TimestampError as error:
            yield Finding(
                "MODIFIED",
                name,
                noop("The time stamp in %(place)s does not hold. %(reason)s") % {"place": store.place, "reason": error},
            )
        else:
            yield Finding(
                "DELETED",
                name,
                noop("The database has lost this time stamp; %(place)s still has it.") % {"place": store.place},
            )
    elif content != ours:
        yield Finding(
            "SPLIT_VIEW", name, noop("%(place)s holds another time stamp than the database.") % {"place": store.place}
        )
