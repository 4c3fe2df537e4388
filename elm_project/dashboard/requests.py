"""The seed's five tiles: requests by state, by zone, pending approvals, average provisioning time, failed this week."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Avg, Count, DurationField, ExpressionWrapper, F, Q
from django.http import HttpRequest
from django.utils.translation import gettext as _

from core_app import clock
from core_app.text import lasted, spoken
from elm_project.dashboard.charts import Slice, slices_of
from elm_project.dashboard.rows import visible
from provisioning_app.admin.links import list_of, moment
from requests_app.admin import saved_views
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest

MOST_SHOWN: Final = 5
_TOOK: Final = ExpressionWrapper(F("provisioning_completed") - F("provisioning_started"), output_field=DurationField())


@dataclass(frozen=True, slots=True)
class Cell:
    """How many requests there are of a state, in a zone or in all.

    Attributes:
        zone: 1 to 3; 0 for all together.
        rows: How many.
        share: Of the longest bar, in per cent.
        address: The list of them.
    """

    zone: int
    rows: int
    share: float
    address: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One state's bar, stacked by zone."""

    label: str
    total: Cell
    zones: tuple[Cell, ...]


def tiles(request: HttpRequest) -> dict[str, Any]:
    """Return what the five tiles show: four statements, of which one reads every row, whatever there is."""
    rows = visible(request, EnvironmentRequest)
    groups = _groups(rows)
    counted = Counter({(each["state"], each["zone"]): each["rows"] for each in groups})
    completed = [each for each in groups if each["state"] == State.COMPLETED]
    return {
        "has_requests": bool(groups),
        "bars": _bars(counted),
        "slices": _slices(counted),
        "views": _views(request),
        "average": _mean(completed, "rows", "took") or "-",
        "average_month": _mean(completed, "rows_of_month", "took_of_month"),
        "completed": Cell(0, sum(each["rows"] for each in completed), 0, _of(State.COMPLETED)),
        "failed": _failed(rows),
    }


def start_of_week(moment: datetime) -> datetime:
    """Return the Monday, 00:00 UTC, on or before a moment."""
    return (moment - timedelta(days=moment.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)


def _groups(rows: Any) -> list[dict[str, Any]]:
    """Return per state and zone how many there are and how long provisioning took, in all and this month."""
    month = Q(provisioning_completed__gte=saved_views.start_of_month(clock.now()))
    return list(
        rows.values("state", "zone").annotate(
            rows=Count("pk"),
            took=Avg(_TOOK),
            rows_of_month=Count("pk", filter=month),
            took_of_month=Avg(_TOOK, filter=month),
        )
    )


def _mean(groups: Sequence[Mapping[str, Any]], rows: str, took: str) -> str:
    """Return the mean over all rows of several groups, in words; nothing when there are none."""
    total = sum(each[rows] for each in groups)
    if not total:
        return ""
    return lasted(sum((each[took] * each[rows] for each in groups if each[rows]), timedelta()) / total)


def _bars(counted: Mapping[tuple[int, int], int]) -> list[Bar]:
    totals = {state: sum(counted[state, zone] for zone in Zone) for state in State}
    longest = max(totals.values()) or 1

    def cell(state: State, zone: int, rows: int) -> Cell:
        return Cell(zone, rows, round(100 * rows / longest, 2), _of(state, zone))

    return [
        Bar(
            spoken(state.label),
            cell(state, 0, totals[state]),
            tuple(cell(state, zone, counted[state, zone]) for zone in Zone),
        )
        for state in State
        if totals[state]
    ]


def _slices(counted: Mapping[tuple[int, int], int]) -> list[Slice]:
    sizes = {zone: sum(counted[state, zone] for state in State) for zone in Zone}
    return slices_of(
        [(_(zone.label), rows, list_of(EnvironmentRequest, zone__exact=int(zone))) for zone, rows in sizes.items()]
    )


def _views(request: HttpRequest) -> dict[str, Cell]:
    found = saved_views.counts(request)
    return {key.replace("-", "_"): Cell(0, rows, 0, saved_views.address_of(key)) for key, rows in found.items()}


def _failed(rows: Any) -> dict[str, Any]:
    """Return what failed of this week's requests (seed: requested on or after the start of the week)."""
    monday = start_of_week(clock.now())
    failed = rows.filter(state=State.FAILED, requested_on__gte=monday)
    return {
        "rows": failed.count(),
        "first": failed.order_by("-requested_on", "pk")[:MOST_SHOWN],
        "address": list_of(EnvironmentRequest, state__exact=int(State.FAILED), requested_on__gte=moment(monday)),
    }


def _of(state: State, zone: int = 0) -> str:
    zones = {"zone__exact": int(zone)} if zone else {}
    return list_of(EnvironmentRequest, state__exact=int(state), **zones)
