"""Attestation: a person did in the portal what the failed step could not; believed only after it was read back."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _

from accounts_app.locks import locked_tenant
from accounts_app.models import User
from audit_app.actions import Action
from audit_app.actors import person
from audit_app.log import record
from core_app import database_clock
from core_app.errors import DomainError
from core_app.text import clean, has_content
from core_app.transactions import transactional
from microsoft_cloud.errors import CloudError
from microsoft_cloud.pool import deadline
from provisioning_app import plan, runner, tenants
from provisioning_app.matrix import Choice, last_run, point_of
from provisioning_app.models import ProvisioningRun
from provisioning_app.retries import require_known_plan, require_untouched, retry
from provisioning_app.steps.outcome import AttemptFailedError, DiffersError, Done, StepFailedError
from requests_app.choices import State
from requests_app.models import EnvironmentRequest
from requests_app.permissions import require_retry
from requests_app.services.rows import locked

ANSWER_SECONDS: Final = 20.0  # for the whole look: a person waits for it in the browser


def attest(request_id: UUID, *, by: User, reason: str) -> ProvisioningRun:
    """Accept that the failed step was done in the portal, if a look confirms it, and send provisioning on.

    The run that goes on looks once more by itself: whatever changes in between is found, and repaired or refused.

    Args:
        request_id: The failed request.
        by: An operator.
        reason: What was done in the portal.

    Raises:
        PermissionRefused: without the operator's role over the unit.
        DomainError: there is nothing to attest, or what was read differs; the text says what.
    """
    request = EnvironmentRequest.objects.select_related("business_unit", "tenant").get(pk=request_id)
    require_retry(by, request)
    if not has_content(reason):
        raise DomainError(_("Say what was done in the portal; it is logged."))
    run = _attestable(request)
    outcome = _look(run)
    return _accept(request_id, run, outcome, by=by, reason=clean(reason))


def _attestable(request: EnvironmentRequest) -> ProvisioningRun:
    run = last_run(request)
    if request.state != State.FAILED or run is None:
        raise DomainError(
            _("%(request)s is %(state)s; there is no failed step to attest.")
            % {"request": request, "state": request.get_state_display()}
        )
    if Choice.ATTEST not in point_of(run).choices:
        raise DomainError(
            _("%(request)s failed before its environment existed; retry it instead.") % {"request": request}
        )
    require_known_plan(run)
    require_untouched(request)
    return run


def _look(run: ProvisioningRun) -> Done:
    """Let the failed step look, without changing anything."""
    step = plan.step(run.plan_version, run.step)
    run.step_facts = {}
    try:
        with deadline(ANSWER_SECONDS):
            outcome = step.perform(
                runner.context_for(run, None, is_unknown=False, now=database_clock.now(), only_looks=True)
            )
    except (DiffersError, AttemptFailedError, StepFailedError) as error:
        raise DomainError(
            _("%(step)s was read back and differs: %(error)s") % {"step": step.label, "error": error}
        ) from error
    except CloudError as error:
        tenants.halt_where_refused(run.tenant_id, error)
        raise DomainError(
            _("%(step)s could not be read back, so it is not accepted: %(error)s")
            % {"step": step.label, "error": error}
        ) from error
    if not isinstance(outcome, Done):
        raise DomainError(
            _("%(step)s has not settled yet, it waits for %(reason)s; attest it again later.")
            % {"step": step.label, "reason": outcome.reason}
        )
    return outcome


@transactional
def _accept(request_id: UUID, run: ProvisioningRun, outcome: Done, *, by: User, reason: str) -> ProvisioningRun:
    locked_tenant(run.tenant_id)
    request = locked(request_id)
    if last_run(request) != run:
        raise DomainError(
            _("%(request)s has been retried meanwhile; reload to see where it stands.") % {"request": request}
        )
    record(
        Action.STEP_ATTESTED,
        on=request,
        by=person(by),
        details={"step": run.step, "reason": reason, "proof": [proof.as_json() for proof in outcome.proofs]},
        correlation_id=str(run.pk),
    )
    return retry(request_id, by=by, reason=reason)
