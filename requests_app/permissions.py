"""Who may do what to a request: ``may_…`` answers, ``require_…`` raises; buttons only mirror it."""

from __future__ import annotations

from accounts_app.models import BusinessUnit, User
from accounts_app.roles import Role
from accounts_app.scope import scope_of
from core_app.errors import PermissionRefused
from gates_app import services as gates
from requests_app.choices import State
from requests_app.models import EnvironmentRequest


def creation_refusal(user: User) -> str | None:
    """Return why a person may not ask for environments, or None when they may."""
    if user.is_service_principal or not user.is_active:
        return "Only an active member of staff can ask for an environment."
    if user.tenant is None or user.business_unit is None:
        return "Your account belongs to no business unit yet; ask your administrator to assign one."
    if not user.groups.filter(name=Role.REQUESTER).exists():
        return f"Asking for an environment needs the role {Role.REQUESTER}."
    return None


def own_unit_refusal(user: User, unit: BusinessUnit, *, allowed: bool) -> str | None:
    """Return why an approver of a unit may not ask for an environment of that unit, or None when they may."""
    if not allowed and scope_of(user).holds(Role.APPROVER, unit):
        return (
            f"You approve requests of {unit}, so you cannot ask for one there (segregation of duties). "
            "Ask a colleague who does not approve for it."
        )
    return None


def may_edit(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may change the fields: only the requester, only in Draft."""
    return request.state == State.DRAFT and request.requester_id == user.pk and user.is_active


def require_edit(user: User, request: EnvironmentRequest) -> None:
    """Raise PermissionRefused unless the person may change the fields now."""
    if request.requester_id != user.pk:
        raise PermissionRefused(f"Only its requester changes {request}.")
    if not may_edit(user, request):
        raise PermissionRefused(f"{request} is {request.get_state_display()}; its fields change only in Draft.")


def may_submit(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may submit a request."""
    return may_edit(user, request) and creation_refusal(user) is None


def require_submit(user: User, request: EnvironmentRequest) -> None:
    """Raise PermissionRefused unless the person may submit the request."""
    if request.requester_id != user.pk:
        raise PermissionRefused(f"Only its requester submits {request}.")
    if reason := creation_refusal(user):
        raise PermissionRefused(reason)


def may_withdraw(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may withdraw a request now."""
    open_states = (State.DRAFT, State.SUBMITTED, State.PENDING_APPROVAL)
    return request.requester_id == user.pk and user.is_active and request.state in open_states


def require_withdraw(user: User, request: EnvironmentRequest) -> None:
    """Raise PermissionRefused unless the person asked for it."""
    if request.requester_id != user.pk or not user.is_active:
        raise PermissionRefused(f"Only its requester withdraws {request}.")


def decision_refusal(user: User, request: EnvironmentRequest) -> str | None:
    """Return why a person may not decide on a request now, or None when they may."""
    if request.state != State.PENDING_APPROVAL or request.gate is None:
        return f"{request} is {request.get_state_display()}; there is nothing to decide."
    return gates.refusal_for(user, request.gate, gates.current_stage(request.gate))


def may_decide(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may decide on a request now."""
    return decision_refusal(user, request) is None


def may_retry(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may retry failed provisioning."""
    return request.state == State.FAILED and _operates(user, request)


def require_retry(user: User, request: EnvironmentRequest) -> None:
    """Raise PermissionRefused unless the person operates the request's unit."""
    if not _operates(user, request):
        raise PermissionRefused(f"Retrying {request} needs the role {Role.OPERATOR} for its business unit.")


def may_share(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may let colleagues read a request: who asked for it, or who governs its unit themselves."""
    if request.requester_id == user.pk or not user.has_perm("requests_app.share_environmentrequest"):
        return user.is_active and request.requester_id == user.pk
    governed = scope_of(user).own.get(Role.GOVERNANCE_LEAD)
    return governed is not None and governed.covers(request.business_unit)


def require_share(user: User, request: EnvironmentRequest) -> None:
    """Raise PermissionRefused unless the person may let colleagues read the request."""
    if not may_share(user, request):
        raise PermissionRefused(f"{request} is shared by its requester or a Governance Lead of its business unit.")


def _operates(user: User, request: EnvironmentRequest) -> bool:
    return user.is_active and scope_of(user).holds(Role.OPERATOR, request.business_unit)
