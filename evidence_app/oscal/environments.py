"""Checks of controls 2.1, 2.2 and 1.7 on the environments that stand: the register and the log have to say the same."""

from __future__ import annotations

from collections.abc import Callable

from django.db.models import Exists, OuterRef, Q, QuerySet

from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from evidence_app.oscal.outcomes import MOST_NAMED, Check, Facts, Failure, Outcome, outcome
from provisioning_app.choices import LIVE_STATUSES, EnvironmentStatus, FindingKind
from provisioning_app.models import Environment, GovernedControl, ProvisioningRun, ReconciliationFinding
from provisioning_app.policy_gap import CONTROLS


def _standing(facts: Facts) -> QuerySet[Environment]:
    """Return the environments of requests on which no run works any more."""
    at_work = ProvisioningRun.objects.filter(request=OuterRef("request"), status__in=LIVE_STATUSES)
    before = Environment.objects.filter(tenant=facts.tenant, created_at__lt=facts.selection.end, request__isnull=False)
    return before.exclude(status=EnvironmentStatus.DELETED).filter(~Exists(at_work))


def _proved(action: Action) -> Callable[[Facts], Outcome]:
    """Return a check that a control was read back, by the register and by the log."""
    control = CONTROLS[action]

    def perform(facts: Facts) -> Outcome:
        standing = _standing(facts)
        logged = ProvisioningLog.objects.filter(environment_request=OuterRef("request"), action=action, success=True)
        registered = GovernedControl.objects.filter(environment=OuterRef("pk"), control=control)
        lacking = standing.annotate(is_logged=Exists(logged), is_registered=Exists(registered))
        lacking = lacking.exclude(is_logged=True, is_registered=True).order_by("created_at", "pk")
        failures = (
            Failure(str(row), _told(control, is_logged=row.is_logged, is_registered=row.is_registered), row.pk)
            for row in lacking[:MOST_NAMED]
        )
        return outcome(standing.count(), failures, lacking.count())

    return perform


def _told(control: str, *, is_logged: bool, is_registered: bool) -> str:
    if not is_logged and not is_registered:
        return f"{control}: never read back."
    where = "in the register, not in the log" if is_registered else "in the log, not in the register"
    return f"{control}: read back {where}."


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
    """Nothing stands, and nothing was done, that no request explains."""
    standing = Environment.objects.filter(tenant=facts.tenant, created_at__lt=facts.selection.end)
    standing = standing.exclude(status=EnvironmentStatus.DELETED)
    orphans = standing.filter(request__isnull=True).order_by("created_at", "pk")
    operations = ReconciliationFinding.objects.filter(
        Q(kind=FindingKind.UNEXPLAINED_OPERATION), tenant=facts.tenant, resolved_at__isnull=True
    ).order_by("found_at", "pk")
    failures = [Failure(str(row), row.quarantine_reason or "It has no request.", row.pk) for row in orphans]
    failures += [Failure(row.subject, row.detail, row.pk) for row in operations]
    return outcome(standing.count() + operations.count(), failures)


CHECKS = (
    Check(
        "managed-environments",
        "2.1",
        "Every environment is a Managed Environment",
        "the register of environments and the log's ManagedEnabled entries, each written when it was read back",
        _proved(Action.MANAGED_ENABLED),
    ),
    Check(
        "sharing-limits",
        "2.1",
        "Sharing is limited as the zone demands",
        "the register of environments and the log's SharingLimitsConfigured entries",
        _proved(Action.SHARING_LIMITS_CONFIGURED),
    ),
    Check(
        "environment-groups",
        "2.2",
        "Every environment is in the environment group of its zone",
        "the register of environments and the log's GroupAssigned entries",
        _proved(Action.GROUP_ASSIGNED),
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
        "No environment and no operation is without a request",
        "the register of environments and what the reconciler found at Microsoft",
        _explained,
    ),
    Check(
        "environment-auditing",
        "1.7",
        "Auditing is switched on in every environment",
        "the register of environments and the log's AuditingConfigured entries",
        _proved(Action.AUDITING_CONFIGURED),
    ),
)
