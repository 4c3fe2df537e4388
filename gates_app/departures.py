"""What becomes of the stages of somebody who may not decide on them any more: gone, or without the role."""

from __future__ import annotations

from uuid import UUID

from accounts_app.models import User
from gates_app.levels import StageStatus
from gates_app.models import Stage
from gates_app.services import locked, open_stages, present, refusal_for, refusals_of_assigned


def left_behind(kind: str) -> list[Stage]:
    """Return open stages of a kind of gate that are assigned to somebody who may not decide on them any more."""
    assigned = open_stages(kind).filter(assigned_to__isnull=False)
    stages = list(assigned.select_related("gate__business_unit", "assigned_to"))
    refusals = refusals_of_assigned(stages)
    return [stage for stage in stages if refusals[stage.pk]]


def hand_on(gate_id: UUID) -> tuple[Stage, User] | None:
    """Take the open stage from who may not decide any more: their manager is asked when they may, else whoever may.

    Returns:
        The stage and whose it was; None when another process was first, or they may decide again.
    """
    gate = locked(gate_id)
    stage = gate.stages.filter(status=StageStatus.OPEN).select_related("gate", "assigned_to__manager").first()
    departed = stage.assigned_to if stage else None
    if stage is None or departed is None or refusal_for(departed, gate, stage) is None:
        return None
    stage.assigned_to = present(departed.manager, stage) if departed.manager else None
    stage.save(update_fields=["assigned_to"])
    return stage, departed
