"""What can happen in provisioning: dispatch, advance, retry, and the sweeps behind them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import structlog
from django.db.models import QuerySet

from accounts_app.locks import locked_tenant
from accounts_app.models import Tenant
from accounts_app.services import settings_of
from accounts_app.tenant_settings import Settings
from core_app import database_clock, tenancy
from core_app.doorbell import ring
from core_app.one_by_one import each
from core_app.transactions import transactional
from microsoft_cloud.errors import CloudError
from provisioning_app import breaker, gaps, lease, limits, plan, results, runner
from provisioning_app.attest import attest
from provisioning_app.choices import LIVE_ROLLBACKS, RunStatus
from provisioning_app.credentials.reviews import collect as collect_review
from provisioning_app.credentials.reviews import dispose as dispose_of_finding
from provisioning_app.credentials.reviews import sign as sign_review
from provisioning_app.credentials.reviews import start_review
from provisioning_app.credentials.rotation import advance as advance_rotation
from provisioning_app.credentials.rotation import rotate as rotate_credential
from provisioning_app.credentials.sweep import sweep_credentials, wake_rotations
from provisioning_app.findings import resolve_finding
from provisioning_app.models import Environment, Gap, ProvisioningRun, Rollback, Slot
from provisioning_app.quarantine import quarantine, release_quarantine
from provisioning_app.retries import retry
from provisioning_app.rollback import advance as advance_rollback
from provisioning_app.rollback import initiate_rollback
from provisioning_app.steps.outcome import AttemptFailedError, Done, StepFailedError
from provisioning_app.tenants import halt, halt_where_refused, halt_where_the_log_is_refused, resume
from requests_app import services as requests
from requests_app.choices import State
from requests_app.models import EnvironmentRequest
from requests_app.services.rows import locked

__all__ = [
    "advance",
    "advance_rollback",
    "advance_rotation",
    "attest",
    "collect_review",
    "dispatch",
    "dispose_of_finding",
    "due_rollbacks",
    "due_runs",
    "halt",
    "halt_where_the_log_is_refused",
    "initiate_rollback",
    "quarantine",
    "release_quarantine",
    "resolve_finding",
    "resume",
    "retry",
    "retry_gaps",
    "rotate_credential",
    "sign_review",
    "start_review",
    "sweep_credentials",
    "tenants_with_work",
    "wake_rotations",
]

log = structlog.get_logger(__name__)

ADVANCE = "provisioning_app.tasks.advance"
advance = runner.advance


def dispatch(tenant_id: UUID) -> int:
    """Start as many of a tenant's waiting runs and approved requests as its limits allow, one transaction each.

    Returns:
        How many were started; none of a tenant that is not there, or not yet: a doorbell may be about what was undone.
    """
    started = 0
    with tenancy.of(tenant_id):
        # Most doorbells find nothing, which needs neither the tenant's lock nor its limits
        while any(rows.filter(tenant=tenant_id).exists() for rows in _waiting()) and _start_next(tenant_id):
            started += 1
    return started


def _waiting() -> tuple[QuerySet[EnvironmentRequest], QuerySet[ProvisioningRun]]:
    """Return what waits to be started: what was approved, and retries."""
    return (
        EnvironmentRequest.objects.filter(state=State.APPROVED),
        ProvisioningRun.objects.filter(status=RunStatus.QUEUED),
    )


@transactional
def _start_next(tenant_id: UUID) -> bool:
    tenant = locked_tenant(tenant_id)
    if tenant.halted_reason:
        return False
    settings = settings_of(tenant)
    slot = limits.free_slot(tenant, settings)
    if slot is None or not limits.may_start(tenant, settings):
        return False
    may_create = limits.may_create(tenant, settings)
    run = _next_queued(tenant, may_create=may_create)
    if run is None and may_create:
        run = _next_approved(tenant, settings)
    if run is None:
        return False
    now = database_clock.now()
    is_first = run.status == RunStatus.QUEUED and run.attempt == 1
    run.status, run.started_at, run.next_at = RunStatus.RUNNING, now, now
    run.save()
    Slot.objects.filter(pk=slot.pk).update(run=run)
    if is_first:
        requests.begin_provisioning(
            run.request_id,
            by=results.principal(run),
            run_id=run.pk,
            policy_version=f"settings-{run.settings_version}",
        )
    ring(ADVANCE, str(run.pk))
    return True


def _next_queued(tenant: Tenant, *, may_create: bool) -> ProvisioningRun | None:
    """Return the retry that has waited longest; once the day's creations are used up, of those that need none."""
    queued = ProvisioningRun.objects.filter(plan.is_known(), tenant=tenant, status=RunStatus.QUEUED)
    if not may_create:
        queued = queued.exclude(environment_id="")
    return queued.order_by("queued_at", "id").first()


def _next_approved(tenant: Tenant, settings: Settings) -> ProvisioningRun | None:
    candidate = tenant.environment_requests.awaiting_dispatch().values_list("pk", flat=True).first()
    if candidate is None:
        return None
    request = locked(candidate)  # nothing but dispatch, under the tenant's lock, leads out of Approved
    return ProvisioningRun(
        tenant=tenant,
        request=request,
        plan_version=plan.CURRENT_VERSION,
        settings_version=request.settings_version or settings.version,
        step=plan.first_step(plan.CURRENT_VERSION).key,
        domain_name=request.domain_name,
        queued_at=database_clock.now(),
        next_at=database_clock.now(),
    )


def due_runs(limit: int = 200) -> list[UUID]:
    """Return runs that are due, not leased and not parked, oldest first."""
    return list(lease.claimable().order_by("next_at").values_list("pk", flat=True)[:limit])


def due_rollbacks(limit: int = 50) -> list[UUID]:
    """Return rollbacks that are due, oldest first."""
    due = Rollback.objects.filter(status__in=LIVE_ROLLBACKS, next_at__lte=database_clock.expression())
    return list(due.order_by("next_at").values_list("pk", flat=True)[:limit])


def tenants_with_work() -> list[UUID]:
    """Return tenants with approved requests or queued runs: what a lost doorbell left lying."""
    # Without an order: what a query is ordered by would count as a part of what has to be distinct
    return sorted({pk for rows in _waiting() for pk in rows.order_by().values_list("tenant", flat=True).distinct()})


def retry_gaps(limit: int = 50) -> int:
    """Perform the step of every due open gap once more; returns how many were closed."""
    now = database_clock.now()
    known = Gap.objects.filter(plan.is_known("run__plan_version", "step"))
    due = known.filter(closed_at__isnull=True, next_at__lte=now, run__status=RunStatus.COMPLETED)
    may_ask = due.filter(run__tenant__halted_reason="").exclude(run__tenant__in=breaker.open_tenants())
    return each(list(may_ask.order_by("next_at").select_related("run", "request")[:limit]), _retry_gap)


def _retry_gap(gap: Gap) -> bool:
    wait = gaps.RETRY_AFTER * min(2**gap.attempts, 12)
    claimed = Gap.objects.filter(pk=gap.pk, next_at=gap.next_at, closed_at__isnull=True).update(
        next_at=database_clock.now() + wait, attempts=gap.attempts + 1
    )
    if not claimed:
        return False
    step = plan.step(gap.run.plan_version, gap.step)
    try:
        context = runner.context_for(gap.run, None, is_unknown=False, now=database_clock.now())
        outcome = step.perform(context)
    except (CloudError, AttemptFailedError, StepFailedError) as error:
        if isinstance(error, CloudError):
            halt_where_refused(gap.run.tenant_id, error)
        _keep_open(gap, str(error))
        return False
    if not isinstance(outcome, Done):
        # The platform needs a moment; ask again soon, the step finds what this attempt has started
        Gap.objects.filter(pk=gap.pk).update(next_at=database_clock.now() + timedelta(seconds=30))
        return False
    _close(gap, step, outcome)
    return True


@transactional
def _keep_open(gap: Gap, reason: str) -> None:
    """Say why a gap is still open; history keeps each other reason, not that one was met once more."""
    fresh = Gap.objects.select_for_update(no_key=True).get(pk=gap.pk)
    if fresh.closed_at is None and fresh.reason != reason:
        fresh.reason = reason
        fresh.save()


@transactional
def _close(gap: Gap, step: plan.Step, outcome: Done) -> None:
    request = locked(gap.request_id)
    fresh = Gap.objects.select_for_update(no_key=True).select_related("run", "request").get(pk=gap.pk)
    if fresh.closed_at:
        return
    results.log_done(request, fresh.run, step, outcome)
    gaps.close_gap(fresh)
    if not gaps.open_steps(request):
        governed = Environment.objects.get(tenant=fresh.run.tenant_id, environment_id=fresh.run.environment_id)
        governed.governed_at = database_clock.now()
        governed.save()
