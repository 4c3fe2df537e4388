"""Late watch: after a creation that timed out we keep looking, every 15 minutes for a day, whether it appeared.

What appears is a finding and a message to the operators; it is adopted by a retry, which a person asks for.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from django.utils.translation import gettext_noop as noop

from accounts_app.cloud import cloud_for
from accounts_app.models import TenantIdentity
from audit_app.actions import Action
from audit_app.actors import SYSTEM
from audit_app.log import record
from core_app import database_clock
from core_app.one_by_one import each
from core_app.transactions import transactional
from microsoft_cloud.bap import Environment
from microsoft_cloud.errors import CloudError
from provisioning_app import findings, tenants
from provisioning_app.choices import FindingKind, RemoteState, RunStatus
from provisioning_app.findings import Difference
from provisioning_app.models import ProvisioningRun
from provisioning_app.steps.outcome import tag_of
from requests_app.choices import State
from requests_app.services.rows import locked

log = structlog.get_logger(__name__)

EVERY: Final = timedelta(minutes=15)
FOR: Final = timedelta(hours=24)


def look_for_late() -> int:
    """Look once for the environment of every watched run that is due; returns how many runs were looked after."""
    due = ProvisioningRun.objects.filter(watch_at__lte=database_clock.now()).order_by("watch_at")
    return each(list(due.values_list("pk", flat=True)), _look)


def appeared(run: ProvisioningRun, environment: Environment) -> Difference:
    """Return the difference that an environment makes which appeared after its run had failed."""
    return Difference(
        FindingKind.ENVIRONMENT_APPEARED,
        subject=environment.id,
        detail=noop("%(environment)s exists after all, %(request)s had given it up. Retry it to adopt it.")
        % {"environment": environment.display_name, "request": run.request},
        environment_id=environment.id,
        run_id=run.pk,
        request_id=run.request_id,
    )


def _look(run_id: UUID) -> bool:
    now = database_clock.now()
    if not ProvisioningRun.objects.filter(pk=run_id, watch_at__lte=now).update(watch_at=now + EVERY):
        return False
    run = ProvisioningRun.objects.select_related("tenant", "request").get(pk=run_id)
    if not _is_open(run):
        ProvisioningRun.objects.filter(pk=run_id).update(watch_at=None)
        return False
    try:
        cloud = cloud_for(run.tenant, TenantIdentity.Purpose.PROVISIONING, correlation_id=str(run.pk))
        environment = cloud.bap.find_environment(run.domain_name)
    except CloudError as error:
        tenants.halt_where_refused(run.tenant_id, error)
        log.info("late_watch_cannot_see", run=str(run_id), reason=str(error))  # it looks again, also after its day
        return False
    if environment is not None and tag_of(run.request_id) in environment.description:
        findings.open_finding(run.tenant_id, appeared(run, environment))
        _end(run, noop("The environment appeared."))
    elif run.finished_at and now >= run.finished_at + FOR:
        _end(run, noop("The environment did not appear."))
    return True


def _is_open(run: ProvisioningRun) -> bool:
    """Say whether nobody has taken the run's request further."""
    is_last = not run.request.runs.filter(attempt__gt=run.attempt).exists()
    is_lost = run.status == RunStatus.FAILED and run.remote_state == RemoteState.UNKNOWN
    return is_last and is_lost and run.request.state == State.FAILED


@transactional
def _end(run: ProvisioningRun, result: str) -> None:
    request = locked(run.request_id)
    if not ProvisioningRun.objects.filter(pk=run.pk, watch_at__isnull=False).update(watch_at=None):
        return
    details = {"domain_name": run.domain_name, "result": result}
    record(Action.LATE_WATCH_ENDED, on=request, by=SYSTEM, details=details, correlation_id=str(run.pk))
