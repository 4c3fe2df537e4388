"""What provisioning tells the request: begun, completed, failed, to be tried again.

Callers hold the tenant's lock where it is needed.
"""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext as _

from accounts_app.models import User
from accounts_app.roles import Role
from accounts_app.services import holders
from audit_app.actions import Action
from audit_app.actors import Actor, person
from core_app import clock
from core_app.errors import DomainError
from core_app.text import clean, has_content
from core_app.transactions import transactional
from notifications_app.catalogue import Event
from requests_app.models import EnvironmentRequest
from requests_app.permissions import require_retry
from requests_app.services.rows import locked, move, tell


@transactional
def begin_provisioning(request_id: UUID, *, by: Actor, run_id: UUID, policy_version: str) -> EnvironmentRequest:
    """A run has claimed the approved request.

    Raises:
        DomainError: it is not Approved.
    """
    request = locked(request_id)
    move(
        request,
        request.start,
        Action.PROVISIONING_STARTED,
        by=by,
        details={"domain_name": request.domain_name},
        correlation_id=str(run_id),
        policy_version=policy_version,
        at=clock.now(),
    )
    return request


@transactional
def complete(
    request_id: UUID, *, by: Actor, run_id: UUID, environment_id: str, environment_url: str, open_gaps: list[str]
) -> EnvironmentRequest:
    """The environment exists and is governed.

    Raises:
        DomainError: the request is not Provisioning, or no environment id is given.
    """
    request = locked(request_id)
    move(
        request,
        request.complete,
        Action.PROVISIONING_COMPLETED,
        by=by,
        details={"environment_id": environment_id, "environment_url": environment_url, "open_gaps": open_gaps},
        correlation_id=str(run_id),
        environment_id=environment_id,
        environment_url=environment_url,
        at=clock.now(),
    )
    tell(Event.READY, request, [request.requester], url=environment_url, gaps=", ".join(open_gaps) or "none")
    return request


@transactional
def fail(request_id: UUID, *, by: Actor, run_id: UUID, step: str, reason: str) -> EnvironmentRequest:
    """Provisioning stopped; requester and operators are told why.

    Raises:
        DomainError: the request is not Provisioning, or no reason is given.
    """
    request = locked(request_id)
    move(
        request,
        request.fail,
        Action.PROVISIONING_FAILED,
        by=by,
        details={"step": step},
        error=reason,
        success=False,
        correlation_id=str(run_id),
        reason=clean(reason),
    )
    operators = holders(Role.OPERATOR, request.business_unit)
    tell(Event.FAILED, request, [request.requester, *operators], once=str(run_id), reason=request.failure_reason)
    return request


@transactional
def retry(
    request_id: UUID, *, by: User, reason: str, run_id: UUID, domain_name: str | None = None
) -> EnvironmentRequest:
    """A person sends failed provisioning on another attempt, with a reason.

    Args:
        request_id: The request.
        by: Who retries.
        reason: What has changed since it failed.
        run_id: The new run.
        domain_name: The domain name it goes on with; another one than before after its environment was deleted.

    Raises:
        PermissionRefused: without the operator's role over the unit.
        DomainError: it has not failed, or the reason is missing.
    """
    request = locked(request_id)
    require_retry(by, request)
    if not has_content(reason):
        raise DomainError(_("A retry needs a reason: say what has changed since it failed."))
    details = {"reason": clean(reason), "failed_because": request.failure_reason}
    if domain_name and domain_name != request.domain_name:
        details["domain_name"] = request.domain_name = domain_name
    move(
        request,
        request.retry,
        Action.RETRY_REQUESTED,
        by=person(by),
        details=details,
        correlation_id=str(run_id),
    )
    return request
