"""What can happen at a gate; every function runs in the transaction of the subject's verb, which holds its lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet

from accounts_app.models import BusinessUnit, Delegation, User
from accounts_app.roles import Role
from core_app import clock
from core_app.errors import DomainError, StaleContentError
from core_app.text import clean, has_content
from gates_app.deciders import (
    OBJECTING_ROLES,
    delegation_used,
    eligible_people,
    expected_deciders,
    parties_of,
    refusal_for,
    require_eligible,
    unresolvable_role,
)
from gates_app.levels import GateStatus, Level, Outcome, Part, StageStatus
from gates_app.models import Decision, Gate, GateParty, Stage

__all__ = [
    "OBJECTING_ROLES",
    "approve_by_policy",
    "assign",
    "close",
    "current_stage",
    "decide",
    "due_for_escalation",
    "due_for_reminder",
    "eligible_people",
    "escalate",
    "expected_deciders",
    "locked",
    "open_gate",
    "parties_of",
    "refusal_for",
    "remind",
    "require_eligible",
    "unresolvable_role",
]


@dataclass(frozen=True, slots=True)
class NewGate:
    """What a gate is opened with.

    Attributes:
        kind: Which verb decides it, for example ``environment_request``.
        subject: What people call it.
        business_unit: Whose approvers decide.
        level: L1 or L2.
        roles: One role per stage, in order.
        hours: Hours until a stage is escalated.
        undo_seconds: Level 1: how long an approver may object.
        content_hash: SHA-256 of what is decided on.
        parties: person key → part, for requester and editors.
        preferred: Who a stage is assigned to when they may decide, for example the requester's manager.
    """

    kind: str
    subject: str
    business_unit: BusinessUnit
    level: Level
    roles: Sequence[Role]
    hours: int
    undo_seconds: int
    content_hash: str
    parties: Mapping[str, Part]
    preferred: User | None = None


def open_gate(new: NewGate) -> Gate:
    """Open a gate and its first stage.

    Raises:
        DomainError: when no eligible person exists for one of its stages.
    """
    now = clock.now()
    gate = Gate.objects.create(
        tenant_id=new.business_unit.tenant_id,
        business_unit=new.business_unit,
        kind=new.kind,
        subject=new.subject,
        level=new.level,
        content_hash=new.content_hash,
        opened_at=now,
        undo_until=now + timedelta(seconds=new.undo_seconds) if new.level == Level.L1 else None,
    )
    GateParty.objects.bulk_create(GateParty(gate=gate, person_key=key, part=part) for key, part in new.parties.items())
    stages = [
        Stage.objects.create(gate=gate, number=number, role=role, hours=new.hours)
        for number, role in enumerate(new.roles, start=1)
    ]
    if stages:
        _open_stage(stages[0], new.preferred)
    return gate


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a decision led to.

    Attributes:
        gate: The gate after it.
        decision: The decision that was stored.
        next_stage: The stage that opened because of it, if any.
    """

    gate: Gate
    decision: Decision
    next_stage: Stage | None


def decide(
    gate_id: UUID, *, by: User, outcome: Outcome, comment: str, content_hash: str, preferred: User | None = None
) -> Verdict:
    """Take a person's decision on the open stage, or their objection at level 1.

    Args:
        gate_id: The gate; it is locked here.
        by: Who decides.
        outcome: Approve or reject.
        comment: Why; required for a rejection.
        content_hash: Hash of what was shown to them.
        preferred: Who the next stage is assigned to when they may decide.

    Raises:
        PermissionRefused: segregation of duties or a missing role, with the reason.
        StaleContentError: what was shown is not what would be decided.
        DomainError: the gate is closed, the comment is missing, or level 1 is approved by policy.
    """
    gate = locked(gate_id)
    _require_open(gate)
    stage = current_stage(gate)
    require_eligible(by, gate, stage)
    comment = clean(comment)
    if outcome == Outcome.REJECT and not has_content(comment):
        raise DomainError("A rejection needs a comment that tells the requester why.")
    if stage is None and outcome == Outcome.APPROVE:
        raise DomainError(f"{gate.subject} is approved by policy when its objection window ends; you can only object.")
    if content_hash != gate.content_hash:
        raise StaleContentError(f"{gate.subject} has changed since it was shown to you. Read it again and then decide.")
    decision = Decision.objects.create(
        gate=gate,
        stage=stage,
        outcome=outcome,
        decided_by=by,
        delegation=delegation_used(by, gate, stage),
        comment=comment,
        content_hash=content_hash,
        decided_at=clock.now(),
    )
    _takes_part(decision)
    if stage:
        stage.status = StageStatus.APPROVED if outcome == Outcome.APPROVE else StageStatus.REJECTED
        stage.assigned_to = by
        stage.save(update_fields=["status", "assigned_to"])
    following = gate.stages.filter(status=StageStatus.WAITING).order_by("number").first()
    if outcome == Outcome.APPROVE and following:
        _open_stage(following, preferred)
        return Verdict(gate, decision, following)
    _close(gate, GateStatus.APPROVED if outcome == Outcome.APPROVE else GateStatus.REJECTED, decision.decided_at)
    return Verdict(gate, decision, None)


def approve_by_policy(gate_id: UUID, *, policy_version: str) -> Decision:
    """Approve a level 1 gate whose objection window has passed.

    Raises:
        DomainError: when it is closed, of another level, or still within its window.
    """
    gate = locked(gate_id)
    _require_open(gate)
    now = clock.now()
    if gate.level != Level.L1 or gate.undo_until is None or now < gate.undo_until:
        raise DomainError(f"{gate.subject} is not approved by policy yet.")
    decision = Decision.objects.create(
        gate=gate,
        outcome=Outcome.APPROVE,
        content_hash=gate.content_hash,
        policy_version=policy_version,
        decided_at=now,
    )
    _close(gate, GateStatus.APPROVED, now)
    return decision


def close(gate_id: UUID) -> None:
    """Close a gate whose subject was withdrawn; a closed gate stays as it is."""
    gate = locked(gate_id)
    if gate.status == GateStatus.OPEN:
        _close(gate, GateStatus.CLOSED, clock.now())


def assign(gate_id: UUID, *, to: User) -> Stage:
    """Assign the open stage to someone who may decide it (claim, when they do it themselves).

    Raises:
        PermissionRefused: when that person may not decide.
        DomainError: when no stage is open.
    """
    gate = locked(gate_id)
    _require_open(gate)
    stage = current_stage(gate)
    if stage is None:
        raise DomainError(f"{gate.subject} has no stage to assign; it is approved by policy.")
    require_eligible(to, gate, stage)
    stage.assigned_to = to
    stage.save(update_fields=["assigned_to"])
    return stage


def due_for_reminder(now: datetime, kind: str) -> QuerySet[Stage]:
    """Return open stages of a kind of gate whose reminder is due and was not sent."""
    return open_stages(kind).filter(remind_at__lte=now, reminded_at__isnull=True)


def due_for_escalation(now: datetime, kind: str) -> QuerySet[Stage]:
    """Return open stages of a kind of gate whose escalation is due and was not raised."""
    return open_stages(kind).filter(escalate_at__lte=now, escalated_at__isnull=True)


def remind(stage: Stage) -> bool:
    """Mark a reminder as sent; False when another process was first or it is no longer due."""
    return _mark_once(stage, "remind_at", "reminded_at")


def escalate(stage: Stage) -> bool:
    """Make the Governance Lead eligible; False when another process was first or it is no longer due."""
    return _mark_once(stage, "escalate_at", "escalated_at")


def current_stage(gate: Gate) -> Stage | None:
    """Return the open stage of a gate; level 1 has none."""
    return gate.stages.filter(status=StageStatus.OPEN).first()


def locked(gate_id: UUID) -> Gate:
    """Return a gate, locked until the transaction ends."""
    return Gate.objects.select_for_update(no_key=True).get(pk=gate_id)


def _takes_part(decision: Decision) -> None:
    """Enter who decided, and in whose place: the constraint on parties lets each person take part once."""
    parties = [(decision.decided_by, Part.DECIDER)]
    if decision.delegation:
        parties.append((decision.delegation.delegator, Part.DELEGATOR))
    for person, part in parties:
        GateParty.objects.create(gate=decision.gate, person_key=person.person_key, part=part)  # type: ignore[union-attr]


def _require_open(gate: Gate) -> None:
    if gate.status != GateStatus.OPEN:
        raise DomainError(f"{gate.subject} is already decided: {gate.get_status_display().lower()}.")


def open_stages(kind: str) -> QuerySet[Stage]:
    """Return the open stages of a kind of gate, oldest first."""
    return Stage.objects.filter(status=StageStatus.OPEN, gate__status=GateStatus.OPEN, gate__kind=kind).order_by(
        "opened_at"
    )


def _open_stage(stage: Stage, preferred: User | None) -> None:
    now, span = clock.now(), timedelta(hours=stage.hours)
    stage.status = StageStatus.OPEN
    stage.opened_at, stage.remind_at, stage.escalate_at = now, now + span / 2, now + span
    stage.assigned_to = present(preferred, stage) if preferred else None
    stage.save()


def present(preferred: User, stage: Stage) -> User | None:
    """Return who a stage is assigned to: the preferred person, their delegate while they are away, or nobody."""
    absences = Delegation.objects.active_at(clock.now()).filter(delegator=preferred, is_absence=True)
    delegates = [each.delegate for each in absences.select_related("delegate").order_by("begins_at", "id")]
    return next((each for each in delegates or [preferred] if refusal_for(each, stage.gate, stage) is None), None)


def _mark_once(stage: Stage, due: str, done: str) -> bool:
    """Compare and set: of several processes that see a due stage exactly one goes on."""
    now = clock.now()
    marked = Stage.objects.filter(
        pk=stage.pk, status=StageStatus.OPEN, **{f"{due}__lte": now, f"{done}__isnull": True}
    ).update(**{done: now})
    if marked:
        setattr(stage, done, now)
    return bool(marked)


def _close(gate: Gate, status: GateStatus, now: datetime) -> None:
    gate.status, gate.closed_at = status, now
    gate.save(update_fields=["status", "closed_at"])
    for stage in gate.stages.filter(status__in=(StageStatus.WAITING, StageStatus.OPEN)):
        stage.status = StageStatus.CLOSED
        stage.save(update_fields=["status"])
