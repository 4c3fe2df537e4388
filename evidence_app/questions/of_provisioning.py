"""Questions about what was built: what was applied, which gaps were open, what the service principal did."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from django.db.models import F
from django.utils.translation import gettext_lazy

from accounts_app.models import TenantIdentity
from audit_app.actions import ActorType
from core_app.recorded import shown
from evidence_app.contents import Row, chunked, columns
from evidence_app.questions.question import Question, row_of
from evidence_app.selection import Selection
from evidence_app.tables import gaps, proofs
from provisioning_app import plan
from provisioning_app.models import Environment, ProvisioningRun


def _what_was_applied(selection: Selection) -> Iterator[Row]:
    runs = {row["id"]: row for row in _runs(selection)}
    for row in proofs(selection):
        run = runs[row["run_id"]]
        yield {
            **row,
            "at": row["read_at"],
            "request": row["request_number"],
            "environment_id": run["environment_id"],
            "step": plan.label(run["plan_version"], row["step"]),
            "found": row["after"],
            "as_desired": row["after"] == row["desired"],
            "correlation_id": str(row["run_id"]),
        }


def _runs(selection: Selection) -> Any:
    return ProvisioningRun.objects.filter(request__in=selection.reached).values("id", "environment_id", "plan_version")


def _which_gaps(selection: Selection) -> Iterator[Row]:
    """Yield the gaps that were open at any time of the period; what is open still is counted to its end."""
    end = selection.present
    versions = {row["id"]: row["plan_version"] for row in _runs(selection)}
    for row in gaps(selection):
        yield {
            **row,
            "request": row["request_number"],
            "control": plan.label(versions[row["run_id"]], row["step"]),
            "reason": shown(row["reason"]),
            "owner": row["owned_by"],
            "is_open": _closed_by(end, row["closed_at"]) is None,
            "seconds_open": round(((_closed_by(end, row["closed_at"]) or end) - row["opened_at"]).total_seconds()),
        }


def _closed_by(end: datetime, closed_at: datetime | None) -> datetime | None:
    return closed_at if closed_at and closed_at <= end else None


def _what_did_the_principal_do(selection: Selection) -> Iterator[Row]:
    names = {
        str(identity.client_id): identity.display_name
        for identity in TenantIdentity.objects.filter(tenant=selection.tenant)
    }
    entries = selection.entries.filter(actor_type=ActorType.SERVICE_PRINCIPAL)
    for entry in chunked(entries.order_by("timestamp", "chain", "sequence")):
        yield {**row_of(entry), "principal": names.get(entry.actor, ""), "client_id": entry.actor}


def _environments_without_request(selection: Selection) -> Iterator[Row]:
    rows = Environment.objects.filter(tenant=selection.tenant, request__isnull=True)
    for environment in chunked(rows.order_by("created_at", "id")):
        yield {
            "environment": environment.display_name,
            "environment_id": environment.environment_id,
            "seen_since": environment.created_at,
            "status": environment.get_status_display(),
            "why": shown(environment.quarantine_reason),
        }


def _how_long_ungoverned(selection: Selection) -> Iterator[Row]:
    rows = Environment.objects.filter(request__in=selection.reached).filter(selection.during("created_at"))
    for row in chunked(
        rows.filter(controls__isnull=False)
        .order_by("created_at", "id", "controls__governed_at", "controls__id")
        .values(
            request_number=F("request__request_number"),
            environment=F("display_name"),
            existed_since=F("created_at"),
            control=F("controls__control"),
            proved_at=F("controls__governed_at"),
            seconds=F("controls__seconds"),
        )
    ):
        yield {**row, "request": row["request_number"]}


QUESTIONS: Final = (
    Question(
        "what_was_applied",
        gettext_lazy("What was applied to each environment, and when?"),
        gettext_lazy(
            "One row for each setting that a step read back at Microsoft after it had set it: "
            "before, desired, found. From the records of the runs."
        ),
        columns("at request step setting before desired found as_desired environment_id correlation_id"),
        _what_was_applied,
    ),
    Question(
        "which_gaps_were_open",
        gettext_lazy("Which controls were missing, and for how long?"),
        gettext_lazy(
            "One row for each gap that was open at any time of the period, with the seconds that it "
            "was open; one that is open still is counted to the end of the period, or to now."
        ),
        columns("opened_at request control reason owner closed_at is_open seconds_open"),
        _which_gaps,
        empty_means=gettext_lazy("No control was missing in the period, as far as you may see."),
    ),
    Question(
        "how_long_were_environments_ungoverned",
        gettext_lazy("How long did an environment exist before each of its controls was proved?"),
        gettext_lazy(
            "One row for each control of each environment that came to exist in the period, from the "
            "clocks that stop when a control is first read back."
        ),
        columns("existed_since request environment control proved_at seconds"),
        _how_long_ungoverned,
    ),
    Question(
        "which_environments_have_no_request",
        gettext_lazy("Which environments exist that nobody has asked for?"),
        gettext_lazy(
            "The register as it stands now: environments that our service principal made, or that "
            "carry our mark, without a request. They are quarantined."
        ),
        columns("seen_since environment environment_id status why"),
        _environments_without_request,
        is_of_now=True,
        needs_whole_tenant=True,
        empty_means=gettext_lazy("Every environment in the register has a request."),
    ),
    Question(
        "what_did_the_principal_do",
        gettext_lazy("What did the service principal do?"),
        gettext_lazy(
            "Every entry of the log whose actor is a service principal. The correlation id is the "
            "run's, and is sent to Microsoft as the client request id."
        ),
        columns("at action about succeeded why principal client_id correlation_id entry"),
        _what_did_the_principal_do,
    ),
)
