"""Who may do what to a request: ``may_…`` answers, ``require_…`` raises; buttons only mirror it."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop

from accounts_app.models import BusinessUnit, User
from accounts_app.roles import DECIDING_ROLES, Role
from accounts_app.scope import scope_of
from core_app.errors import PermissionRefused
from core_app.recorded import told
from gates_app import services as gates
from gates_app.levels import Level
from requests_app.choices import TERMINAL_STATES, State, Zone
from requests_app.models import EnvironmentRequest
from requests_app.zones import open_dispute_of

IN_DISPUTE: Final = noop(
    "The zone of %(request)s is in dispute: nothing of it changes until a Governance Lead has decided. "
    "Take the dispute back to go on without it."
)


def creation_refusal(user: User) -> str | None:
    """Return why a person may not ask for environments, or None when they may."""
    if user.is_service_principal or not user.is_active:
        return _("Only an active member of staff can ask for an environment.")
    if user.tenant is None or user.business_unit is None:
        return _("Your account belongs to no business unit yet; ask your administrator to assign one.")
    if not user.groups.filter(name=Role.REQUESTER).exists():
        return _("Asking for an environment needs the role %(requester)s.") % {"requester": Role.REQUESTER}
    return None


def own_unit_refusal(user: User, unit: BusinessUnit, *, allowed: bool) -> str | None:
    """Return why an approver of a unit may not ask for an environment of that unit, or None when they may."""
    if not allowed and scope_of(user).holds(Role.APPROVER, unit):
        sentence = noop(
            "You approve requests of %(unit)s, so you cannot ask for one there (segregation of "
            "duties). Ask a colleague who does not approve for it."
        )
        return told(sentence, unit=unit)
    return None


def may_edit(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may change the fields: only the requester, only in Draft, unless its zone is in dispute."""
    is_own_draft = request.state == State.DRAFT and request.requester_id == user.pk and user.is_active
    return is_own_draft and open_dispute_of(request) is None


def require_edit(user: User, request: EnvironmentRequest) -> None:
    """Raise PermissionRefused unless the person may change the fields now."""
    if request.requester_id != user.pk:
        raise PermissionRefused(_("Only its requester changes %(request)s.") % {"request": request})
    if request.state == State.DRAFT and open_dispute_of(request):
        raise PermissionRefused(_(IN_DISPUTE) % {"request": request})
    if not may_edit(user, request):
        raise PermissionRefused(
            _("%(request)s is %(state)s; its fields change only in Draft.")
            % {"request": request, "state": request.get_state_display()}
        )


def may_submit(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may submit a request."""
    return may_edit(user, request) and creation_refusal(user) is None


def require_submit(user: User, request: EnvironmentRequest) -> None:
    """Raise PermissionRefused unless the person may submit the request."""
    if request.requester_id != user.pk:
        raise PermissionRefused(_("Only its requester submits %(request)s.") % {"request": request})
    if reason := creation_refusal(user):
        raise PermissionRefused(reason)


def may_copy(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may make a new draft of what a request that they see says."""
    return creation_refusal(user) is None


def may_continue(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person is the one who fills in a draft; while its zone is in dispute, they only look at it."""
    return request.state == State.DRAFT and request.requester_id == user.pk and creation_refusal(user) is None


def require_dispute(user: User, request: EnvironmentRequest) -> None:
    """Raise PermissionRefused unless the person may dispute the zone now: it is their draft, and not in dispute yet."""
    require_submit(user, request)
    require_edit(user, request)


def may_dispute(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may ask for a lower zone than the request has."""
    return may_submit(user, request) and request.zone > Zone.ZONE_1


def may_withdraw(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may withdraw a request now."""
    open_states = (State.DRAFT, State.SUBMITTED, State.PENDING_APPROVAL)
    return request.requester_id == user.pk and user.is_active and request.state in open_states


def require_withdraw(user: User, request: EnvironmentRequest) -> None:
    """Raise PermissionRefused unless the person asked for it."""
    if request.requester_id != user.pk or not user.is_active:
        raise PermissionRefused(_("Only its requester withdraws %(request)s.") % {"request": request})


def decision_refusal(user: User, request: EnvironmentRequest) -> str | None:
    """Return why a person may not decide on a request now, or None when they may."""
    if request.state != State.PENDING_APPROVAL or request.gate is None:
        return _("%(request)s is %(state)s; there is nothing to decide.") % {
            "request": request,
            "state": request.get_state_display(),
        }
    return gates.refusal_for(user, request.gate, gates.current_stage(request.gate))


def may_decide(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may decide on a request now."""
    return decision_refusal(user, request) is None


def may_comment(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may add to the thread: its requester, and whoever decides for its business unit."""
    is_open = request.state not in TERMINAL_STATES and (request.state != State.DRAFT or open_dispute_of(request))
    if not is_open or not user.is_active or user.is_service_principal:
        return False
    scope = scope_of(user)
    return request.requester_id == user.pk or any(scope.holds(role, request.business_unit) for role in DECIDING_ROLES)


def require_comment(user: User, request: EnvironmentRequest) -> None:
    """Raise PermissionRefused unless the person may add to the thread now."""
    if not may_comment(user, request):
        raise PermissionRefused(
            _(
                "%(request)s is %(state)s; its requester and those who decide for %(business_unit)s "
                "write here from its submission until it has ended."
            )
            % {"request": request, "state": request.get_state_display(), "business_unit": request.business_unit}
        )


def may_read_brief(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person reads the decision brief: it was routed, and they decide for its business unit."""
    if request.gate is None or not user.has_perm("requests_app.decide_environmentrequest"):
        return False
    scope = scope_of(user)
    return any(scope.holds(role, request.business_unit) for role in DECIDING_ROLES)


def may_ask(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may ask the requester something before they decide: there is a stage that can wait."""
    return request.gate is not None and request.gate.level != Level.L1 and may_decide(user, request)


def may_retry(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may retry failed provisioning."""
    return request.state == State.FAILED and _operates(user, request)


def require_retry(user: User, request: EnvironmentRequest) -> None:
    """Raise PermissionRefused unless the person operates the request's unit."""
    if not _operates(user, request):
        raise PermissionRefused(
            _("Retrying %(request)s needs the role %(operator)s for its business unit.")
            % {"request": request, "operator": Role.OPERATOR}
        )


def may_share(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may let colleagues read a request: who asked for it, or who governs its unit themselves."""
    if request.requester_id == user.pk or not user.has_perm("requests_app.share_environmentrequest"):
        return user.is_active and request.requester_id == user.pk
    governed = scope_of(user).own.get(Role.GOVERNANCE_LEAD)
    return governed is not None and governed.covers(request.business_unit)


def require_share(user: User, request: EnvironmentRequest) -> None:
    """Raise PermissionRefused unless the person may let colleagues read the request."""
    if not may_share(user, request):
        raise PermissionRefused(
            _("%(request)s is shared by its requester or a Governance Lead of its business unit.")
            % {"request": request}
        )


def may_hold(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may place a request under legal hold; that is not lent by a delegation."""
    if not user.has_perm("requests_app.hold_environmentrequest"):
        return False
    reach = scope_of(user).own.get(Role.COMPLIANCE_OFFICER)
    return reach is not None and reach.covers(request.business_unit)


def require_hold(user: User, request: EnvironmentRequest) -> None:
    """Raise PermissionRefused unless the person may place the request under legal hold."""
    if not may_hold(user, request):
        raise PermissionRefused(
            _("A legal hold on %(request)s is a matter of the %(compliance_officer)s of its business unit.")
            % {"request": request, "compliance_officer": Role.COMPLIANCE_OFFICER}
        )


def may_release(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may release a request from legal hold: nobody lets their own one go."""
    return may_hold(user, request) and user.person_key != request.requester.person_key


def require_release(user: User, request: EnvironmentRequest) -> None:
    """Raise PermissionRefused unless the person may release the request from legal hold."""
    require_hold(user, request)
    if not may_release(user, request):
        raise PermissionRefused(
            _("You have asked for %(request)s; another Compliance Officer releases it from its hold.")
            % {"request": request}
        )


def _operates(user: User, request: EnvironmentRequest) -> bool:
    return user.is_active and scope_of(user).holds(Role.OPERATOR, request.business_unit)
