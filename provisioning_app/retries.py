"""Failed → Provisioning: a person sends provisioning on, from the failed step or, where nothing exists, anew."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from accounts_app.locks import locked_tenant
from accounts_app.models import User
from core_app import database_clock
from core_app.doorbell import ring
from core_app.errors import DomainError
from core_app.ids import new_id
from core_app.transactions import transactional
from provisioning_app import plan, register
from provisioning_app.choices import LIVE_ROLLBACKS, LIVE_STATUSES, EnvironmentStatus, RemoteState
from provisioning_app.models import Environment, ProvisioningRun
from requests_app import services as requests
from requests_app.models import EnvironmentRequest
from requests_app.permissions import require_retry
from requests_app.policies.naming import domain_name
from requests_app.services.rows import locked


@transactional
def retry(request_id: UUID, *, by: User, reason: str) -> ProvisioningRun:
    """Send failed provisioning on another attempt from the step that failed; it waits for a slot like everyone else.

    Where the environment was deleted, another one is created under the next generation of its domain name.

    Raises:
        PermissionRefused: without the operator's role over the unit.
        DomainError: it has not failed, the reason is missing, a run is live, its plan is unknown to this release, or
            its environment is quarantined or being deleted.
    """
    tenant_id = EnvironmentRequest.objects.values_list("tenant_id", flat=True).get(pk=request_id)
    locked_tenant(tenant_id)
    request = locked(request_id)
    require_retry(by, request)
    last = request.runs.order_by("-attempt").first()
    if last is None or last.status in LIVE_STATUSES:
        raise DomainError(
            _("%(request)s has no failed run to retry; it is %(state)s.")
            % {"request": request, "state": request.get_state_display()}
        )
    require_known_plan(last)
    require_untouched(request)
    now = database_clock.now()
    run = ProvisioningRun(
        id=new_id(),
        tenant_id=tenant_id,
        request=request,
        attempt=last.attempt + 1,
        plan_version=last.plan_version,
        settings_version=last.settings_version,
        queued_at=now,
        next_at=now,
        **(_next_generation(request, last) if _is_gone(request, last) else _as_it_stands(last)),
    )
    requests.retry(request_id, by=by, reason=reason, run_id=run.pk, domain_name=run.domain_name)
    run.save(force_insert=True)
    request.runs.filter(watch_at__isnull=False).update(watch_at=None)
    ring("provisioning_app.tasks.dispatch", str(tenant_id))
    return run


def require_untouched(request: EnvironmentRequest) -> None:
    """Raise DomainError while the request's environment is quarantined or being deleted."""
    if request.rollbacks.filter(status__in=LIVE_ROLLBACKS).exists():
        raise DomainError(
            _("The environment of %(request)s is being deleted; wait until that has ended.") % {"request": request}
        )
    if request.environments.filter(status=EnvironmentStatus.QUARANTINED).exists():
        raise DomainError(
            _("The environment of %(request)s is quarantined; release it first, or delete it in the admin center.")
            % {"request": request}
        )


def require_known_plan(run: ProvisioningRun) -> None:
    """Raise DomainError when a run stands at a step that this release does not know."""
    if not plan.knows(run.plan_version, run.step):
        raise DomainError(
            _("%(run)s waits for %(needed_for)s; deploy that release first.")
            % {"run": run, "needed_for": plan.needed_for(run.plan_version, run.step)}
        )


def _as_it_stands(last: ProvisioningRun) -> dict[str, Any]:
    """Go on from the failed step; before an environment is known to exist begin anew, adopting what is found."""
    is_known = last.remote_state == RemoteState.PRESENT and last.environment_id
    return {
        "step": last.step if is_known else plan.first_step(last.plan_version).key,
        "domain_name": last.domain_name,
        "generation": last.generation,
        "environment_id": last.environment_id,
        "environment_url": last.environment_url,
        "remote_state": last.remote_state,
        "operation_url": last.operation_url,
    }


def _is_gone(request: EnvironmentRequest, last: ProvisioningRun) -> bool:
    """Say whether there was an environment that was deleted since, by a rollback or by somebody else."""
    if not last.environment_id:
        return False
    deleted = request.environments.filter(environment_id=last.environment_id, status=EnvironmentStatus.DELETED)
    return last.remote_state == RemoteState.ABSENT or deleted.exists()


def _next_generation(request: EnvironmentRequest, last: ProvisioningRun) -> dict[str, Any]:
    """Begin anew under another domain name: the deleted environment keeps its own for days."""
    for row in Environment.objects.filter(request=request).exclude(status=EnvironmentStatus.DELETED):
        register.take_off(row)
    generation = last.generation + 1
    return {
        "step": plan.first_step(last.plan_version).key,
        "domain_name": domain_name(request.environment_name, request.pk, generation, settings.DOMAIN_NAME_KEY),
        "generation": generation,
        "remote_state": RemoteState.ABSENT,
    }
