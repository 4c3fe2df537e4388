"""Yes or no: decide, approve by policy, assign, remind, escalate."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.utils.translation import gettext_noop as noop

from accounts_app.models import User
from accounts_app.roles import Role
from accounts_app.services import holders
from accounts_app.step_up import require_fresh_sign_in
from audit_app.actions import Action
from audit_app.actors import SYSTEM, person
from audit_app.log import record
from core_app import clock
from core_app.doorbell import ring
from core_app.errors import AlteredContentError, DomainError, PermissionRefused
from core_app.one_by_one import each
from core_app.recorded import told
from core_app.transactions import transactional
from gates_app import services as gates
from gates_app.levels import GateStatus, Outcome
from gates_app.models import Stage
from notifications_app.catalogue import Event
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from requests_app.services.alterations import raise_alarm
from requests_app.services.delegated import record_delegation
from requests_app.services.refusals import refusals_recorded
from requests_app.services.rows import locked, moment, move, tell
from requests_app.services.submission import GATE_KIND
from requests_app.staging import hash_now

DISPATCH = "provisioning_app.tasks.dispatch"


def decide(request_id: UUID, *, by: User, outcome: Outcome, comment: str = "", content_hash: str) -> EnvironmentRequest:
    """Approve or reject, or object to a Zone 1 request within its window.

    Args:
        request_id: The request.
        by: Who decides.
        outcome: Approve or reject.
        comment: Why; a rejection needs one.
        content_hash: Hash of the request as it was shown to them.

    Raises:
        PermissionRefused: segregation of duties or a missing role; logged as DecisionRefused.
        SignInAgainError: a Zone 3 request, and the person's last sign-in is not recent.
        StaleContentError: the request changed since it was shown.
        AlteredContentError: it was changed other than by a verb; logged as DecisionRefused, and an alarm.
        DomainError: it is not waiting for a decision, or the comment is missing.
    """
    with refusals_recorded(request_id, by, outcome.label):
        return _decide(request_id, by=by, outcome=outcome, comment=comment, content_hash=content_hash)


@transactional
def _decide(request_id: UUID, *, by: User, outcome: Outcome, comment: str, content_hash: str) -> EnvironmentRequest:
    request = locked(request_id)
    if request.state in (State.DRAFT, State.SUBMITTED):
        raise PermissionRefused(
            told(
                noop("%(request)s is %(state)s; nobody was asked to decide on it yet."),
                request=request,
                state=gettext_lazy(State(request.state).label),
            )
        )
    if request.state != State.PENDING_APPROVAL or request.gate is None:
        raise DomainError(
            _("%(request)s is %(state)s; there is nothing left to decide.")
            % {"request": request, "state": request.get_state_display()}
        )
    if request.zone == Zone.ZONE_3:
        gates.require_eligible(by, request.gate, gates.current_stage(request.gate))  # else signing in would be in vain
        require_fresh_sign_in(by, _("A decision on a Zone 3 request such as %(request)s") % {"request": request})
    verdict = gates.decide(
        request.gate.pk,
        by=by,
        outcome=outcome,
        comment=comment,
        content_hash=content_hash,
        stored_hash=hash_now(request),
    )
    details = {
        "comment": verdict.decision.comment,
        "content_hash": content_hash,
        "stage": verdict.decision.stage.number if verdict.decision.stage else None,
    }
    record_delegation(request, by, verdict.decision.delegation)
    if verdict.gate.status == GateStatus.REJECTED:
        comments = verdict.decision.comment
        move(request, request.reject, Action.REJECTED, by=person(by), details=details, approver=by, comments=comments)
        tell(Event.REJECTED, request, [request.requester], decider=by, comment=comments)
    elif verdict.gate.status == GateStatus.APPROVED:
        _approve(request, by, details, verdict.decision.comment)
    else:
        assert verdict.next_stage is not None  # noqa: S101 - an open gate after an approval has a next stage
        _pass_on(request, by, details, verdict.next_stage)
    return request


def approve_by_policy(request_id: UUID) -> EnvironmentRequest:
    """Approve a Zone 1 request whose objection window ended without an objection.

    Raises:
        AlteredContentError: it was changed other than by a verb; logged as DecisionRefused, an alarm, not tried again.
        DomainError: it is not waiting, or the window is still open.
    """
    try:
        return _approve_by_policy(request_id)
    except AlteredContentError as altered:
        raise_alarm(request_id, SYSTEM, "Approve by policy", altered)
        raise


@transactional
def _approve_by_policy(request_id: UUID) -> EnvironmentRequest:
    request = locked(request_id)
    if request.state != State.PENDING_APPROVAL or request.gate_id is None:
        raise DomainError(
            _("%(request)s is %(state)s; there is nothing left to approve.")
            % {"request": request, "state": request.get_state_display()}
        )
    stored = hash_now(request)
    gates.approve_by_policy(request.gate_id, policy_version=request.rule_set_version, stored_hash=stored)
    _approve(request, None, {"content_hash": request.content_hash, "by_policy": True}, "")
    return request


def assign(request_id: UUID, *, to: User, by: User) -> EnvironmentRequest:
    """Assign the open stage: claim it, or hand it to someone who may decide it.

    Raises:
        PermissionRefused: when either of the two may not decide; logged as DecisionRefused.
        DomainError: when nothing waits for a decision.
    """
    with refusals_recorded(request_id, by, f"Assign to {to.upn}"):
        return _assign(request_id, to=to, by=by)


@transactional
def _assign(request_id: UUID, *, to: User, by: User) -> EnvironmentRequest:
    request = locked(request_id)
    if request.state != State.PENDING_APPROVAL or request.gate is None:
        raise DomainError(
            _("%(request)s is %(state)s; there is nothing to assign.")
            % {"request": request, "state": request.get_state_display()}
        )
    gates.require_eligible(by, request.gate, gates.current_stage(request.gate))
    stage = gates.assign(request.gate.pk, to=to)
    record(Action.STAGE_ASSIGNED, on=request, by=person(by), details={"stage": stage.number, "assigned_to": to.upn})
    request.approver = to
    request.save()
    if to.pk != by.pk:
        tell(Event.DECISION_NEEDED, request, [to], once=f"{stage.pk}:{to.pk}", due=moment(stage.escalate_at))
    return request


def remind_overdue() -> int:
    """Send the reminder of every stage at half its time, once; returns how many were sent."""
    return each(list(gates.due_for_reminder(clock.now(), GATE_KIND)), _remind)


def escalate_overdue() -> int:
    """Make the Governance Lead eligible for every stage past its time, once; returns how many were escalated."""
    return each(list(gates.due_for_escalation(clock.now(), GATE_KIND)), _escalate)


def _approve(request: EnvironmentRequest, by: User | None, details: Mapping[str, object], comments: str) -> None:
    actor = person(by) if by else SYSTEM
    move(
        request,
        request.approve,
        Action.APPROVED,
        by=actor,
        details=details,
        policy_version=request.rule_set_version,
        approver=by,
        at=clock.now(),
        comments=comments,
    )
    tell(Event.APPROVED, request, [request.requester], decider=by or "policy")
    ring(DISPATCH, str(request.tenant_id))


def _pass_on(request: EnvironmentRequest, by: User, details: Mapping[str, object], following: Stage) -> None:
    record(Action.STAGE_APPROVED, on=request, by=person(by), details=details)
    request.approver = following.assigned_to  # nobody while the stage is unclaimed
    request.save()
    deciders = gates.expected_deciders(following.gate, following)
    tell(Event.DECISION_NEEDED, request, deciders, once=str(following.pk), due=moment(following.escalate_at))


@transactional
def _remind(stage: Stage) -> bool:
    request = waiting_subject(stage)
    if request is None or not gates.remind(stage):
        return False
    people = gates.expected_deciders(stage.gate, stage)
    record(Action.REMINDER_SENT, on=request, by=SYSTEM, details={"stage": stage.number, "to": [p.upn for p in people]})
    tell(Event.REMINDER, request, people, once=str(stage.pk), due=moment(stage.escalate_at))
    return True


@transactional
def _escalate(stage: Stage) -> bool:
    request = waiting_subject(stage)
    if request is None or not gates.escalate(stage):
        return False
    leads = gates.eligible_people(stage.gate, stage)
    told = {user.pk: user for user in [*leads, *holders(Role.GOVERNANCE_LEAD, request.business_unit)]}
    told.pop(request.requester_id, None)
    record(
        Action.ESCALATION_RAISED,
        on=request,
        by=SYSTEM,
        details={"stage": stage.number, "hours": stage.hours, "to": sorted(user.upn for user in told.values())},
    )
    tell(Event.ESCALATED, request, [*told.values(), request.requester], once=str(stage.pk), hours=stage.hours)
    return True


def waiting_subject(stage: Stage) -> EnvironmentRequest | None:
    """Lock the request of a stage first, as the lock order wants; None when it no longer waits."""
    pk = (
        EnvironmentRequest.objects.filter(gate=stage.gate_id, state=State.PENDING_APPROVAL)
        .values_list("pk", flat=True)
        .first()
    )
    return locked(pk) if pk else None
