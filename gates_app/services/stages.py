"""The stages of a gate: opened, assigned, reminded of, escalated."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import QuerySet

from accounts_app.models import Delegation, User
from core_app import clock
from core_app.read_once import once
from gates_app.deciders import refusal_for
from gates_app.levels import GateStatus, StageStatus
from gates_app.models import Gate, Stage


def current_stage(gate: Gate) -> Stage | None:
    """Return the open stage of a gate; level 1 has none."""
    return once(("open stage", gate.pk), lambda: gate.stages.filter(status=StageStatus.OPEN).first())


def open_stage(stage: Stage, preferred: User | None = None) -> None:
    """Open a stage and start its clock; it is assigned to the preferred person where they may decide."""
    now, span = clock.now(), timedelta(hours=stage.hours)
    stage.status = StageStatus.OPEN
    stage.opened_at, stage.remind_at, stage.escalate_at = now, now + span / 2, now + span
    stage.assigned_to = present(preferred, stage) if preferred else None
    stage.save()


def due_for_reminder(now: datetime, kind: str) -> QuerySet[Stage]:
    """Return open stages of a kind of gate whose reminder is due and was not sent; a stage that waits has none."""
    return open_stages(kind).filter(remind_at__lte=now, reminded_at__isnull=True, paused_at__isnull=True)


def due_for_escalation(now: datetime, kind: str) -> QuerySet[Stage]:
    """Return open stages of a kind of gate whose escalation is due and was not raised; not one that waits."""
    return open_stages(kind).filter(escalate_at__lte=now, escalated_at__isnull=True, paused_at__isnull=True)


def remind(stage: Stage) -> bool:
    """Mark a reminder as sent; False when another process was first or it is no longer due."""
    return _mark_once(stage, "remind_at", "reminded_at")


def escalate(stage: Stage) -> bool:
    """Make the Governance Lead eligible; False when another process was first or it is no longer due."""
    return _mark_once(stage, "escalate_at", "escalated_at")


def open_stages(kind: str) -> QuerySet[Stage]:
    """Return the open stages of a kind of gate, oldest first."""
    return Stage.objects.filter(status=StageStatus.OPEN, gate__status=GateStatus.OPEN, gate__kind=kind).order_by(
        "opened_at"
    )


def present(preferred: User, stage: Stage) -> User | None:
    """Return who a stage is assigned to: the preferred person, their delegate while they are away, or nobody."""
    absences = Delegation.objects.active_at(clock.now()).filter(delegator=preferred, is_absence=True)
    delegates = [each.delegate for each in absences.select_related("delegate").order_by("begins_at", "id")]
    return next((each for each in delegates or [preferred] if refusal_for(each, stage.gate, stage) is None), None)


def _mark_once(stage: Stage, due: str, done: str) -> bool:
    """Compare and set: of several processes that see a due stage exactly one goes on."""
    now = clock.now()
    marked = Stage.objects.filter(
        pk=stage.pk,
        status=StageStatus.OPEN,
        paused_at__isnull=True,
        **{f"{due}__lte": now, f"{done}__isnull": True},
    ).update(**{done: now})
    if marked:
        setattr(stage, done, now)
    return bool(marked)
