"""Checks of controls 2.1, 2.2 and 1.7 on the environments that stand: the register and the log have to say the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from evidence_app.oscal.outcomes import MOST_NAMED, Check, Facts, Failure, Outcome, outcome
from provisioning_app.choices import LIVE_STATUSES, EnvironmentStatus, FindingKind
from provisioning_app.models import Environment, Gap, GovernedControl, ProvisioningRun, ReconciliationFinding
from provisioning_app.policy_gap import CONTROLS

_MANAGED: Final = "managed"
_LIVE: Final = "open gaps, quarantine and what the reconciler found at Microsoft"
# What the reconciler finds besides environments that nobody owns, which the register has as rows without a request
_UNEXPLAINED: Final = (
    FindingKind.UNEXPLAINED_OPERATION,
    FindingKind.ENVIRONMENT_VANISHED,
    FindingKind.ENVIRONMENT_APPEARED,
)


def _standing(facts: Facts) -> QuerySet[Environment]:
    """Return the environments of requests on which no run works any more."""
    at_work = ProvisioningRun.objects.filter(request=OuterRef("request"), status__in=LIVE_STATUSES)
    before = Environment.objects.filter(tenant=facts.tenant, created_at__lt=facts.selection.end, request__isnull=False)
    return before.exclude(status=EnvironmentStatus.DELETED).filter(~Exists(at_work))


def _proved(action: Action, step: str) -> Callable[[Facts], Outcome]:
    """Return a check that a control was read back, by the register and by the log, and that nothing speaks against it.

    Only whether an environment is managed is read again by itself. What else is known of a control after its proof is
    what the last attempt at it came to, an open gap of its step, a quarantine, and what else the reconciler found.
    """
    control = CONTROLS[action]

    def perform(facts: Facts) -> Outcome:
        standing = _standing(facts)
        attempts = ProvisioningLog.objects.filter(environment_request=OuterRef("request"), action=action)
        registered = GovernedControl.objects.filter(environment=OuterRef("pk"), control=control)
        gaps = Gap.objects.filter(request=OuterRef("request"), step=step, closed_at__isnull=True)
        others = () if step == _MANAGED else (FindingKind.NOT_MANAGED,)  # it says nothing about other steps
        findings = _open_findings(facts).filter(environment_id=OuterRef("environment_id")).exclude(kind__in=others)
        known = standing.annotate(
            is_logged=Coalesce(Subquery(attempts.order_by("-sequence").values("success")[:1]), False),
            is_registered=Exists(registered),
            gap=Subquery(gaps.values("reason")[:1]),
            finding=Subquery(findings.order_by("found_at", "pk").values("detail")[:1]),
        )
        holds = Q(is_logged=True, is_registered=True, gap__isnull=True, finding__isnull=True)
        lacking = known.exclude(holds & ~Q(status=EnvironmentStatus.QUARANTINED)).order_by("created_at", "pk")
        failures = (Failure(str(row), f"{control}: {_told(row)}", row.pk) for row in lacking[:MOST_NAMED])
        return outcome(standing.count(), failures, lacking.count())

    return perform


def _told(row: Any) -> str:
    """Say why a control does not hold for an environment, the plainest reason first."""
    if not row.is_logged and not row.is_registered:
        return "never read back."
    if not row.is_logged:
        return "read back in the register, not in the log."
    if not row.is_registered:
        return "read back in the log, not in the register."
    if row.gap is not None:
        return f"a gap is open. {row.gap}"
    if row.status == EnvironmentStatus.QUARANTINED:
        return f"the environment is quarantined. {row.quarantine_reason}"
    return f"not read back since this was found: {row.finding}"


def _open_findings(facts: Facts) -> QuerySet[ReconciliationFinding]:
    return ReconciliationFinding.objects.filter(tenant=facts.tenant, resolved_at__isnull=True)


def _classified(facts: Facts) -> Outcome:
    """Every approval of the quarter was preceded by a classification under a named version of the rules."""
    approvals = facts.entries_of(Action.APPROVED)
    before = ProvisioningLog.objects.filter(
        chain=OuterRef("chain"), action=Action.ZONE_CLASSIFIED, success=True, sequence__lt=OuterRef("sequence")
    ).exclude(policy_version="")
    lacking = approvals.filter(~Exists(before)).order_by("timestamp", "pk")
    failures = (
        Failure(row.subject, "Approved without a classification under a version of the rules.", row.pk)
        for row in lacking[:MOST_NAMED]
    )
    return outcome(approvals.count(), failures, lacking.count())


def _explained(facts: Facts) -> Outcome:
    """Nothing stands, was done or has gone that no request explains."""
    standing = Environment.objects.filter(tenant=facts.tenant, created_at__lt=facts.selection.end)
    standing = standing.exclude(status=EnvironmentStatus.DELETED)
    orphans = standing.filter(request__isnull=True).order_by("created_at", "pk")
    found = _open_findings(facts).filter(kind__in=_UNEXPLAINED).order_by("found_at", "pk")
    failures = [Failure(str(row), row.quarantine_reason or "It has no request.", row.pk) for row in orphans]
    failures += [Failure(row.subject, row.detail, row.pk) for row in found]
    return outcome(standing.count() + found.count(), failures)


CHECKS = (
    Check(
        "managed-environments",
        "2.1",
        "Every environment is a Managed Environment",
        f"the register of environments and the log's ManagedEnabled entries, written when it was read back; {_LIVE}",
        _proved(Action.MANAGED_ENABLED, _MANAGED),
    ),
    Check(
        "sharing-limits",
        "2.1",
        "Sharing is limited as the zone demands",
        f"the register of environments and the log's SharingLimitsConfigured entries; {_LIVE}",
        _proved(Action.SHARING_LIMITS_CONFIGURED, _MANAGED),
    ),
    Check(
        "environment-groups",
        "2.2",
        "Every environment is in the environment group of its zone",
        f"the register of environments and the log's GroupAssigned entries; {_LIVE}",
        _proved(Action.GROUP_ASSIGNED, "environment_group"),
    ),
    Check(
        "zones-classified",
        "2.2",
        "Every approved request was classified first",
        "the log's Approved entries of the quarter and the ZoneClassified entries before them",
        _classified,
    ),
    Check(
        "no-unexplained-environments",
        "2.3",
        "Nothing stands, was done or has gone without a request",
        "the register of environments and what the reconciler found at Microsoft and nobody has closed",
        _explained,
    ),
    Check(
        "environment-auditing",
        "1.7",
        "Auditing is switched on in every environment",
        f"the register of environments and the log's AuditingConfigured entries; {_LIVE}",
        _proved(Action.AUDITING_CONFIGURED, "baseline"),
    ),
)
