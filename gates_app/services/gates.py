"""A gate: opened, locked, closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils.translation import gettext as _

from accounts_app.models import BusinessUnit, User
from accounts_app.roles import Role
from core_app import clock
from core_app.errors import DomainError
from gates_app.levels import GateStatus, Level, Part, StageStatus
from gates_app.models import Gate, GateParty, Stage
from gates_app.services.stages import current_stage, open_stage


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
    """Open a gate and its first stage; that somebody is there to decide, the subject's verb asks before."""
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
        open_stage(stages[0], new.preferred)
    return gate


def locked(gate_id: UUID) -> Gate:
    """Return a gate, locked until the transaction ends."""
    return Gate.objects.select_for_update(no_key=True).get(pk=gate_id)


def opened(gate_id: UUID) -> tuple[Gate, Stage | None]:
    """Return a gate that waits for a decision, locked until the transaction ends, and its open stage, if it has any.

    Raises:
        DomainError: it is decided already.
    """
    gate = locked(gate_id)
    require_open(gate)
    return gate, current_stage(gate)


def require_open(gate: Gate) -> None:
    """Raise DomainError unless a gate still waits for a decision."""
    if gate.status != GateStatus.OPEN:
        raise DomainError(
            _("%(subject)s is already decided: %(state)s.")
            % {"subject": gate.subject, "state": gate.get_status_display().lower()}
        )


def close(gate_id: UUID) -> None:
    """Close a gate whose subject was withdrawn; a closed gate stays as it is."""
    gate = locked(gate_id)
    if gate.status == GateStatus.OPEN:
        close_as(gate, GateStatus.CLOSED, clock.now())


def close_as(gate: Gate, status: GateStatus, now: datetime) -> None:
    """Close a gate with a status, and the stages that nobody decides any more."""
    gate.status, gate.closed_at = status, now
    gate.save(update_fields=["status", "closed_at"])
    for stage in gate.stages.filter(status__in=(StageStatus.WAITING, StageStatus.OPEN)):
        stage.status = StageStatus.CLOSED
        stage.save(update_fields=["status"])
