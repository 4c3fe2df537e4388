"""The stored tree of a tenant: entries are put into it in an order of their own, after their transactions.

Nothing is added to a verb's transaction: each chain's head knows how far the chain is sequenced. Within a chain entries
are committed in order, so that none is ever passed over, however long another transaction stays open. Whoever sequences
decides the order between chains; a signed checkpoint makes it final.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, cast
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models import F
from django.utils.translation import gettext_noop as noop

from audit_app.log import Logged
from audit_app.merkle import TILE_HEIGHT, CompactRange, Subtrees, inclusion_proof, leaf_hash, node_hash
from audit_app.models import ChainHead, LogTree, ProvisioningLog, TreeLeaf, TreeNode

_CHAINS: Final = 200  # per transaction
_ENTRIES: Final = 2000  # of one chain per transaction
_CHUNK: Final = 5000
_TILE: Final = 1 << TILE_HEIGHT


def tenants() -> list[UUID]:
    """Return the tenants that have a log."""
    with_tree = LogTree.objects.order_by().values_list("tenant", flat=True)
    pending = ChainHead.objects.filter(sequence__gt=F("sequenced")).order_by().values_list("tenant", flat=True)
    return sorted({*with_tree, *pending.distinct()})


def logged_tenant(tenant_id: UUID) -> Logged:
    """Return the tenant on whose chain an entry about its log is recorded."""
    found: Any = LogTree._meta.get_field("tenant").related_model._base_manager.get(pk=tenant_id)
    return cast(Logged, found)


def edge_of(tree: LogTree) -> CompactRange:
    """Return the right edge of a stored tree.

    Raises:
        ValueError: somebody changed its size or its hashes.
    """
    try:
        return CompactRange.from_bytes(tree.size, bytes(tree.edge))
    except TypeError as error:  # SQLite gives back whatever somebody put there
        raise ValueError(noop("The stored tree holds no hashes.")) from error


def grow(tenant_id: UUID) -> LogTree:
    """Put every committed entry of a tenant into its tree; return the tree.

    Raises:
        ValueError: the stored tree is damaged.
    """
    while True:
        tree, more = _grow_by_a_batch(tenant_id)
        if not more:
            return tree


@transaction.atomic
def _grow_by_a_batch(tenant_id: UUID) -> tuple[LogTree, bool]:
    tree = _locked(tenant_id)
    # A head that a writer holds is left for the next time: no writer ever waits for the tree, nor the tree for one
    waiting = ChainHead.objects.select_for_update(skip_locked=True, no_key=True)
    pending = waiting.filter(tenant=tenant_id, sequence__gt=F("sequenced"))
    heads = list(pending.order_by("chain")[:_CHAINS])
    if not heads:
        return tree, False
    entries = [entry for head in heads for entry in _next_entries(head)]
    # Chain and sequence come after the time only to decide between equal times; within a chain time never goes back
    entries.sort(key=lambda entry: (entry.timestamp, entry.chain, entry.sequence))
    _append(tree, entries)
    ChainHead.objects.bulk_update(heads, ["sequenced"])
    return tree, bool(entries)


def _locked(tenant_id: UUID) -> LogTree:
    LogTree.objects.bulk_create([LogTree(tenant_id=tenant_id)], ignore_conflicts=True)
    return LogTree.objects.select_for_update(no_key=True).get(pk=tenant_id)


def _next_entries(head: ChainHead) -> list[ProvisioningLog]:
    """Return the entries after those that are sequenced, and note on the head how far that goes."""
    entries = ProvisioningLog.objects.filter(chain=head.chain, sequence__gt=head.sequenced)
    fields = ("id", "chain", "sequence", "timestamp", "entry_hash")
    found = list(entries.filter(sequence__lte=head.sequence).order_by("sequence").only(*fields)[:_ENTRIES])
    if found:
        head.sequenced = found[-1].sequence
    return found


def _append(tree: LogTree, entries: list[ProvisioningLog]) -> None:
    edge, leaves, nodes = edge_of(tree), [], []
    for entry in entries:
        leaf = leaf_hash(entry.entry_hash)
        leaves.append(TreeLeaf(entry=entry.pk, tenant_id=tree.tenant_id, index=edge.size, leaf_hash=leaf))
        for level, index, root in edge.append(leaf):
            nodes.append(TreeNode(tenant_id=tree.tenant_id, level=level, index=index, node_hash=root))
    TreeLeaf.objects.bulk_create(leaves, batch_size=_CHUNK)
    TreeNode.objects.bulk_create(nodes, batch_size=_CHUNK)
    tree.size, tree.edge = edge.size, edge.to_bytes()
    tree.save(update_fields=["size", "edge"])


def leaves(tenant_id: UUID, first: int, end: int, using: str = DEFAULT_DB_ALIAS) -> Iterator[bytes]:
    """Yield the stored leaves ``first`` … ``end`` - 1.

    Raises:
        ValueError: one of them is missing.
    """
    rows = TreeLeaf.objects.using(using).filter(tenant=tenant_id, index__gte=first, index__lt=end).order_by("index")
    expected = first
    for index, leaf in rows.values_list("index", "leaf_hash").iterator(chunk_size=_CHUNK):
        if index != expected:
            break
        expected += 1
        yield bytes(leaf)
    if expected != end:
        raise ValueError(noop("Leaf %(leaf)s of the tree is missing.") % {"leaf": expected})


def stored_subtrees(tenant_id: UUID) -> Subtrees:
    """Return what reads the roots of perfect subtrees; tiles that were read are kept for as long as it is."""

    @lru_cache(maxsize=64)
    def tile(level: int, index: int) -> list[bytes]:
        place = {"tenant": tenant_id, "index__gte": index * _TILE, "index__lt": (index + 1) * _TILE}
        if level == 0:
            found = TreeLeaf.objects.filter(**place).order_by("index")
            return [bytes(leaf) for leaf in found.values_list("leaf_hash", flat=True)]
        nodes = TreeNode.objects.filter(level=level, **place).order_by("index")
        return [bytes(node) for node in nodes.values_list("node_hash", flat=True)]

    def subtree(level: int, index: int) -> bytes:
        stored, height = level - level % TILE_HEIGHT, level % TILE_HEIGHT
        first = index << height
        within = first % _TILE
        hashes = tile(stored, first // _TILE)[within : within + (1 << height)]
        if len(hashes) != 1 << height:
            raise ValueError(
                noop("The tree has no subtree %(index)s at level %(level)s.") % {"index": index, "level": level}
            )
        while len(hashes) > 1:
            hashes = [node_hash(*pair) for pair in zip(hashes[::2], hashes[1::2], strict=True)]
        return hashes[0]

    return subtree


def proof_of(leaf: TreeLeaf, size: int) -> list[bytes]:
    """Return the inclusion proof of a leaf in the tree of that size.

    Raises:
        ValueError: the tree of that size does not hold the leaf.
    """
    return inclusion_proof(leaf.index, size, stored_subtrees(leaf.tenant_id))
