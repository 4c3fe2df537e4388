"""Requests that wait for a decision, many at once: with their gate, its parties and stages, and what was decided there.

They are put into the tables, not led there by the verbs, which take a second for a dozen; the triggers must be down.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

from accounts_app.models import BusinessUnit, User
from accounts_app.roles import Role
from accounts_app.services import settings_of
from gates_app.levels import Level, Outcome, Part, StageStatus
from gates_app.models import Decision, Gate, GateParty, Stage
from requests_app.choices import Zone
from requests_app.models import EnvironmentRequest
from requests_app.services.submission import GATE_KIND
from requests_app.staging import content_hash

_HOURS = 48


def wait_for_decision(requests: Sequence[EnvironmentRequest], units: Sequence[BusinessUnit], decider: User) -> None:
    """Store requests of Zone 2 and 3 as they stand once they were routed; of Zone 3, every other one has its first yes.

    Args:
        requests: Pending, complete but for what the routing says, not stored yet.
        units: Their business units, in turn.
        decider: Who has decided first; nobody who asked.
    """
    settings = settings_of(units[0].tenant)
    gates, parties, stages, decisions = [], [], [], []
    for place, request in enumerate(requests):
        request.business_unit = units[place % len(units)]
        request.requested_on, request.settings_version = request.created_at, settings.version
        request.security_group_id, request.security_group_name = str(uuid4()), "FSI-Claims-Makers"
        request.zone_rationale = "The answers follow the data inventory."
        request.content_hash = content_hash(request, settings)
        request.gate = _gate(request)
        gates.append(request.gate)
        parties.append(GateParty(gate=request.gate, person_key=request.requester.person_key, part=Part.REQUESTER))
        is_halfway = request.zone == Zone.ZONE_3 and place % 2 == 0
        first = _stage(request, 1, Role.APPROVER, StageStatus.APPROVED if is_halfway else StageStatus.OPEN)
        stages.append(first)
        if request.zone == Zone.ZONE_3:
            status = StageStatus.OPEN if is_halfway else StageStatus.WAITING
            stages.append(_stage(request, 2, Role.COMPLIANCE_OFFICER, status))
        if is_halfway:
            decisions.append(_decision(first, decider))
            parties.append(GateParty(gate=request.gate, person_key=decider.person_key, part=Part.DECIDER))
    for model, rows in ((Gate, gates), (GateParty, parties), (Stage, stages), (Decision, decisions)):
        model._default_manager.bulk_create(rows, batch_size=2000)
    EnvironmentRequest.objects.bulk_create(requests, batch_size=2000)


def _gate(request: EnvironmentRequest) -> Gate:
    return Gate(
        tenant_id=request.tenant_id,
        business_unit=request.business_unit,
        kind=GATE_KIND,
        subject=request.request_number,
        level=Level.L2,
        content_hash=request.content_hash,
        opened_at=request.created_at,
    )


def _stage(request: EnvironmentRequest, number: int, role: Role, status: StageStatus) -> Stage:
    opened = None if status == StageStatus.WAITING else request.created_at
    return Stage(
        gate=request.gate,
        number=number,
        role=role,
        status=status,
        hours=_HOURS,
        opened_at=opened,
        escalate_at=opened and opened + timedelta(hours=_HOURS),
    )


def _decision(stage: Stage, decider: User) -> Decision:
    return Decision(
        gate=stage.gate,
        stage=stage,
        outcome=Outcome.APPROVE,
        decided_by=decider,
        comment="The data inventory says so.",
        content_hash=stage.gate.content_hash,
        decided_at=stage.gate.opened_at + timedelta(hours=1),
    )
