"""Quarantine: environments that a person has to look at; listed until they do, never forgotten."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext as _

from accounts_app.locks import locked_tenant
from accounts_app.models import User
from audit_app.actions import Action
from audit_app.actors import SYSTEM, Actor, person
from audit_app.log import record
from core_app import clock
from core_app.errors import DomainError
from core_app.text import clean, has_content
from core_app.transactions import transactional
from notifications_app.catalogue import Event
from notifications_app.services import announce
from provisioning_app.choices import LIVE_STATUSES, EnvironmentStatus
from provisioning_app.findings import concerned
from provisioning_app.models import Environment
from provisioning_app.permissions import operates, require_operator
from requests_app.choices import State
from requests_app.services.rows import locked


@transactional
def quarantine(environment_id: UUID, *, by: User, reason: str) -> Environment:
    """Put an environment into quarantine: it is listed, and nothing is tried on it, until somebody releases it.

    Raises:
        PermissionRefused: for anyone but an operator of its unit.
        DomainError: it is quarantined or deleted already, a run works on it, or no reason is given.
    """
    row = _locked(environment_id)
    require_operator(by, row.tenant, row.business_unit)
    if row.status in (EnvironmentStatus.QUARANTINED, EnvironmentStatus.DELETED):
        raise DomainError(_("%(row)s is %(state)s already.") % {"row": row, "state": row.get_status_display().lower()})
    if row.request is not None and row.request.runs.filter(status__in=LIVE_STATUSES).exists():
        raise DomainError(_("A run works on %(row)s; wait until it has ended.") % {"row": row})
    if not has_content(reason):
        raise DomainError(_("Say why it is quarantined; it is logged."))
    put(row, clean(reason), by=person(by))
    return row


@transactional
def release_quarantine(environment_id: UUID, *, by: User, reason: str) -> Environment:
    """Give an environment back to its request.

    Raises:
        PermissionRefused: for anyone but an operator of its unit.
        DomainError: it is not quarantined, it belongs to no request, or no reason is given.
    """
    row = _locked(environment_id)
    require_operator(by, row.tenant, row.business_unit)
    if row.status != EnvironmentStatus.QUARANTINED:
        raise DomainError(_("%(row)s is not quarantined.") % {"row": row})
    if row.request is None:
        raise DomainError(
            _(
                "%(row)s belongs to no request. Delete it in the Power Platform admin center; the "
                "reconciler then takes it off the list."
            )
            % {"row": row}
        )
    if not has_content(reason):
        raise DomainError(_("Say what you found out; it is logged."))
    since = row.quarantined_at or clock.now()
    details = {
        "environment_id": row.environment_id,
        "reason": clean(reason),
        "quarantined_because": row.quarantine_reason,
        "quarantined_seconds": round((clock.now() - since).total_seconds()),
    }
    record(Action.QUARANTINE_RELEASED, on=row.request, by=person(by), details=details)
    is_complete = row.request.state == State.COMPLETED
    row.status = EnvironmentStatus.ACTIVE if is_complete else EnvironmentStatus.PROVISIONING
    row.quarantined_at, row.quarantine_reason = None, ""
    row.save()
    return row


def put(row: Environment, reason: str, *, by: Actor = SYSTEM, correlation_id: str = "") -> None:
    """Quarantine an environment in the caller's transaction, log it and tell the operators."""
    row.status, row.quarantined_at, row.quarantine_reason = EnvironmentStatus.QUARANTINED, clock.now(), reason
    entry = record(
        Action.ENVIRONMENT_QUARANTINED,
        on=row.request or row.tenant,
        by=by,
        details={"environment_id": row.environment_id, "reason": reason},
        correlation_id=correlation_id,
    )
    row.save()
    announce(
        Event.QUARANTINED,
        to=concerned(row.tenant, row.request),
        tenant_id=row.tenant_id,
        reference=row.request.request_number if row.request else row.tenant.name,
        once=str(entry.pk),
        about=row,
        name=row.display_name,
        reason=reason,
    )


def may_quarantine(user: User, row: Environment) -> bool:
    """Say whether a person may put an environment into quarantine now."""
    is_there = row.status in (EnvironmentStatus.PROVISIONING, EnvironmentStatus.ACTIVE)
    return is_there and operates(user, row.tenant, row.business_unit)


def may_release(user: User, row: Environment) -> bool:
    """Say whether a person may release an environment now."""
    is_owned = row.status == EnvironmentStatus.QUARANTINED and row.request_id is not None
    return is_owned and operates(user, row.tenant, row.business_unit)


def _locked(environment_id: UUID) -> Environment:
    """Return the register's row; its tenant and its request are locked before it, as the lock order wants."""
    tenant_id, request_id = Environment.objects.values_list("tenant_id", "request_id").get(pk=environment_id)
    locked_tenant(tenant_id)
    if request_id:
        locked(request_id)
    rows = Environment.objects.select_related("tenant", "business_unit", "request__business_unit", "request__tenant")
    return rows.select_for_update(no_key=True, of=("self",)).get(pk=environment_id)
