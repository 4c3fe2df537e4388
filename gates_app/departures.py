"""What becomes of the stages of somebody whose account is deactivated."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from accounts_app.models import User
from gates_app.levels import StageStatus
from gates_app.models import Stage
from gates_app.services import locked, open_stages, present


def left_by_departed(kind: str) -> QuerySet[Stage]:
    """Return open stages of a kind of gate that are assigned to somebody whose account is deactivated."""
    return open_stages(kind).filter(assigned_to__is_active=False)


def hand_on(gate_id: UUID) -> tuple[Stage, User] | None:
    """Take the open stage from a deactivated person: their manager is asked when they may decide, else whoever may.

    Returns:
        The stage and whose it was; None when another process was first, or they are active again.
    """
    gate = locked(gate_id)
    stage = gate.stages.filter(status=StageStatus.OPEN).select_related("gate", "assigned_to__manager").first()
    departed = stage.assigned_to if stage else None
    if stage is None or departed is None or departed.is_active:
        return None
    stage.assigned_to = present(departed.manager, stage) if departed.manager else None
    stage.save(update_fields=["assigned_to"])
    return stage, departed
