"""Earlier decisions beside a request: the nearest three, and what differs from the last similar one approved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import Case, IntegerField, Prefetch, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext, gettext_lazy

from accounts_app.services import settings_of
from core_app.text import spoken
from gates_app.models import Decision
from requests_app.approvals.words import label, said
from requests_app.choices import State
from requests_app.models import EnvironmentRequest
from requests_app.staging import staged_plan

# What is compared; tenant, zone and type are the same anyway
ANSWERS: Final = (
    "data_sensitivity",
    "expected_users",
    "has_customer_data",
    "has_financial_data",
    "has_external_access",
    "region",
)
TIE_RULE: Final = gettext_lazy(
    "Same organisation, zone and type. The more answers are equal the nearer; "
    "among equals the most recent decision comes first, then the higher number."
)
_NEAREST: Final = 3
_DECIDED_AT: Final = Coalesce("approved_on", "gate__closed_at")
_APPROVED: Final = (State.APPROVED, State.PROVISIONING, State.COMPLETED, State.FAILED)
_COMPARED: Final = (*ANSWERS, "business_unit", "security_group_name", "raised_zone")
_SAID_BY_FIELDS: Final = {"Display name", "Type", "Location", "Security group"}  # lines of the plan


@dataclass(frozen=True, slots=True)
class Precedent:
    """An earlier request that was decided.

    Attributes:
        request: The request.
        equal: How many of the answers are equal.
        decision: The last decision on it; None where there is none to show.
        approved: Whether it was approved.
    """

    request: EnvironmentRequest
    equal: int
    decision: Decision | None
    approved: bool

    @property
    def ended(self) -> str:
        """Return where the request stands now, and what has become of its environment."""
        stands = spoken(State(self.request.state).label)
        environment = next(iter(self.request.environments.all()), None)  # the newest
        if environment is None:
            return stands
        became = environment.get_status_display().lower()
        return gettext("%(stands)s; its environment: %(became)s") % {"stands": stands, "became": became}


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that two requests say otherwise."""

    what: str
    here: str
    there: str


def nearest(request: EnvironmentRequest, visible: Q) -> list[Precedent]:
    """Return the three nearest past decisions that a person may see, by ``TIE_RULE``.

    Args:
        request: The one to be decided.
        visible: The filter on the requests that the person sees.
    """
    equal = sum(
        (
            Case(When(**{name: getattr(request, name)}, then=Value(1)), default=Value(0), output_field=IntegerField())
            for name in ANSWERS
        ),
        start=Value(0),
    )
    decided = _similar(request, visible).filter(state__in=(*_APPROVED, State.REJECTED))
    ranked = decided.annotate(equal=equal, decided_at=_DECIDED_AT).order_by("-equal", "-decided_at", "-number")
    equals = dict(ranked.values_list("pk", "equal")[:_NEAREST])  # keys alone are sorted; the rows are read for three
    decisions = Prefetch("gate__decisions", Decision.objects.select_related("decided_by").order_by("-decided_at"))
    found = {row.pk: row for row in _read(equals).prefetch_related(decisions, "environments")}
    return [
        Precedent(
            request=found[key],
            equal=equal_answers,
            decision=_last_decision(found[key]),
            approved=found[key].state != State.REJECTED,
        )
        for key, equal_answers in equals.items()
    ]


def last_approved(request: EnvironmentRequest, visible: Q) -> EnvironmentRequest | None:
    """Return the similar request that was approved last, of those that a person may see."""
    approved = _similar(request, visible).filter(state__in=_APPROVED).order_by("-approved_on", "-number")
    return _read(approved.values_list("pk", flat=True)[:1]).first()


def differences(here: EnvironmentRequest, there: EnvironmentRequest) -> list[Difference]:
    """Return what two requests say otherwise: answers, unit, group, and the settings that would be applied."""
    found = [
        Difference(label(name), said(here, name), said(there, name))
        for name in _COMPARED
        if getattr(here, name) != getattr(there, name)
    ]
    plans = (dict(staged_plan(row, settings_of(row.tenant, row.settings_version))) for row in (here, there))
    plan, other = plans
    return found + [
        Difference(gettext(setting), plan[setting], other[setting])
        for setting in plan
        if setting not in _SAID_BY_FIELDS and plan[setting] != other[setting]
    ]


def _similar(request: EnvironmentRequest, visible: Q) -> QuerySet[EnvironmentRequest]:
    alike = EnvironmentRequest.objects.filter(
        visible,
        tenant=request.tenant_id,
        zone=request.zone,
        environment_type=request.environment_type,
    )
    return alike.exclude(pk=request.pk)


def _read(keys: Iterable[UUID]) -> QuerySet[EnvironmentRequest]:
    rows = EnvironmentRequest.objects.filter(pk__in=list(keys)).annotate(decided_at=_DECIDED_AT)
    return rows.select_related("tenant", "requester", "business_unit", "gate")


def _last_decision(request: EnvironmentRequest) -> Decision | None:
    return next(iter(request.gate.decisions.all()), None) if request.gate else None
