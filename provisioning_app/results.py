"""Commit what a step led to, under the lease's fence: done, wait, attempt failed, step failed, timed out, refused.

Every function answers whether the run can go on at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext_noop as noop

from accounts_app.models import TenantIdentity
from accounts_app.roles import Role
from accounts_app.services import holders, settings_of
from audit_app.actors import Actor, service_principal
from audit_app.log import record as log_entry
from core_app import database_clock
from core_app.doorbell import ring
from core_app.transactions import transactional
from notifications_app.catalogue import Event
from notifications_app.services import announce
from provisioning_app import backoff, findings, gaps, limits, plan, policy_gap, tenants, watch
from provisioning_app.choices import EnvironmentStatus, RemoteState, RunStatus, StepOutcome
from provisioning_app.lease import Lease
from provisioning_app.models import Environment, ProvisioningRun, StepRecord
from provisioning_app.steps.outcome import Done, Wait
from requests_app import services as requests
from requests_app.models import EnvironmentRequest


@transactional
def done(lease: Lease, record: StepRecord, step: plan.Step, outcome: Done) -> bool:
    """The step's effect was read back: log it, keep the proof, go to the next step or complete."""
    request = _locked_request(lease)
    run = lease.fenced()
    _finish(record, StepOutcome.DONE, proof=[proof.as_json() for proof in outcome.proofs])
    for column, value in outcome.run.items():
        setattr(run, column, value)
    log_done(request, run, step, outcome)
    if run.environment_id:
        _register(request, run, outcome.exists_since)
    return _go_on(request, run, step)


@transactional
def wait(lease: Lease, record: StepRecord, outcome: Wait) -> bool:
    """The step needs time: the row becomes its timer and the lease is given back."""
    lease.write(
        next_at=database_clock.now() + timedelta(seconds=outcome.seconds),
        waiting_for=outcome.reason[:200],
        step_facts=dict(outcome.facts),
        lease_until=None,
        **outcome.run,
    )
    # update() and not save(): a wake-up is no change that history should keep
    StepRecord.objects.filter(pk=record.pk).update(outcome=StepOutcome.WAITING)
    return False


@transactional
def pause(lease: Lease, until: datetime, waiting_for: str) -> bool:
    """Microsoft does not answer this tenant, or must not be asked: wait. The time does not count against the step.

    How long a creation may take is counted all the same: it goes on at Microsoft whether we can see it or not.
    """
    run = lease.fenced()
    if run.step_deadline and run.step != plan.AWAIT_CREATION:
        run.step_deadline += max(timedelta(0), until - database_clock.now())
    lease.write(next_at=until, step_deadline=run.step_deadline, waiting_for=waiting_for, lease_until=None)
    return False


@transactional
def attempt_failed(lease: Lease, record: StepRecord, step: plan.Step, reason: str) -> bool:
    """One attempt failed: log it with the step's own action, then pause and try again, or give up."""
    request = _locked_request(lease)
    run = lease.fenced()
    if run.step_attempt >= step.attempts:
        return _give_up(request, run, record, step, reason)
    _finish(record, StepOutcome.FAILED, error=reason)
    _log_failure(request, run, step, reason)
    pause = backoff.pause_after(run)
    run.step_attempt += 1
    run.step_facts, run.waiting_for = (
        {},
        noop("attempt %(attempt)s of %(attempts)s") % {"attempt": run.step_attempt, "attempts": step.attempts},
    )
    run.next_at, run.lease_until = database_clock.now() + timedelta(seconds=pause), None
    run.save()
    return False


@transactional
def step_failed(
    lease: Lease, record: StepRecord, step: plan.Step, reason: str, columns: Mapping[str, Any] | None = None
) -> bool:
    """Trying again cannot help: open a gap and go on where that is allowed, else the run fails."""
    request = _locked_request(lease)
    run = lease.fenced()
    for column, value in (columns or {}).items():
        setattr(run, column, value)
    return _give_up(request, run, record, step, reason)


@transactional
def timed_out(lease: Lease, record: StepRecord, step: plan.Step, waiting_for: str) -> bool:
    """The step's deadline has passed. After a creation the environment may still appear: remote state stays unknown."""
    request = _locked_request(lease)
    run = lease.fenced()
    reason = noop("PollTimeout: %(step)s did not finish in time; it was waiting for %(waiting)s.") % {
        "step": step.label,
        "waiting": waiting_for,
    }
    if run.remote_state == RemoteState.UNKNOWN:
        _announce(Event.POLL_TIMEOUT, request, run, reason)
    return _give_up(request, run, record, step, reason)


def refused(lease: Lease, record: StepRecord, step: plan.Step, reason: str) -> bool:
    """Microsoft refused our credentials: halt this tenant's dispatch, alert once, and fail the run for a retry."""
    tenants.halt(ProvisioningRun.objects.values_list("tenant_id", flat=True).get(pk=lease.run_id), reason)
    return step_failed(lease, record, step, noop("The service principal was refused: %(reason)s") % {"reason": reason})


def log_done(request: EnvironmentRequest, run: ProvisioningRun, step: plan.Step, outcome: Done) -> None:
    """Log every entry of a finished step, as the service principal, correlated by the run."""
    actor = principal(run)
    for entry in outcome.entries:
        log_entry(
            entry.action,
            on=request,
            by=actor,
            details={"step": step.key, **entry.details, "proof": [proof.as_json() for proof in entry.proofs]},
            correlation_id=str(run.pk),
            policy_version=f"settings-{run.settings_version}",
        )
    policy_gap.stop_clocks(run, outcome.entries)


def principal(run: ProvisioningRun) -> Actor:
    """Return the provisioning principal of a run's tenant as the log names it: by client id."""
    identity = TenantIdentity.objects.get(tenant=run.tenant_id, purpose=TenantIdentity.Purpose.PROVISIONING)
    return service_principal(str(identity.client_id))


def _give_up(
    request: EnvironmentRequest, run: ProvisioningRun, record: StepRecord, step: plan.Step, reason: str
) -> bool:
    _log_failure(request, run, step, reason)
    baseline = settings_of(request.tenant, run.settings_version).baselines[request.zone]
    if not step.blocks(baseline):
        _finish(record, StepOutcome.SKIPPED, error=reason)
        gaps.open_gap(request, run, step, reason)
        return _go_on(request, run, step)
    _finish(record, StepOutcome.FAILED, error=reason)
    if run.remote_state == RemoteState.UNKNOWN:
        run.watch_at = database_clock.now() + watch.EVERY
    _end(run, RunStatus.FAILED, reason)
    requests.fail(request.pk, by=principal(run), run_id=run.pk, step=step.key, reason=reason)
    return False


def _go_on(request: EnvironmentRequest, run: ProvisioningRun, step: plan.Step) -> bool:
    following = plan.step_after(run.plan_version, step.key)
    run.step_attempt, run.step_facts, run.step_deadline, run.waiting_for = 1, {}, None, ""
    run.next_at = database_clock.now()
    if following is not None:
        run.step = following.key
        run.save()
        return True
    _end(run, RunStatus.COMPLETED)
    open_gaps = gaps.open_steps(request)
    row = Environment.objects.get(tenant=run.tenant_id, environment_id=run.environment_id)
    row.url, row.governed_at = run.environment_url, None if open_gaps else database_clock.now()
    if row.status == EnvironmentStatus.PROVISIONING:
        row.status = EnvironmentStatus.ACTIVE
    row.save()
    requests.complete(
        request.pk,
        by=principal(run),
        run_id=run.pk,
        environment_id=run.environment_id,
        environment_url=run.environment_url,
        open_gaps=open_gaps,
    )
    return False


def _end(run: ProvisioningRun, status: RunStatus, error: str = "") -> None:
    run.status, run.error, run.finished_at = status, error, database_clock.now()
    run.lease_until, run.waiting_for = None, ""
    run.save()
    limits.release_slot(run)
    ring("provisioning_app.tasks.dispatch", str(run.tenant_id))


def _register(request: EnvironmentRequest, run: ProvisioningRun, exists_since: datetime | None) -> None:
    """Enter the environment in the register as soon as it is known to exist; one found before gets its owner."""
    known = Environment.objects.filter(tenant=request.tenant_id, environment_id=run.environment_id)
    if known.filter(request__isnull=False).exists():
        return
    owned = {
        "business_unit_id": request.business_unit_id,
        "request": request,
        "display_name": request.environment_name,
        "domain_name": run.domain_name,
        "zone": request.zone,
    }
    seen = findings.first_seen(request.tenant_id, run.environment_id) or database_clock.now()
    since = min(seen, exists_since) if exists_since else seen
    row, is_new = Environment.objects.get_or_create(
        tenant_id=request.tenant_id, environment_id=run.environment_id, defaults={**owned, "created_at": since}
    )
    if not is_new and row.request_id is None:
        for column, value in owned.items():
            setattr(row, column, value)
        row.status, row.quarantined_at, row.quarantine_reason = EnvironmentStatus.PROVISIONING, None, ""
        row.save()


def _finish(
    record: StepRecord,
    outcome: StepOutcome,
    *,
    proof: list[dict[str, str]] | None = None,
    error: str = "",
) -> None:
    record.outcome, record.proof, record.error, record.ended_at = outcome, proof or [], error, database_clock.now()
    record.save()


def _log_failure(request: EnvironmentRequest, run: ProvisioningRun, step: plan.Step, reason: str) -> None:
    log_entry(
        step.action,
        on=request,
        by=principal(run),
        details={"step": step.key, "attempt": run.step_attempt},
        error=reason,
        success=False,
        correlation_id=str(run.pk),
        policy_version=f"settings-{run.settings_version}",
    )


def _announce(event: Event, request: EnvironmentRequest, run: ProvisioningRun, reason: str) -> None:
    announce(
        event,
        to=holders(Role.OPERATOR, request.business_unit),
        tenant_id=request.tenant_id,
        reference=request.request_number,
        once=str(run.pk),
        about=run,
        name=request.environment_name,
        reason=reason,
    )


def _locked_request(lease: Lease) -> EnvironmentRequest:
    """Return the run's request, locked before the run; nothing it refers to is read with it, as most steps need none.

    Raises:
        EnvironmentRequest.DoesNotExist: the run is gone.
    """
    rows = EnvironmentRequest.objects.select_for_update(no_key=True, of=("self",))
    request: EnvironmentRequest = rows.get(runs=lease.run_id)
    return request
