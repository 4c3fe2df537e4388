"""The tables of an export: requests, decisions, runs, steps, what they read back, gaps, environments, retention."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.db.models import F, OuterRef, Subquery

from accounts_app.roles import Role
from evidence_app.contents import Row, Table, chunked, columns
from evidence_app.retention import retention_of
from evidence_app.selection import Selection
from gates_app.levels import Outcome
from gates_app.models import Decision
from provisioning_app.choices import EnvironmentStatus, RemoteState, RunStatus, StepOutcome
from provisioning_app.models import Environment, Gap, ProvisioningRun, StepRecord
from requests_app.choices import State
from requests_app.fields import COLUMNS, readable
from requests_app.models import EnvironmentRequest, LegalHold

# Column of the requests' table → the specification's name, empty when the field is ours
REQUEST_COLUMNS: Final = {
    EnvironmentRequest._meta.get_field(column.name).attname: column.seed  # type: ignore[union-attr]
    for column in COLUMNS
    if column.name in readable(Role.AUDITOR)
}
_PEOPLE: Final = ("requester__upn", "approver__upn", "business_unit__name")
_RUN: Final = columns(
    "id request_id attempt plan_version settings_version environment_id domain_name generation queued_at started_at "
    "creation_started_at finished_at error status remote_state"
)
_STEP: Final = columns("id run_id step attempt outcome began_at ended_at error")
_PROOF: Final = columns("setting before desired after digest")
_ENVIRONMENT: Final = columns(
    "id environment_id display_name domain_name url zone created_at governed_at quarantined_at quarantine_reason "
    "request_id status"
)
_AT_ONCE: Final = 500  # requests whose retention is found together
_NUMBER: Final = {"request_number": F("request__request_number")}


def _requests(selection: Selection) -> Iterator[Row]:
    yield from chunked(selection.requests.order_by("number").values(*REQUEST_COLUMNS, *_PEOPLE))


def decisions(selection: Selection) -> Iterator[Row]:
    """Yield what was decided in the period."""
    about = EnvironmentRequest.objects.filter(gate=OuterRef("gate")).order_by("number")
    rows = Decision.objects.filter(gate__in=selection.reached.values("gate")).filter(selection.during("decided_at"))
    chosen = rows.order_by("decided_at", F("stage__number").asc(nulls_first=True), "id").values(
        "id",
        "outcome",
        "comment",
        "content_hash",
        "policy_version",
        "decided_at",
        request_id=Subquery(about.values("id")[:1]),
        request_number=F("gate__subject"),
        stage_number=F("stage__number"),
        role=F("stage__role"),
        escalated_at=F("stage__escalated_at"),
        decided_by_upn=F("decided_by__upn"),
        in_place_of_upn=F("delegation__delegator__upn"),
    )
    for row in chunked(chosen):
        yield {**row, "outcome_name": Outcome(row["outcome"]).label}


def _runs(selection: Selection) -> Iterator[Row]:
    rows = ProvisioningRun.objects.filter(request__in=selection.reached)
    chosen = rows.filter(selection.during("queued_at", "finished_at")).order_by("queued_at", "id")
    for row in chunked(chosen.values(*_RUN, **_NUMBER)):
        names = {"status_name": RunStatus(row["status"]).label, "remote_name": RemoteState(row["remote_state"]).label}
        yield {**row, **names}


def _steps(selection: Selection) -> Any:
    rows = StepRecord.objects.filter(run__request__in=selection.reached).filter(selection.during("began_at"))
    return rows.order_by("began_at", "ended_at", "run", "step", "attempt").values(
        *_STEP, "proof", request_number=F("run__request__request_number")
    )


def _attempts(selection: Selection) -> Iterator[Row]:
    for row in chunked(_steps(selection)):
        yield {**row, "outcome_name": StepOutcome(row["outcome"]).label}


def proofs(selection: Selection) -> Iterator[Row]:
    """Yield each setting that a step of the period read back."""
    for row in chunked(_steps(selection)):
        for proof in row["proof"]:
            yield {**row, **{name: proof.get(name, "") for name in _PROOF}, "read_at": row["ended_at"]}


def gaps(selection: Selection) -> Iterator[Row]:
    """Yield the gaps that were open at any time of the period."""
    rows = Gap.objects.filter(request__in=selection.reached).filter(selection.during("opened_at", "closed_at"))
    chosen = rows.order_by("opened_at", "id")
    columns = ("id", "request_id", "run_id", "step", "reason", "opened_at", "closed_at", "attempts")
    yield from chunked(chosen.values(*columns, **_NUMBER, owned_by=F("owner__upn")))


def _environments(selection: Selection) -> Iterator[Row]:
    """Yield the register as it stands now; what has no request is seen by who sees the whole tenant."""
    rows = Environment.objects.filter(tenant=selection.tenant)
    if not selection.is_whole:
        rows = rows.filter(request__in=selection.reached)
    for row in chunked(rows.order_by("created_at", "id").values(*_ENVIRONMENT)):
        yield {**row, "status_name": EnvironmentStatus(row["status"]).label}


def holds(selection: Selection) -> Iterator[Row]:
    """Yield the legal holds that were in force at any time of the period."""
    rows = LegalHold.objects.filter(request__in=selection.reached)
    chosen = rows.filter(selection.during("placed_at", "released_at")).order_by("placed_at", "id")
    people = {"placed_by_upn": F("placed_by__upn"), "released_by_upn": F("released_by__upn")}
    columns = ("id", "request_id", "matter", "reason", "placed_at", "released_at", "release_reason")
    yield from chunked(chosen.values(*columns, **_NUMBER, **people))


def retention(selection: Selection) -> Iterator[Row]:
    """Yield how long the records of the requests are kept."""
    chosen = selection.requests.order_by("number")
    last = -1
    while requests := list(chosen.filter(number__gt=last)[:_AT_ONCE]):
        last = requests[-1].number
        found = retention_of(requests)
        for request in requests:
            kept = found[request.pk]
            yield {
                "request_id": request.pk,
                "request_number": request.request_number,
                "zone": request.zone,
                "state": request.state,
                "state_name": State(request.state).label,
                "years": kept.years,
                "last_entry_at": kept.last_entry_at,
                "not_begun": kept.not_begun,
                "keep_until": kept.keep_until,
                "held_for": "; ".join(hold.matter for hold in kept.holds),
            }


TABLES: Final = (
    Table("requests", (*REQUEST_COLUMNS, *_PEOPLE), _requests),
    Table(
        "decisions",
        columns(
            "id request_id request_number stage_number role outcome outcome_name decided_by_upn in_place_of_upn "
            "decided_at escalated_at comment policy_version content_hash"
        ),
        decisions,
    ),
    Table("runs", (*_RUN, "request_number", "status_name", "remote_name"), _runs),
    Table("steps", (*_STEP, "request_number", "outcome_name"), _attempts),
    Table("proofs", (*columns("run_id request_number step attempt"), *_PROOF, "read_at"), proofs),
    Table(
        "gaps",
        columns("id request_id request_number run_id step reason owned_by opened_at closed_at attempts"),
        gaps,
    ),
    Table("environments", (*_ENVIRONMENT, "status_name"), _environments),
    Table(
        "holds",
        columns(
            "id request_id request_number matter reason placed_by_upn placed_at released_by_upn released_at "
            "release_reason"
        ),
        holds,
    ),
    Table(
        "retention",
        columns("request_id request_number zone state state_name years last_entry_at not_begun keep_until held_for"),
        retention,
    ),
)
