"""Findings: differences between Microsoft, our rows and our intentions, each opened and resolved once, and logged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop

from accounts_app.locks import locked_tenant
from accounts_app.models import Tenant, User
from accounts_app.roles import Role
from accounts_app.services import holders
from audit_app.actions import Action
from audit_app.actors import SYSTEM, Actor, person
from audit_app.log import record
from core_app import clock
from core_app.errors import DomainError
from core_app.text import clean, has_content
from core_app.transactions import transactional
from notifications_app.catalogue import Event
from notifications_app.services import announce
from provisioning_app.choices import FindingKind
from provisioning_app.models import ReconciliationFinding
from provisioning_app.permissions import operates, require_operator
from provisioning_app.tenants import operators
from requests_app.models import EnvironmentRequest
from requests_app.services.rows import locked

# What has happened stays a finding until a person has looked into it; any other ends when its cause does.
FOR_A_PERSON: Final = frozenset(
    {
        FindingKind.ENVIRONMENT_VANISHED,
        FindingKind.UNEXPLAINED_OPERATION,
        FindingKind.DEAD_LETTER,
        FindingKind.BLOCKED_WORKER,
    }
)
_ALL: Final = Q()
# What every sweep sees again is not found again once it is closed; a later message or block is another one.
_SEEN_EVER_AFTER: Final = FOR_A_PERSON - {FindingKind.DEAD_LETTER, FindingKind.BLOCKED_WORKER}


@dataclass(frozen=True, slots=True)
class Difference:
    """What was seen just now."""

    kind: FindingKind
    subject: str
    detail: str
    environment_id: str = ""
    run_id: UUID | None = None
    request_id: UUID | None = None


def settle(tenant_id: UUID, kind: FindingKind, seen: Iterable[Difference], *, among: Q = _ALL) -> int:
    """Open what is new, remember what is still seen, and resolve the open findings of this kind that are seen no more.

    Args:
        tenant_id: Whose findings.
        kind: Of which kind.
        seen: What was seen just now.
        among: Which findings it could have been seen for; the others stay as they are.

    Returns:
        How many are new.
    """
    differences = {difference.subject: difference for difference in seen}
    new = sum(open_finding(tenant_id, difference) for difference in differences.values())
    if kind not in FOR_A_PERSON:
        gone = ReconciliationFinding.objects.filter(among, tenant=tenant_id, kind=kind, resolved_at__isnull=True)
        for finding in gone.exclude(subject__in=differences):
            _resolve(finding.pk, by=SYSTEM, how=noop("It is no longer seen."))
    return new


@transactional
def open_finding(tenant_id: UUID, difference: Difference) -> bool:
    """Open a finding, log it and tell the operators, unless it is open already; return whether it is new."""
    tenant, now = locked_tenant(tenant_id), clock.now()
    same = ReconciliationFinding.objects.filter(tenant=tenant, kind=difference.kind, subject=difference.subject)
    if same.filter(resolved_at__isnull=True).update(last_seen_at=now):
        return False
    if difference.kind in _SEEN_EVER_AFTER and same.exists():
        return False  # somebody has looked into it
    request = locked(difference.request_id) if difference.request_id else None
    finding = ReconciliationFinding.objects.create(
        tenant=tenant,
        kind=difference.kind,
        subject=difference.subject,
        environment_id=difference.environment_id,
        run_id=difference.run_id,
        request=request,
        detail=difference.detail,
        found_at=now,
        last_seen_at=now,
    )
    record(
        Action.FINDING_OPENED,
        on=request or tenant,
        by=SYSTEM,
        details=_facts(finding),
        error=difference.detail,
        success=False,
        correlation_id=str(difference.run_id or ""),
    )
    announce(
        Event.FINDING_OPENED,
        to=concerned(tenant, request),
        tenant_id=tenant.pk,
        reference=request.request_number if request else tenant.name,
        once=str(finding.pk),
        about=finding,
        kind=finding.get_kind_display(),
        detail=difference.detail,
    )
    return True


@transactional
def resolve_finding(finding_id: UUID, *, by: User, reason: str) -> ReconciliationFinding:
    """Close a finding that a person has looked into.

    Raises:
        PermissionRefused: for anyone but an operator.
        DomainError: it is closed already, closes by itself, or no reason is given.
    """
    finding = ReconciliationFinding.objects.select_related("tenant", "request__business_unit").get(pk=finding_id)
    require_operator(by, finding.tenant, finding.request.business_unit if finding.request else None)
    if finding.resolved_at:
        raise DomainError(_("%(finding)s is closed already.") % {"finding": finding})
    if finding.kind not in FOR_A_PERSON:
        raise DomainError(_("%(finding)s closes by itself once its cause is gone.") % {"finding": finding})
    if not has_content(reason):
        raise DomainError(_("Say what you found out; it is logged."))
    return _resolve(finding_id, by=person(by), how=clean(reason))


def may_resolve(user: User, finding: ReconciliationFinding) -> bool:
    """Say whether a person may close a finding now."""
    unit = finding.request.business_unit if finding.request else None
    is_theirs = finding.kind in FOR_A_PERSON and finding.resolved_at is None
    return is_theirs and operates(user, finding.tenant, unit)


def first_seen(tenant_id: UUID, environment_id: str) -> datetime | None:
    """Return when an environment was first found outside the register, or None."""
    found = ReconciliationFinding.objects.filter(tenant=tenant_id, environment_id=environment_id)
    return found.order_by("found_at").values_list("found_at", flat=True).first()


def concerned(tenant: Tenant, request: EnvironmentRequest | None) -> Iterable[User]:
    """Return the operators of a request's unit, or of the whole tenant."""
    return holders(Role.OPERATOR, request.business_unit) if request else operators(tenant)


@transactional
def _resolve(finding_id: UUID, *, by: Actor, how: str) -> ReconciliationFinding:
    pk = ReconciliationFinding.objects.values_list("tenant_id", "request_id").get(pk=finding_id)
    tenant = locked_tenant(pk[0])
    request = locked(pk[1]) if pk[1] else None
    finding = ReconciliationFinding.objects.select_for_update(no_key=True).get(pk=finding_id)
    if finding.resolved_at:
        return finding
    finding.resolved_at = clock.now()
    record(Action.FINDING_RESOLVED, on=request or tenant, by=by, details={**_facts(finding), "how": how})
    finding.save(update_fields=["resolved_at"])
    return finding


def _facts(finding: ReconciliationFinding) -> dict[str, str]:
    return {
        "kind": FindingKind(finding.kind).label,
        "subject": finding.subject,
        "environment_id": finding.environment_id,
    }
