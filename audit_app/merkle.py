"""The Merkle tree over all entries of a tenant, hashed as in RFC 6962 §2.1: pure functions, nothing stored.

A *compact range* is the right edge of a tree: the roots of its perfect subtrees, largest first. It grows by one leaf in
O(1) on average and gives the root in O(log n), so that nobody ever needs the whole tree.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

HASH_SIZE: Final = 32  # bytes
TILE_HEIGHT: Final = 8  # levels between two that are stored (C2SP tlog-tiles)
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

# (level, index) → the root of the perfect subtree over the leaves index·2^level … (index+1)·2^level - 1
Subtrees = Callable[[int, int], bytes]


def leaf_hash(entry_hash: str) -> bytes:
    """Return the leaf of an entry: SHA-256 over a zero byte and the 32 bytes of the entry's hash (hexadecimal)."""
    return hashlib.sha256(b"\x00" + bytes.fromhex(entry_hash)).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(slots=True)
class CompactRange:
    """The right edge of a tree of ``size`` leaves."""

    size: int = 0
    hashes: list[bytes] = field(default_factory=list)

    @classmethod
    def from_bytes(cls, size: int, content: bytes) -> CompactRange:
        """Return the range that was stored as ``to_bytes``.

        Raises:
            ValueError: so many hashes do not belong to a tree of that size.
        """
        if len(content) != size.bit_count() * HASH_SIZE:
            raise ValueError(f"A tree of {size} leaves has {size.bit_count()} subtrees, not {len(content)} bytes.")
        return cls(size, [content[at : at + HASH_SIZE] for at in range(0, len(content), HASH_SIZE)])

    def to_bytes(self) -> bytes:
        """Return the hashes one after the other, largest subtree first."""
        return b"".join(self.hashes)

    def copy(self) -> CompactRange:
        """Return a range of its own."""
        return CompactRange(self.size, list(self.hashes))

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf; return the tiles it completed, as (level, index, root)."""
        self.hashes.append(leaf)
        self.size += 1
        completed, rest, level = [], self.size, 0
        while rest % 2 == 0:
            right = self.hashes.pop()
            self.hashes[-1] = node_hash(self.hashes[-1], right)
            rest, level = rest // 2, level + 1
            if level % TILE_HEIGHT == 0:
                completed.append((level, rest - 1, self.hashes[-1]))
        return completed

    def root(self) -> bytes:
        """Return the root of the tree."""
        if not self.hashes:
            return EMPTY_ROOT
        *larger, root = self.hashes
        for left in reversed(larger):
            root = node_hash(left, root)
        return root


def inclusion_proof(index: int, size: int, subtree: Subtrees) -> list[bytes]:
    """Return what leads from a leaf to the root of a tree of ``size`` leaves, the leaf's sibling first (§2.1.1).

    Raises:
        ValueError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"A tree of {size} leaves has no leaf {index}.")
    path, low, high = [], 0, size
    while high - low > 1:
        middle = low + _largest_power_below(high - low)
        if index < middle:
            path.append(_root_between(middle, high, subtree))
            high = middle
        else:
            path.append(_root_between(low, middle, subtree))
            low = middle
    return path[::-1]


def root_from_proof(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the root that a proof leads to (RFC 9162 §2.1.3.2).

    Raises:
        ValueError: no proof for this leaf in a tree of this size has that many steps.
    """
    if not 0 <= index < size:
        raise ValueError(f"A tree of {size} leaves has no leaf {index}.")
    node, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ValueError("The proof is too long.")
        if node % 2 or node == last:
            root = node_hash(sibling, root)
            while node % 2 == 0 and node:
                node, last = node // 2, last // 2
        else:
            root = node_hash(root, sibling)
        node, last = node // 2, last // 2
    if last:
        raise ValueError("The proof is too short.")
    return root


def cover(wanted: Sequence[int], size: int) -> Iterator[tuple[int, int]]:
    """Yield the fewest perfect subtrees (level, index), in order, that hold all leaves but the wanted ones.

    Args:
        wanted: Indices of leaves, ascending.
        size: Leaves of the tree.
    """
    for level, index in _perfect_subtrees(0, size):
        yield from _cover(wanted, level, index)


def _cover(wanted: Sequence[int], level: int, index: int) -> Iterator[tuple[int, int]]:
    low, high = index << level, (index + 1) << level
    if bisect_left(wanted, low) == bisect_left(wanted, high):
        yield level, index
    elif level:
        yield from _cover(wanted, level - 1, 2 * index)
        yield from _cover(wanted, level - 1, 2 * index + 1)


def _root_between(low: int, high: int, subtree: Subtrees) -> bytes:
    """Return the root over the leaves low … high - 1, where ``low`` is where a subtree of the tree begins."""
    *larger, root = [subtree(level, index) for level, index in _perfect_subtrees(low, high)]
    for left in reversed(larger):
        root = node_hash(left, root)
    return root


def _perfect_subtrees(low: int, high: int) -> Iterable[tuple[int, int]]:
    while low < high:
        level = (high - low).bit_length() - 1
        yield level, low >> level
        low += 1 << level


def _largest_power_below(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1
