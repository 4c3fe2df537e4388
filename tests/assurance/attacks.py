"""Who finds which attack on the log, and by which name: a line for every A item of the fault list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# The names that a finding may have (audit_app.verify.report), online and offline
CLASSES: Final = frozenset(
    {
        *("OK", "MODIFIED", "DELETED", "INSERTED", "REORDERED", "MOVED", "TRUNCATED", "FORKED", "BACKDATED"),
        *("SPLIT_VIEW", "UNANCHORED_TAIL", "KEY_UNKNOWN", "HEARTBEAT_GAP", "INCARNATION_CHANGE"),
    }
)

# ruff: noqa: E501 - a row of the list is a line
_LIST: Final = """
A1 | MODIFIED MOVED | verify_log: the hashed bytes against the columns and the stored hash
A2 | MODIFIED | verify_log: the entry against its leaf of the tree, and the entry behind it
A3 | MODIFIED | verify_log: the tree's root against the signed checkpoints
A4 | DELETED | verify_log: the chain's numbers, and the leaf that is left
A5 | TRUNCATED DELETED | verify_log: the size that was signed for (checkpoints, signer's memory, anchors), and leaves
A6 | DELETED | verify_log: the leaves that are left
A7 | INSERTED | verify_log: the number that was hashed, and an entry that is no leaf
A8 | MODIFIED REORDERED | verify_log: the entry against its leaf, the hashed key and number against the columns
A9 | MOVED | verify_log: chain, request and tenant that were hashed
A10 | BACKDATED | verify_log: the entry's time against the checkpoints before its place in the tree
A11 | TRUNCATED | the signer, which refuses a smaller log; verify_log: its memory and the anchors
A12 | SPLIT_VIEW | verify_log: anchors and the signer's memory against the checkpoints
A13 | MODIFIED DELETED | verify_log: stored leaves against the entries and the signed root
A14 | MODIFIED DELETED | verify_log: the checkpoint's signature, its columns against its note; anchors of a checkpoint that is gone
A15 | MODIFIED | verify_log as for A1; the guard, which records the altered trigger (PostgreSQL)
A16 | DELETED TRUNCATED MODIFIED REORDERED FORKED MOVED INSERTED | elm_verify.py: signature of the manifest, hashes, chains, signed root
A17 | UNANCHORED_TAIL MODIFIED SPLIT_VIEW | verify_log: what each store lists against the checkpoints and what the database knows of
A18 | KEY_UNKNOWN | elm_verify.py: the fingerprint that came another way
A19 | MODIFIED | verify_log: the bytes as they were hashed, never written anew
A20 | MODIFIED | verify_log: the bytes as they were hashed, never written anew
A21 | HEARTBEAT_GAP | verify_log: the times of the checkpoints; an alarm in the stream
A23 | INCARNATION_CHANGE | verify_log: the incarnations that the log's own entries explain
A24 | OK | verify_log, always and at the end, while eight processes write
"""


@dataclass(frozen=True, slots=True)
class Attack:
    """How an attack is found out.

    Attributes:
        code: Of the fault list's item.
        classes: Names under which it is reported; OK where nothing must be.
        detector: What finds it, and by what.
    """

    code: str
    classes: tuple[str, ...]
    detector: str


def _read(line: str) -> Attack:
    code, classes, detector = (part.strip() for part in line.split("|"))
    return Attack(code, tuple(classes.split()), detector)


ATTACKS: Final = tuple(_read(line) for line in _LIST.strip().splitlines())
