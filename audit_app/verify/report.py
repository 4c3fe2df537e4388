"""What a verification says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit_app.verify.trees import TreeWalk


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold, or that whoever reads the report should know.

    Attributes:
        classification: MODIFIED, DELETED, INSERTED, REORDERED, MOVED, TRUNCATED, FORKED, BACKDATED, SPLIT_VIEW,
            UNANCHORED_TAIL, HEARTBEAT_GAP, KEY_UNKNOWN, INCARNATION_CHANGE or STATE_MISMATCH (``class`` in JSON).
        entry: Which entry, as ``<chain>#<sequence>``; of the tree ``tree:<tenant>#<index>``.
        detail: One sentence for the reader.
        is_informational: It is no contradiction: the log holds all the same.
    """

    classification: str
    entry: str
    detail: str
    is_informational: bool = False

    def as_json(self) -> dict[str, str]:
        """Return the finding under the names of the JSON report."""
        return {"class": self.classification, "entry": self.entry, "detail": self.detail}


@dataclass(slots=True)
class Report:
    """The result of a verification.

    Attributes:
        entries: How many entries were verified.
        findings: What does not hold, and what is merely to be known.
        tails: A sentence for every tenant with entries that are not signed for yet.
        silent: The trees that nobody has signed for lately.
    """

    entries: int = 0
    findings: list[Finding] = field(default_factory=list)
    tails: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Say whether everything holds."""
        return not self.defects

    @property
    def defects(self) -> list[Finding]:
        """Return what does not hold."""
        return [finding for finding in self.findings if not finding.is_informational]

    def add(self, findings: Iterable[Finding]) -> None:
        """Take findings over, each once."""
        known = set(self.findings)
        for finding in findings:
            if finding not in known:
                known.add(finding)
                self.findings.append(finding)

    def add_report(self, other: Report) -> None:
        """Take over what another report says."""
        self.entries += other.entries
        self.add(other.findings)
        self.tails += other.tails
        self.silent += other.silent

    def add_walk(self, walk: TreeWalk) -> None:
        """Take over what a walk over a tree has found."""
        self.add(walk.findings)
        self.tails += [walk.tail] if walk.tail else []
        self.silent += [walk.name] if walk.is_silent else []

    def as_json(self) -> dict[str, Any]:
        """Return ``{"entries", "ok", "findings"}``."""
        return {"entries": self.entries, "ok": self.ok, "findings": [finding.as_json() for finding in self.findings]}
