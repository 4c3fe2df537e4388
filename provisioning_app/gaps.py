"""Open gaps: controls that are not applied yet, retried until they are."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.utils.translation import gettext_noop as noop

from accounts_app.roles import Role
from accounts_app.services import holders
from audit_app.actions import Action
from audit_app.actors import SYSTEM
from audit_app.log import record
from core_app import database_clock
from core_app.transactions import transactional
from notifications_app.catalogue import Event
from provisioning_app import plan
from provisioning_app.models import Environment, Gap, ProvisioningRun
from requests_app.models import EnvironmentRequest
from requests_app.services.rows import tell

RETRY_AFTER = timedelta(minutes=5)
GONE: Final = noop("The environment does not exist any more; the control was never applied.")


def open_gap(request: EnvironmentRequest, run: ProvisioningRun, step: plan.Step, reason: str) -> Gap:
    """Open a gap in the caller's transaction; it is owned by the first operator of the unit."""
    now = database_clock.now()
    operators = list(holders(Role.OPERATOR, request.business_unit))
    gap = Gap.objects.create(
        request=request,
        run=run,
        step=step.key,
        reason=reason,
        owner=operators[0] if operators else None,
        opened_at=now,
        next_at=now + RETRY_AFTER,
    )
    details = {"step": step.key, "owner": operators[0].upn if operators else None}
    record(
        Action.GAP_OPENED,
        on=request,
        by=SYSTEM,
        details=details,
        error=reason,
        success=False,
        correlation_id=str(run.pk),
    )
    tell(Event.GAP_OPENED, request, operators, once=str(gap.pk), step=step.label, reason=reason)
    return gap


def open_steps(request: EnvironmentRequest) -> list[str]:
    """Return the labels of steps with an open gap."""
    gaps = Gap.objects.filter(request=request, closed_at__isnull=True).select_related("run").order_by("opened_at")
    return [plan.label(gap.run.plan_version, gap.step) for gap in gaps]


@transactional
def close_gap(gap: Gap) -> None:
    """Close a gap whose step has succeeded."""
    _close(gap, {})


def close_as_gone(environment: Environment) -> None:
    """Close the open gaps of an environment that does not exist any more, in the caller's transaction.

    Its request is locked by the caller; nothing is tried again on what is gone.
    """
    theirs = Gap.objects.filter(run__tenant=environment.tenant_id, run__environment_id=environment.environment_id)
    for gap in theirs.filter(closed_at__isnull=True).select_related("request").order_by("opened_at"):
        gap.reason = GONE
        _close(gap, {"reason": GONE})


def was_applied(gap: Gap) -> bool:
    """Say whether the control was applied at last."""
    return gap.closed_at is not None and gap.reason != GONE


def _close(gap: Gap, details: dict[str, str]) -> None:
    gap.closed_at = database_clock.now()
    age = int((gap.closed_at - gap.opened_at).total_seconds())
    facts = {"step": gap.step, "open_seconds": age, "retries": gap.attempts, **details}
    record(Action.GAP_CLOSED, on=gap.request, by=SYSTEM, details=facts, correlation_id=str(gap.run_id))
    gap.save()
