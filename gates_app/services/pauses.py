"""The clock of a stage stands still while the requester is asked something."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.utils.translation import gettext as _

from core_app import clock
from core_app.errors import DomainError
from gates_app.models import Stage
from gates_app.services.gates import locked, opened
from gates_app.services.stages import current_stage


def pause(gate_id: UUID) -> Stage:
    """Stop the clock of the open stage: no reminder, no escalation; one that stands still goes on doing so.

    Raises:
        DomainError: when no stage is open.
    """
    gate, stage = opened(gate_id)
    if stage is None:
        raise DomainError(
            _("%(subject)s has no stage that could wait; object, and say what is missing.") % {"subject": gate.subject}
        )
    if stage.paused_at is None:
        stage.paused_at = clock.now()
        stage.save(update_fields=["paused_at"])
    return stage


def resume(gate_id: UUID) -> timedelta | None:
    """Let the clock of the open stage go on; reminder and escalation move by as long as it stood still.

    Returns:
        How long it stood still; None when it did not.
    """
    stage = current_stage(locked(gate_id))
    if stage is None or stage.paused_at is None:
        return None
    stood = clock.now() - stage.paused_at
    stage.paused_at = None
    stage.remind_at, stage.escalate_at = (at + stood if at else None for at in (stage.remind_at, stage.escalate_at))
    stage.save(update_fields=["paused_at", "remind_at", "escalate_at"])
    return stood
