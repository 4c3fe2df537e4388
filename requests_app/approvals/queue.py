"""What waits for a decision within a person's reach: requests and disputed zones, with age, due time, who is asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, F, FilteredRelation, Prefetch, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce
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
Key = tuple[Any, ...]  # key, whether it is a dispute's, and what they are ordered by
Keys = QuerySet[Any, Key]


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
        return _(" or ").join(_(role.label) for role in self.stage.roles) if self.stage else _("anybody who may object")


def queue_of(user: User, scope: Scope, *, zone: int | None = None, text: str = "") -> dict[str, Keys]:
    """Return the keys of what waits within a person's reach, what is due first at the top; disputed zones among it.

    Args:
        user: Who would decide.
        scope: Their scope; only the roles that decide count.
        zone: Only requests of this zone.
        text: Only requests whose number or name holds this.

    Returns:
        ``all`` of it, and ``mine``: what waits for this very person.
    """
    narrowed = Q(zone=zone) if zone else Q()
    if text:
        narrowed &= Q(request_number__icontains=text) | Q(environment_name__icontains=text)
    within, leading = scope.of(*DECIDING_ROLES), scope.of(Role.GOVERNANCE_LEAD)
    pending = EnvironmentRequest.objects.filter(within, narrowed, state=State.PENDING_APPROVAL)
    disputed = ZoneDispute.objects.filter(prefixed(leading & narrowed, "request"), closed_at__isnull=True)
    mine = Q(gate__in=gates.stages_asking(user, scope).values("gate"))
    return {
        "mine": _keys(pending.filter(mine), disputed.filter(mine)),
        "all": _keys(pending, disputed),
    }


def rows_of(user: User, keys: Iterable[Key]) -> list[Waiting]:
    """Return the rows of one page of the queue, in the order of their keys."""
    wanted = [key[:2] for key in keys]
    requests = _with_gate(EnvironmentRequest.objects.filter(pk__in=[pk for pk, disputed in wanted if not disputed]))
    disputes = ZoneDispute.objects.filter(pk__in=[pk for pk, disputed in wanted if disputed]).select_related(
        "request__requester", "request__business_unit", "gate__business_unit"
    )
    subjects: dict[tuple[UUID, bool], tuple[EnvironmentRequest, ZoneDispute | None, Gate]] = {
        **{(row.pk, False): (row, None, _gate_of(row)) for row in requests},
        **{(row.pk, True): (row.request, row, row.gate) for row in disputes.prefetch_related(_stages("gate__"))},
    }
    refusals = gates.refusals_for(user, {gate: _open_stage(gate) for _row, _dispute, gate in subjects.values()})
    return [
        Waiting(row, dispute, gate, _open_stage(gate), len(_stages_of(gate)), refusals[gate.pk])
        for row, dispute, gate in (subjects[key] for key in wanted if key in subjects)
    ]


def _keys(pending: QuerySet[EnvironmentRequest], disputed: QuerySet[ZoneDispute]) -> Keys:
    """Return the keys of both in the order of the queue: due first, what stands still last, then by age and number."""
    parts = [
        rows.alias(
            stage=FilteredRelation("gate__stages", condition=Q(gate__stages__status=StageStatus.OPEN)),
            due=Case(
                When(stage__isnull=True, then=F("gate__undo_until")),
                When(stage__paused_at__isnull=True, then=F("stage__escalate_at")),
            ),
        )
        .annotate(
            disputed=Value(is_dispute),
            stands_still=Case(When(due__isnull=True, then=Value(1)), default=Value(0)),
            since=Coalesce("stage__opened_at", "gate__opened_at"),
            at=Coalesce("due", "stage__opened_at", "gate__opened_at"),
            place=F(number),
        )
        .order_by()
        .values_list("pk", "disputed", "stands_still", "at", "since", "place")
        for rows, is_dispute, number in ((pending, False, "number"), (disputed, True, "request__number"))
    ]
    return parts[0].union(parts[1], all=True).order_by("stands_still", "at", "since", "place")


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
