"""Deleting a partial environment, when a person chose it: durable, by another principal, and never one in use.

Every pass looks first: what is gone is gone, whoever deleted it; what somebody uses by now is not deleted any more.
Whatever cannot be deleted is quarantined.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop

from accounts_app.cloud import cloud_for
from accounts_app.locks import locked_tenant
from accounts_app.models import TenantIdentity, User
from audit_app.actions import Action
from audit_app.actors import SYSTEM, Actor, person, service_principal
from audit_app.log import record
from core_app import database_clock
from core_app.doorbell import ring
from core_app.errors import DomainError
from core_app.outage import outage_of
from core_app.text import clean, has_content
from core_app.transactions import transactional
from microsoft_cloud import Cloud
from microsoft_cloud.bap import Environment as RemoteEnvironment
from microsoft_cloud.errors import CloudError, ConflictError, NotFoundError, TransientError
from microsoft_cloud.operations import OperationState
from microsoft_cloud.pool import deadline
from microsoft_cloud.rollback import RollbackBapClient
from notifications_app.catalogue import Event
from notifications_app.services import announce
from provisioning_app import quarantine, register
from provisioning_app.choices import LIVE_ROLLBACKS, RollbackStatus
from provisioning_app.findings import concerned
from provisioning_app.matrix import DELETABLE_FOR, Choice, environment_of, is_young, last_run, options, point_of
from provisioning_app.models import Environment, ProvisioningRun, Rollback
from provisioning_app.steps.outcome import tag_of
from requests_app.models import EnvironmentRequest, LegalHold
from requests_app.permissions import require_retry
from requests_app.services.rows import locked

log = structlog.get_logger(__name__)

ROLL_BACK = "provisioning_app.tasks.roll_back"
ANSWER_SECONDS = 20.0  # for the whole look before it begins: a person waits for it in the browser
MOST_ATTEMPTS = 3
_GIVES_UP_AFTER = timedelta(hours=1)
_LONGER_THAN_A_PASS = timedelta(minutes=3)
_LOOK_AGAIN_SECONDS = 15.0
_SYSTEM_ID = "system"


def initiate_rollback(request_id: UUID, *, by: User, reason: str) -> Rollback:
    """Begin deleting the partial environment of a failed request.

    Args:
        request_id: The failed request.
        by: An operator.
        reason: Why it is deleted.

    Raises:
        PermissionRefused: without the operator's role over the unit.
        DomainError: deleting is not among the choices here, it is too late, somebody uses the environment, or that
            could not be ruled out.
    """
    request = EnvironmentRequest.objects.select_related("business_unit", "tenant").get(pk=request_id)
    require_retry(by, request)
    if not has_content(reason):
        raise DomainError(_("Say why the environment is deleted; it is logged."))
    run, row = _deletable(request, by)
    try:
        with deadline(ANSWER_SECONDS):
            obstacle = _obstacle(run, row)
    except CloudError as error:
        raise DomainError(
            _("Nothing is deleted: it could not be ruled out that %(row)s is in use: %(error)s")
            % {"row": row, "error": error}
        ) from error
    if obstacle:
        raise DomainError(_("%(row)s is not deleted: %(obstacle)s") % {"row": row, "obstacle": obstacle})
    return _begin(request_id, run, by=by, reason=clean(reason))


def advance(rollback_id: UUID) -> None:
    """Take a due rollback one pass further; quietly do nothing when it is not due or has ended."""
    rollback = _claimed(rollback_id)
    if rollback is None:
        return
    try:
        seconds = _pass(rollback)
    except _GoneError:
        _completed(rollback)
    except _NotDeletedError as error:
        _failed(rollback, str(error))
    except CloudError as error:
        _after(rollback, error)
    except Exception as error:
        if outage_of(error):
            raise  # the database's trouble: the next one to claim it finds out where it stands
        log.exception("rollback_broke", rollback=str(rollback.pk))
        _failed(rollback, noop("Unexpected %(error)s while it was deleted.") % {"error": type(error).__name__})
    else:
        _later(rollback, seconds)


def _after(rollback: Rollback, error: CloudError) -> None:
    if database_clock.now() < rollback.deadline and (_may_pass(error) or error.maybe_executed):
        _later(rollback, error.retry_after or _LOOK_AGAIN_SECONDS)
    else:
        _failed(rollback, str(error))


class _GoneError(Exception):
    """The environment does not exist any more."""


class _NotDeletedError(Exception):
    """It is not, or must not be, deleted; the text says why."""


def _deletable(request: EnvironmentRequest, by: User) -> tuple[ProvisioningRun, Environment]:
    run = last_run(request)
    row = environment_of(run) if run else None
    if run is None or row is None or Choice.DELETE not in options(request, by):
        point = point_of(run).label if run else _("nothing has run")
        minutes = int(DELETABLE_FOR.total_seconds() // 60)
        raise DomainError(
            _(
                "Deleting is offered only within %(minutes)s minutes of a creation that failed "
                "before the environment was managed; %(request)s is %(state)s (%(point)s). "
                "Quarantine the environment instead."
            )
            % {"minutes": minutes, "request": request, "state": request.get_state_display(), "point": point}
        )
    return run, row


@transactional
def _begin(request_id: UUID, run: ProvisioningRun, *, by: User, reason: str) -> Rollback:
    locked_tenant(run.tenant_id)
    request = locked(request_id)
    fresh, row = _deletable(request, by)
    now = database_clock.now()
    rollback = Rollback.objects.create(
        tenant_id=fresh.tenant_id,
        request=request,
        run=fresh,
        environment=row,
        initiated_by=by,
        reason=reason,
        initiated_at=now,
        next_at=now,
        deadline=now + _GIVES_UP_AFTER,
    )
    record(
        Action.ROLLBACK_INITIATED,
        on=request,
        by=person(by),
        details={"environment_id": row.environment_id, "reason": reason, "failure_point": point_of(fresh).label},
        correlation_id=str(rollback.pk),
    )
    ring(ROLL_BACK, str(rollback.pk))
    return rollback


def _claimed(rollback_id: UUID) -> Rollback | None:
    """Take a due rollback for one pass; whoever died in the middle of one is followed by the next."""
    due = Rollback.objects.filter(pk=rollback_id, status__in=LIVE_ROLLBACKS, next_at__lte=database_clock.expression())
    if not due.update(next_at=database_clock.expression(_LONGER_THAN_A_PASS)):
        return None
    joined = ("tenant", "request", "run", "environment", "initiated_by")
    return Rollback.objects.select_related(*joined).get(pk=rollback_id)


def _pass(rollback: Rollback) -> float:
    """Look, and ask for the deletion where nothing else stands in its way; return the seconds until the next look."""
    cloud = cloud_for(rollback.tenant, TenantIdentity.Purpose.ROLLBACK, correlation_id=str(rollback.pk))
    if _is_running(cloud, rollback):
        return _LOOK_AGAIN_SECONDS
    if _remote(cloud, rollback.environment).provisioning_state == "Deleting":
        return _LOOK_AGAIN_SECONDS
    if rollback.attempts >= MOST_ATTEMPTS or database_clock.now() >= rollback.deadline:
        raise _NotDeletedError(
            noop("The environment still exists after %(attempts)s attempts to delete it.")
            % {"attempts": rollback.attempts}
        )
    if obstacle := _obstacle(rollback.run, rollback.environment):
        raise _NotDeletedError(obstacle)
    _intend(rollback)
    reason = f"Deleted by ELM rollback of {rollback.request.request_number}"
    started = RollbackBapClient(cloud).delete_environment(rollback.environment.environment_id, reason)
    _write(rollback, operation_url=started.operation_url or "")
    return min(started.retry_after or _LOOK_AGAIN_SECONDS, 2 * _LOOK_AGAIN_SECONDS)


@transactional
def _intend(rollback: Rollback) -> None:
    """Write down that the deletion is asked for now, unless somebody has just placed the request under legal hold.

    Raises:
        _NotDeletedError: somebody has; or another worker has ended it meanwhile.
    """
    locked(rollback.request_id)  # whoever places a hold waits here, or was first
    if obstacle := LegalHold.objects.obstacle(rollback.request_id):
        raise _NotDeletedError(obstacle)
    fresh = Rollback.objects.select_for_update(no_key=True).get(pk=rollback.pk)
    if fresh.status not in LIVE_ROLLBACKS:
        raise _NotDeletedError("It has ended meanwhile.")
    fresh.status, fresh.attempts = RollbackStatus.DELETING, fresh.attempts + 1
    fresh.save()
    rollback.attempts = fresh.attempts


def _is_running(cloud: Cloud, rollback: Rollback) -> bool:
    if not rollback.operation_url:
        return False
    try:
        return not cloud.bap.operation(rollback.operation_url).state.is_final
    except NotFoundError:
        return False  # a finished deletion is forgotten; the environment itself tells what became of it


def _remote(cloud: Cloud, row: Environment) -> RemoteEnvironment:
    try:
        return cloud.bap.get_environment(row.environment_id)
    except NotFoundError:
        raise _GoneError from None


def _obstacle(run: ProvisioningRun, row: Environment) -> str:
    """Return why the environment must not be deleted (any more), or nothing when it may.

    Raises:
        CloudError: it could not be found out.
    """
    if held := LegalHold.objects.obstacle(run.request_id):
        return held
    now = database_clock.now()
    if not is_young(row, now):
        return noop("It was created more than five minutes ago.")
    cloud = cloud_for(run.tenant, TenantIdentity.Purpose.PROVISIONING, correlation_id=str(run.pk))
    try:
        remote = cloud.bap.get_environment(row.environment_id)
    except NotFoundError:
        return ""
    if tag_of(run.request_id) not in remote.description:
        return noop("It does not carry this request's tag, so it is not ours.")
    return _signs_of_use(cloud, remote, now)


def _signs_of_use(cloud: Cloud, remote: RemoteEnvironment, now: datetime) -> str:
    operations = cloud.bap.operations_of(remote.id)
    ended = [o.last_action_time for o in operations if o.type == "Create" and o.state == OperationState.SUCCEEDED]
    if any(moment and now > moment + DELETABLE_FOR for moment in ended):
        return noop("Its creation ended more than five minutes ago.")
    busy = {operation.requested_by.lower() for operation in operations if operation.type != "Delete"}
    if busy - {remote.created_by_id.lower(), _SYSTEM_ID, ""}:
        return noop("Somebody else has worked on it.")
    if remote.has_dataverse and cloud.dataverse(remote.instance_url).people():
        return noop("People have entered it.")
    return ""


def _may_pass(error: CloudError) -> bool:
    return isinstance(error, TransientError | ConflictError)


def _later(rollback: Rollback, seconds: float) -> None:
    _write(rollback, next_at=database_clock.now() + timedelta(seconds=seconds))


def _write(rollback: Rollback, **columns: object) -> None:
    Rollback.objects.filter(pk=rollback.pk, status__in=LIVE_ROLLBACKS).update(**columns)


@transactional
def _completed(rollback: Rollback) -> None:
    request, row, fresh = _ended(rollback, RollbackStatus.COMPLETED)
    if fresh is None:
        return
    record(
        Action.ROLLBACK_COMPLETED,
        on=request,
        by=_principal(fresh),
        details={"environment_id": row.environment_id, "domain_name": row.domain_name, "attempts": fresh.attempts},
        correlation_id=str(fresh.pk),
    )
    register.take_off(row)


@transactional
def _failed(rollback: Rollback, reason: str) -> None:
    request, row, fresh = _ended(rollback, RollbackStatus.FAILED, reason)
    if fresh is None:
        return
    record(
        Action.ROLLBACK_FAILED,
        on=request,
        by=_principal(fresh),
        details={"environment_id": row.environment_id, "attempts": fresh.attempts},
        error=reason,
        success=False,
        correlation_id=str(fresh.pk),
    )
    quarantine.put(row, noop("Its rollback failed: %(reason)s") % {"reason": reason}, correlation_id=str(fresh.pk))
    announce(
        Event.ROLLBACK_FAILED,
        to=[*concerned(row.tenant, request), rollback.initiated_by],
        tenant_id=fresh.tenant_id,
        reference=request.request_number,
        once=str(fresh.pk),
        about=fresh,
        name=row.display_name,
        initiator=rollback.initiated_by,
        reason=reason,
    )


def _ended(
    rollback: Rollback, status: RollbackStatus, error: str = ""
) -> tuple[EnvironmentRequest, Environment, Rollback | None]:
    """End the rollback; None in the last place when another worker was first."""
    locked_tenant(rollback.tenant_id)
    request = locked(rollback.request_id)
    fresh = Rollback.objects.select_for_update(no_key=True).get(pk=rollback.pk)
    row = Environment.objects.select_related("tenant", "request__business_unit").get(pk=rollback.environment_id)
    if fresh.status not in LIVE_ROLLBACKS:
        return request, row, None
    fresh.status, fresh.error, fresh.finished_at = status, error, database_clock.now()
    fresh.save()
    return request, row, fresh


def _principal(rollback: Rollback) -> Actor:
    """Return the principal that deletes, by client id; without one it is the system that had to give up."""
    identity = TenantIdentity.objects.filter(tenant=rollback.tenant_id, purpose=TenantIdentity.Purpose.ROLLBACK)
    client_id = identity.values_list("client_id", flat=True).first()
    return service_principal(str(client_id)) if client_id else SYSTEM
