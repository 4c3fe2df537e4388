"""Advance a run: intent, call, result. The intent is committed before the call, no transaction is open during it,
and the result is committed after it; a crash in between leaves an intent without a result, which means: find out.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from django.utils.translation import gettext_noop as noop

from accounts_app.cloud import cloud_for
from accounts_app.models import TenantIdentity
from accounts_app.services import settings_of
from core_app import database_clock, tenancy
from core_app.outage import outage_of
from core_app.transactions import transactional
from microsoft_cloud.errors import (
    AuthenticationError,
    CloudError,
    ConflictError,
    ConflictKind,
    NotReadyError,
    ThrottledError,
    TransientError,
)
from provisioning_app import backoff, breaker, limits, plan, results, tenants, watchdog
from provisioning_app.choices import StepOutcome
from provisioning_app.lease import Lease, LeaseLostError, claim
from provisioning_app.models import ProvisioningRun, StepRecord
from provisioning_app.steps.outcome import AttemptFailedError, Context, StepFailedError, Wait
from requests_app.models import EnvironmentRequest

log = structlog.get_logger(__name__)

TURN_SECONDS: Final = 20.0  # no step begins later in a turn, so that a worker told to stop drains in half a minute
_BUSY_SECONDS = 15.0
_HALT_LOOK: Final = timedelta(seconds=30)


def advance(run_id: UUID) -> None:
    """Take a due run as far as it goes without waiting; quietly do nothing when it is not due or not ours."""
    lease = claim(run_id)
    if lease is None:
        return
    with tenancy.of(lease.tenant_id):
        _take_turn(lease)


def _take_turn(lease: Lease) -> None:
    ends = time.monotonic() + TURN_SECONDS
    try:
        while _take_step(lease):
            if time.monotonic() >= ends:
                lease.give_back()  # the next tick goes on
                return
    except LeaseLostError:
        log.warning("lease_lost", run=str(lease.run_id))
    except watchdog.BlockedError:
        watchdog.bite(lease)


def _take_step(lease: Lease) -> bool:
    """Perform the current step once; return whether the next step can follow at once."""
    if tenants.is_halted(lease.tenant_id):
        # It would only be refused and fail too; once the tenant is resumed it goes on by itself
        return results.pause(
            lease, database_clock.now() + _HALT_LOOK, noop("provisioning in this tenant to be resumed")
        )
    permit = breaker.admit(lease.tenant_id)
    if permit.until:
        return results.pause(lease, permit.until, noop("Microsoft to answer again"))
    return _perform(lease, permit)


def _perform(lease: Lease, permit: breaker.Permit) -> bool:
    run, record, was_unknown = _begin(lease)
    step = plan.step(run.plan_version, run.step)
    now = database_clock.now()
    try:
        context = context_for(run, lease, is_unknown=was_unknown, now=now)
        outcome = step.perform(context)
    except (LeaseLostError, watchdog.BlockedError):
        raise
    except CloudError as error:
        breaker.failed(lease.tenant_id, error)
        return _after_cloud_error(lease, run, record, step, error)
    except AttemptFailedError as error:
        return results.attempt_failed(lease, record, step, str(error))
    except StepFailedError as error:
        return results.step_failed(lease, record, step, str(error), error.run)
    except Exception as error:
        if outage_of(error):
            raise  # the database's trouble, not the step's: the next one to claim this run finds out where it stands
        # Whatever a step did not foresee fails this run, in words that hold no secret, and leaves the worker alive.
        log.exception("step_broke", run=str(run.pk), step=step.key)
        return results.step_failed(
            lease,
            record,
            step,
            noop("Unexpected %(error)s in step %(step)s.") % {"error": type(error).__name__, "step": step.label},
        )
    breaker.answered(permit, context.cloud.answered)
    if isinstance(outcome, Wait):
        return _wait(lease, run, record, step, outcome)
    return results.done(lease, record, step, outcome)


def _wait(lease: Lease, run: ProvisioningRun, record: StepRecord, step: plan.Step, outcome: Wait) -> bool:
    """Wait, unless the step's deadline has passed; it passes only after a last look, however long workers were down."""
    if run.step_deadline and database_clock.now() >= run.step_deadline:
        return results.timed_out(lease, record, step, outcome.reason)
    return results.wait(lease, record, outcome)


@transactional
def _begin(lease: Lease) -> tuple[ProvisioningRun, StepRecord, bool]:
    """Commit the intent; say whether an earlier worker left this very attempt without a result."""
    run = lease.fenced()
    step = plan.step(run.plan_version, run.step)
    this = {"run": run, "step": run.step, "attempt": run.step_attempt}
    record = StepRecord.objects.filter(**this).first()
    was_unknown = record is not None and record.outcome == StepOutcome.INTENDED
    if record is None:  # nobody else makes it meanwhile: the lease's row is locked
        record = StepRecord.objects.create(**this, lease_token=lease.token, began_at=database_clock.now())
    else:
        StepRecord.objects.filter(pk=record.pk).update(outcome=StepOutcome.INTENDED, lease_token=lease.token)
    if run.step_deadline is None:
        run.step_deadline = database_clock.now() + _allowed(run, step)
        run.save(update_fields=["step_deadline"])
    return run, record, was_unknown


def context_for(
    run: ProvisioningRun, lease: Lease | None, *, is_unknown: bool, now: datetime, only_looks: bool = False
) -> Context:
    """Return what a step needs, under a lease; without one (a gap's retry) nothing can be created.

    Raises:
        CloudError: the credentials could not be read.
    """
    request = EnvironmentRequest.objects.select_related("tenant", "business_unit", "requester").get(pk=run.request_id)
    settings = settings_of(request.tenant, run.settings_version)
    cloud = cloud_for(request.tenant, TenantIdentity.Purpose.PROVISIONING, correlation_id=str(run.pk))
    return Context(
        request=request,
        run=run,
        settings=settings,
        cloud=cloud,
        facts=run.step_facts,
        is_unknown=is_unknown,
        now=now,
        renew_lease=lease.renew if lease else lambda: None,
        reserve_creation=lambda: limits.reserve_creation(run.pk, run.tenant_id, settings),
        only_looks=only_looks,
    )


def _after_cloud_error(
    lease: Lease, run: ProvisioningRun, record: StepRecord, step: plan.Step, error: CloudError
) -> bool:
    """Sort an error of the cloud: wait without burning an attempt, try again, or give up."""
    if isinstance(error, AuthenticationError):
        return results.refused(lease, record, step, str(error))
    if breaker.is_unreachable(error):
        # Nothing was asked, so nothing failed: no attempt is used up and no deadline passes without a last look
        return results.wait(lease, record, Wait(str(error), backoff.spread(_BUSY_SECONDS, run), run.step_facts))
    if isinstance(error, ThrottledError | NotReadyError) or _is_busy(error):
        # What the step remembered stays remembered: a busy answer is no progress and no failure
        pause = Wait(str(error), error.retry_after or backoff.spread(_BUSY_SECONDS, run), run.step_facts)
        return _wait(lease, run, record, step, pause)
    if isinstance(error, TransientError | ConflictError):
        return results.attempt_failed(lease, record, step, str(error))
    return results.step_failed(lease, record, step, str(error))


def _is_busy(error: CloudError) -> bool:
    return isinstance(error, ConflictError) and error.kind == ConflictKind.BUSY


def _allowed(run: ProvisioningRun, step: plan.Step) -> timedelta:
    if step.key not in (plan.CREATE, plan.AWAIT_CREATION):
        return timedelta(minutes=step.minutes)
    settings = settings_of(run.tenant, run.settings_version)
    if step.key == plan.CREATE:
        # Whatever still hides then is watched without a slot, and a retry adopts it
        return timedelta(seconds=settings.creation_seconds + settings.propagation_seconds)
    return timedelta(seconds=settings.creation_seconds)
