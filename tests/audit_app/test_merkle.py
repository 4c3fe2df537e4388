"""The tree against RFC 6962 written down a second time, the slow way, and against its published roots."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_app import merkle
from audit_app.merkle import CompactRange, cover, inclusion_proof, root_from_proof

# The test vectors of RFC 6962's reference implementation: data of the leaves, and the roots of the first 1 … 8
DATA = [b"", b"\x00", b"\x10", b" !", b"01", b"@ABC", b"PQRSTUVW", b"`abcdefghijklmno"]
DATA[3:] = [bytes.fromhex(text) for text in ("2021", "3031", "40414243", "5051525354555657")] + [
    bytes.fromhex("606162636465666768696a6b6c6d6e6f")
]
ROOT_OF_EIGHT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def slow_root(leaves):
    """MTH of RFC 6962 §2.1, word by word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + slow_root(leaves[:k]) + slow_root(leaves[k:])).digest()


def some_leaves(count):
    return [hashlib.sha256(b"\x00" + index.to_bytes(4, "big")).digest() for index in range(count)]


def range_of(leaves):
    edge = CompactRange()
    for leaf in leaves:
        edge.append(leaf)
    return edge


def subtree_of(leaves):
    return lambda level, index: slow_root(leaves[index << level : (index + 1) << level])


def test_the_published_root_is_reached():
    leaves = [hashlib.sha256(b"\x00" + data).digest() for data in DATA]
    assert range_of(leaves).root().hex() == slow_root(leaves).hex() == ROOT_OF_EIGHT


@given(st.integers(0, 600))
def test_a_compact_range_has_the_root_and_survives_storage(size):
    edge = range_of(some_leaves(size))
    assert edge.root() == slow_root(some_leaves(size))
    assert CompactRange.from_bytes(size, edge.to_bytes()) == edge
    with pytest.raises(ValueError):
        CompactRange.from_bytes(size + 1, edge.to_bytes() + b"x")


def test_completed_tiles_come_with_their_roots():
    leaves, edge, tiles = some_leaves(600), CompactRange(), []
    for leaf in leaves:
        tiles += edge.append(leaf)
    assert tiles == [(8, 0, slow_root(leaves[:256])), (8, 1, slow_root(leaves[256:512]))]


@given(st.data(), st.integers(1, 300))
def test_every_leaf_has_a_proof_that_proves_nothing_else(data, size):
    leaves, index = some_leaves(size), data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, subtree_of(leaves))
    root = slow_root(leaves)
    assert root_from_proof(leaves[index], index, size, proof) == root
    assert root_from_proof(merkle.EMPTY_ROOT, index, size, proof) != root
    for wrong in ([*proof, root], proof[:-1]):
        if wrong != proof:
            with pytest.raises(ValueError):
                root_from_proof(leaves[index], index, size, wrong)


@given(st.data(), st.integers(1, 300))
def test_a_cover_holds_every_leaf_but_the_wanted_and_leads_to_the_root(data, size):
    wanted = sorted(data.draw(st.sets(st.integers(0, size - 1))))
    parts = [(index << level, level, index) for level, index in cover(wanted, size)]
    covered = [leaf for first, level, _ in parts for leaf in range(first, first + (1 << level))]
    assert sorted(covered + wanted) == list(range(size))
    assert len(parts) <= (len(wanted) + 1) * 2 * size.bit_length()


@pytest.mark.parametrize(("index", "size"), [(-1, 1), (1, 1), (0, 0)])
def test_there_is_no_proof_of_what_is_not_there(index, size):
    with pytest.raises(ValueError):
        inclusion_proof(index, size, subtree_of([]))
    with pytest.raises(ValueError):
        root_from_proof(merkle.EMPTY_ROOT, index, size, [])
