"""Verification by the clock: what is new every five minutes, everything once a night; each result is kept.

A verification of what is new begins where the last clean one ended, with the edge of the tree as it was then, and says
how far it went and when all was verified last: nothing stays unverified for ever because something else is looked at.
Besides what is new it looks at what costs no reading of the log: that no tree is gone, and where each chain ends. Older
entries, chains whose head is gone, and states and legal holds of requests to which nothing happened wait for the night.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import DEFAULT_DB_ALIAS, InternalError
from django.db.models import F, Q
from django.utils.translation import gettext_noop as noop

from audit_app import guard
from audit_app.merkle import CompactRange
from audit_app.models import ChainHead, LogTree, ProvisioningLog, TreeLeaf, VerificationRun
from audit_app.tree import edge_of
from audit_app.verify import Finding, Report, verify_log
from audit_app.verify.chains import verify_heads, verify_links
from audit_app.verify.heads import lost_logs
from audit_app.verify.states import verify_holds, verify_states
from audit_app.verify.stored import as_bytes, legible
from audit_app.verify.times import verify_timestamps
from audit_app.verify.trees import TreeWalk, trees
from core_app import clock

log = structlog.get_logger(__name__)

KEPT: Final = timedelta(days=30)  # of results in which nothing was found
UNREADABLE: Final = (ValueError, TypeError, InternalError)  # the last: PostgreSQL met a damaged page
_BATCH: Final = 500
_MOST_FINDINGS: Final = 100


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a tenant's log was verified.

    Attributes:
        edge: The right edge of the tree there.
        full_at: When everything before it was verified at once, as an ISO time.
    """

    edge: CompactRange
    full_at: str

    def as_json(self, size: int) -> dict[str, Any]:
        """Return what is stored of it; ``size`` is how many leaves there are."""
        edge = self.edge.to_bytes().hex()
        return {"verified_to": self.edge.size, "of": size, "all_verified_at": self.full_at, "edge": edge}

    @classmethod
    def parse(cls, stored: dict[str, Any]) -> Cursor:
        """Return the cursor that was stored.

        Raises:
            ValueError: somebody changed it.
        """
        return cls(
            CompactRange.from_bytes(stored["verified_to"], bytes.fromhex(stored["edge"])), stored["all_verified_at"]
        )


def verify(*, is_full: bool) -> tuple[Report, VerificationRun]:
    """Verify everything or what is new, keep the result, and raise an alarm when something does not hold."""
    began = clock.now()
    guard.look()
    report, coverage = _all(began.isoformat()) if is_full else _new(began.isoformat())
    run = VerificationRun.objects.create(
        is_full=is_full,
        started_at=began,
        finished_at=clock.now(),
        entries=report.entries,
        ok=report.ok,
        findings=_kept(report),
        coverage=coverage,
    )
    if not report.ok:
        first = report.defects[0]
        log.error("log_does_not_verify", findings=len(report.defects), first=first.as_json(), run=str(run.pk))
    for tree in report.silent:
        log.error("log_not_signed_for", tree=tree, run=str(run.pk))
    VerificationRun.objects.filter(ok=True, is_full=False, started_at__lt=began - KEPT).delete()
    return report, run


def _kept(report: Report) -> list[dict[str, Any]]:
    """Return the findings as they are stored: what does not hold comes first, the rest says that it is no defect."""
    informational = [finding for finding in report.findings if finding.is_informational]
    stored: list[dict[str, Any]] = [{**finding.as_json()} for finding in report.defects]
    stored += [{**finding.as_json(), "informational": True} for finding in informational]
    return stored[:_MOST_FINDINGS]


def _all(at: str) -> tuple[Report, dict[str, Any]]:
    edges = {tree.tenant_id: (tree.size, as_bytes(tree.edge)) for tree in LogTree.objects.all()}
    report = _whole()
    if not report.ok:
        return report, _coverage_kept()
    cursors = {tenant: Cursor(CompactRange.from_bytes(*edge), at) for tenant, edge in edges.items()}
    return report, {str(tenant): cursor.as_json(cursor.edge.size) for tenant, cursor in cursors.items()}


def _whole() -> Report:
    """Verify everything at once, or, where something cannot be read, every tenant's log by itself."""
    try:
        return verify_log()
    except UNREADABLE:
        report, tenants = Report(), LogTree._meta.get_field("tenant").related_model
        for tenant_id in tenants._base_manager.order_by("pk").values_list("pk", flat=True):
            report.add_report(_whole_of(tenant_id))
        return report


def _whole_of(tenant_id: UUID) -> Report:
    try:
        return verify_log(tenant_id)
    except UNREADABLE as error:
        return _unreadable(tenant_id, error)


def _unreadable(tenant_id: UUID, error: Exception) -> Report:
    """Return a finding instead of an end: one damaged value keeps no other tenant's log from being verified."""
    log.error("log_cannot_be_read", tenant=str(tenant_id), exc_info=error)
    detail = noop("It cannot be read, and so not verified. What cannot be read was damaged or changed: %(reason)s")
    return Report(findings=[Finding("MODIFIED", f"tree:{tenant_id}", detail % {"reason": error})])


def _new(at: str) -> tuple[Report, dict[str, Any]]:
    report, coverage, kept = Report(), {}, _coverage_kept()
    found_trees = trees(None, DEFAULT_DB_ALIAS)
    report.add(lost_logs([tree.tenant_id for tree in found_trees]))
    for tree in found_trees:
        try:
            with legible(DEFAULT_DB_ALIAS):
                found, cursor = _new_of(tree, kept.get(str(tree.tenant_id)), at)
        except UNREADABLE as error:
            found, cursor = _unreadable(tree.tenant_id, error), None
        report.add_report(found)
        if found.ok and cursor:
            coverage[str(tree.tenant_id)] = cursor.as_json(tree.size)
    return report, kept | coverage


def _new_of(tree: LogTree, stored: dict[str, Any] | None, at: str) -> tuple[Report, Cursor | None]:
    """Verify the part of a tenant's log behind its cursor, or all of it where there is none that can be used."""
    try:
        cursor = Cursor.parse(stored) if stored else None
    except (ValueError, KeyError, TypeError):
        cursor = None
    if cursor is None or cursor.edge.size > tree.size:
        report = verify_log(tree.tenant_id)
        return report, Cursor(edge_of(tree), at) if report.ok else None
    report = Report()
    walk = TreeWalk(tree, DEFAULT_DB_ALIAS, outside=True, start=cursor.edge).walk()
    report.add_walk(walk)
    report.add(verify_timestamps(tree, DEFAULT_DB_ALIAS, outside=True, first=cursor.edge.size))
    theirs, requests = Q(tenant=tree.tenant_id), set[UUID]()
    leaves = TreeLeaf.objects.filter(tenant=tree.tenant_id, index__gte=cursor.edge.size).order_by("index")
    _verify_batches(list(leaves.values_list("entry", flat=True)), report, requests)
    _verify_batches(_waiting(tree.tenant_id), report, requests)
    report.add(verify_heads(theirs, DEFAULT_DB_ALIAS))
    report.add(verify_states(theirs & Q(pk__in=requests), DEFAULT_DB_ALIAS))
    report.add(verify_holds(theirs, DEFAULT_DB_ALIAS, requests))
    return report, Cursor(walk.stored, cursor.full_at)


def _waiting(tenant_id: UUID) -> list[UUID]:
    """Return the entries that are not in the tree yet."""
    # One range of an index per chain; a subquery for each entry of those chains took minutes beside busy writers
    heads = ChainHead.objects.filter(tenant=tenant_id, sequence__gt=F("sequenced")).order_by("chain")
    behind = (ProvisioningLog.objects.filter(chain=head.chain, sequence__gt=head.sequenced) for head in heads)
    return [pk for entries in behind for pk in entries.order_by("sequence").values_list("pk", flat=True)]


def _verify_batches(entries: list[UUID], report: Report, requests: set[UUID]) -> None:
    for at in range(0, len(entries), _BATCH):
        batch = ProvisioningLog.objects.filter(pk__in=entries[at : at + _BATCH])
        report.entries += len(entries[at : at + _BATCH])
        report.add(verify_links(batch))
        of_requests = batch.exclude(environment_request=None).order_by()
        requests |= set(of_requests.values_list("environment_request", flat=True))


def _coverage_kept() -> dict[str, Any]:
    """Return where the newest results say that each tenant's log was verified to.

    One of everything may end after others that began later: it says more, even where it went less far.
    """
    runs = VerificationRun.objects.order_by("-started_at")
    kept: dict[str, Any] = {}
    for run in filter(None, (runs.first(), runs.filter(is_full=True).first())):
        for tenant, part in run.coverage.items():
            if tenant not in kept or _all_verified_at(part) > _all_verified_at(kept[tenant]):
                kept[tenant] = part
    return kept


def _all_verified_at(part: Any) -> str:
    return str(part.get("all_verified_at", "")) if isinstance(part, dict) else ""
