"""What waits for a decision within a person's reach: requests and disputed zones, with age, due time, who is asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet
from django.utils.translation import gettext as _

from accounts_app.models import User
from accounts_app.roles import DECIDING_ROLES, Role
from accounts_app.scope import Scope, prefixed
from core_app import clock
from gates_app import services as gates
from gates_app.levels import StageStatus
from gates_app.models import Gate, Stage
from requests_app.choices import State
from requests_app.models import EnvironmentRequest, ZoneDispute

_OPEN_STAGE = "open_stages"


@dataclass(frozen=True, slots=True)
class Waiting:
    """One row of the queue.

    Attributes:
        request: The request; of a disputed zone, the draft.
        dispute: The dispute, where it is about one.
        gate: The gate.
        stage: Its open stage; None in an objection window.
        stages: How many stages the gate has.
        refusal: Why this person may not decide on it; None when they may.
    """

    request: EnvironmentRequest
    dispute: ZoneDispute | None
    gate: Gate
    stage: Stage | None
    stages: int
    refusal: str | None

    @property
    def since(self) -> datetime:
        """Return since when somebody is asked."""
        return (self.stage.opened_at if self.stage else None) or self.gate.opened_at

    @property
    def due(self) -> datetime | None:
        """Return until when a decision, or an objection, is expected; nothing while the clock stands still."""
        if self.stage is None:
            return self.gate.undo_until
        return None if self.stage.paused_at else self.stage.escalate_at

    @property
    def is_overdue(self) -> bool:
        """Say whether it should have been decided by now."""
        return self.stage is not None and self.due is not None and self.due <= clock.now()

    @property
    def may_be_decided_here(self) -> bool:
        """Say whether the person may decide on it together with others: a disputed zone is decided on its own page."""
        return self.dispute is None and self.refusal is None

    @property
    def asked(self) -> str:
        """Return whose decision is awaited, by role."""
        return " or ".join(role.label for role in self.stage.roles) if self.stage else "anybody who may object"


def queue_of(user: User, scope: Scope, *, zone: int | None = None, text: str = "") -> list[Waiting]:
    """Return what waits within a person's reach, what is due first at the top; disputed zones among it.

    Args:
        user: Who would decide.
        scope: Their scope; only the roles that decide count.
        zone: Only requests of this zone.
        text: Only requests whose number or name holds this.
    """
    narrowed = Q(zone=zone) if zone else Q()
    if text:
        narrowed &= Q(request_number__icontains=text) | Q(environment_name__icontains=text)
    within = scope.of(*DECIDING_ROLES)
    pending = list(_with_gate(EnvironmentRequest.objects.filter(within, narrowed, state=State.PENDING_APPROVAL)))
    leading = prefixed(scope.of(Role.GOVERNANCE_LEAD) & narrowed, "request")
    disputes = ZoneDispute.objects.filter(leading, closed_at__isnull=True).select_related(
        "request__requester", "request__business_unit", "gate__business_unit"
    )
    disputed = list(disputes.prefetch_related(_stages("gate__")))
    subjects: list[tuple[EnvironmentRequest, ZoneDispute | None, Gate]] = [
        *((request, None, _gate_of(request)) for request in pending),
        *((dispute.request, dispute, dispute.gate) for dispute in disputed),
    ]
    refusals = gates.refusals_for(user, {gate: _open_stage(gate) for _request, _dispute, gate in subjects})
    rows = [
        Waiting(request, dispute, gate, _open_stage(gate), len(_stages_of(gate)), refusals[gate.pk])
        for request, dispute, gate in subjects
    ]
    return sorted(rows, key=lambda row: (row.due is None, row.due or row.since, row.since, row.request.number))


def rows_for(user: User, keys: Iterable[UUID], visible: Q) -> list[Waiting]:
    """Return the requests with these keys that a person sees, in the order of the keys, whatever they wait for."""
    wanted = list(keys)
    found = {row.pk: row for row in _with_gate(EnvironmentRequest.objects.filter(visible, pk__in=wanted))}
    rows = [found[key] for key in wanted if key in found and found[key].gate is not None]
    refusals = gates.refusals_for(user, {_gate_of(row): _open_stage(_gate_of(row)) for row in rows})
    return [
        Waiting(
            row,
            None,
            _gate_of(row),
            _open_stage(_gate_of(row)),
            len(_stages_of(_gate_of(row))),
            _why_not(row, refusals),
        )
        for row in rows
    ]


def asked_of(row: Waiting, user: User) -> bool:
    """Say whether a row waits for this very person: they may decide, and it is theirs or nobody's."""
    if row.refusal is not None or row.stage is None:
        return False
    assigned = row.stage.assigned_to_id
    return assigned in (None, user.pk) or row.stage.escalated_at is not None


def _why_not(row: EnvironmentRequest, refusals: dict[UUID, str | None]) -> str | None:
    if row.state != State.PENDING_APPROVAL:
        return _("%(row)s is %(state)s; there is nothing left to decide.") % {
            "row": row,
            "state": row.get_state_display(),
        }
    return refusals[_gate_of(row).pk]


def _with_gate(requests: QuerySet[EnvironmentRequest]) -> QuerySet[EnvironmentRequest]:
    related = requests.select_related("requester", "business_unit", "tenant", "gate__business_unit")
    return related.prefetch_related(_stages("gate__"))


def _stages(path: str) -> Prefetch[str]:
    stages = Stage.objects.select_related("assigned_to").order_by("number")
    return Prefetch(f"{path}stages", queryset=stages, to_attr=_OPEN_STAGE)


def _stages_of(gate: Gate) -> Sequence[Stage]:
    found: Sequence[Stage] = getattr(gate, _OPEN_STAGE)
    return found


def _open_stage(gate: Gate) -> Stage | None:
    return next((stage for stage in _stages_of(gate) if stage.status == StageStatus.OPEN), None)


def _gate_of(request: EnvironmentRequest) -> Gate:
    assert request.gate is not None  # noqa: S101 - pending requests have one (a constraint)
    return request.gate
