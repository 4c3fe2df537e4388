"""Walk the log and say what does not hold: chains, tree, signatures, anchors, time stamps, states and holds."""

from __future__ import annotations

from uuid import UUID

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Q

from audit_app.verify.chains import verify_chains
from audit_app.verify.heads import lost_logs
from audit_app.verify.report import Finding, Report
from audit_app.verify.states import verify_holds, verify_states
from audit_app.verify.stored import legible
from audit_app.verify.times import verify_timestamps
from audit_app.verify.trees import TreeWalk, trees

__all__ = ["Finding", "Report", "verify_log"]


def verify_log(tenant_id: UUID | None = None, using: str = DEFAULT_DB_ALIAS) -> Report:
    """Verify every chain from its first entry to its head, every tenant's tree against all that was ever signed for
    it, and every subject's state and legal holds against the fold of its log.

    Args:
        tenant_id: Only this tenant's; everything when None.
        using: Alias of the database. A restored copy is held against what it holds itself: that it is behind what the
            signer remembers and the anchors hold is its nature.

    Raises:
        ValueError, TypeError: somebody put a value into a column that is none of its type (SQLite).
    """
    with legible(using):
        return _verified(tenant_id, using)


def _verified(tenant_id: UUID | None, using: str) -> Report:
    report, known = Report(), set()
    theirs = Q() if tenant_id is None else Q(tenant=tenant_id)
    outside = using == DEFAULT_DB_ALIAS
    seen = set()
    for tree in trees(tenant_id, using):
        seen.add(tree.tenant_id)
        walk = TreeWalk(tree, using, outside=outside).walk()
        known |= walk.known
        report.add_walk(walk)
        report.add(verify_timestamps(tree, using, outside=outside))
    if outside:
        report.add(lost_logs(seen, only=tenant_id))
    report.add(verify_chains(theirs, using, known, report))
    report.add(verify_states(theirs, using))
    report.add(verify_holds(theirs, using))
    return report
