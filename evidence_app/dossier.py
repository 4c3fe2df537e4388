"""All that is known of one request, in sections for people: what was asked, who agreed, what was done, what is there.

The page of the package shows them, and the package holds them as a file of its own (the framework's "evidence package":
request summary, approval chain, provisioning trail, environment status).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.template.loader import render_to_string
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from audit_app.actions import Action
from core_app.recorded import as_recorded
from core_app.recorded import shown as recorded_text
from core_app.text import spoken
from evidence_app.contents import Row, columns
from evidence_app.presentation import Shown, fact, shown
from evidence_app.questions import question_named
from evidence_app.retention import retention_of
from evidence_app.selection import Selection
from gates_app.models import Gate
from provisioning_app import plan
from provisioning_app.models import Environment, StepRecord
from requests_app.choices import State
from requests_app.fields import COLUMNS
from requests_app.models import EnvironmentRequest

DOSSIER: Final = "package.html"
_SAID_ELSEWHERE: Final = frozenset({"request", "environment", "environment_id", "correlation_id", "entry"})
_NOT_FOR_PEOPLE: Final = frozenset({"id", "number", "tenant", "gate", "content_hash", "domain_name"})


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the package.

    Attributes:
        title: What it is.
        facts: Labels and values, where it is about one thing.
        table: Rows, where it is about several.
        empty: What to say when there are neither.
    """

    title: str
    facts: tuple[tuple[str, str], ...] = ()
    table: Shown | None = None
    empty: str = ""


def sections_of(request: EnvironmentRequest, selection: Selection) -> list[Section]:
    """Return all sections of a request's package, in reading order."""
    return [
        Section(_("Request summary"), facts=tuple(_summary(request))),
        _answer(_("Why it has its zone"), "why_this_zone", selection),
        _listed(_("Disputes of the zone"), _DISPUTES, _disputes(request), _("The zone was not disputed.")),
        _listed(_("Approval chain"), _APPROVALS, _approvals(request.gate), _("Nobody has been asked to decide yet.")),
        _listed(_("Questions and comments"), _THREAD, _thread(request), _("Nothing was said.")),
        _listed(_("Runs"), _RUNS, _runs(request), _("No run has begun yet.")),
        _listed(_("Provisioning trail"), _TRAIL, _trail(request), _("Nothing has been provisioned yet.")),
        _answer(_("What was applied, as it was read back"), "what_was_applied", selection),
        _answer(_("Controls that were missing"), "which_gaps_were_open", selection),
        _answer(_("How long the environment was ungoverned"), "how_long_were_environments_ungoverned", selection),
        _listed(_("Environment now"), _ENVIRONMENT, _environments(request), _("There is no environment.")),
        Section(_("Retention and legal hold"), facts=tuple(_retention(request))),
        _answer(_("Legal holds"), "what_is_under_legal_hold", selection),
        _listed(_("Log"), _LOG, _log(selection), ""),
    ]


def dossier(request: EnvironmentRequest, selection: Selection) -> bytes:
    """Return the package's page as a file that needs no program but a browser."""
    with as_recorded():
        context = {"request_number": request.request_number, "sections": sections_of(request, selection)}
        context["environment_name"] = request.environment_name
        return render_to_string("evidence_app/package_file.html", context).encode()


_APPROVALS: Final = columns(
    "stage role status decided_by decided_at in_place_of comment assigned_to opened_at reminded_at escalated_at"
)
_DISPUTES: Final = columns(
    "opened_at zone_by_rules zone_asked_for rationale outcome decided_by in_place_of decided_at comment"
)
_THREAD: Final = columns("written_at author kind text")
_RUNS: Final = columns("attempt status queued_at started_at finished_at error correlation_id")
_TRAIL: Final = columns("attempt step outcome began_at ended_at error")
_ENVIRONMENT: Final = columns("environment environment_id status url created_at governed_at quarantine_reason")
_LOG: Final = columns("number at action actor outcome why entry_hash")


def _listed(title: str, names: tuple[str, ...], rows: Iterable[Row], empty: str) -> Section:
    return Section(title, table=shown(names, rows), empty=empty)


def _answer(title: str, name: str, selection: Selection) -> Section:
    """Return the answer to a question, without the columns that say which request it is about."""
    question = question_named(name)
    names = tuple(each for each in question.columns if each not in _SAID_ELSEWHERE)
    return _listed(title, names, question.answer(selection), str(question.empty_means))


def _summary(request: EnvironmentRequest) -> Iterable[tuple[str, str]]:
    for column in COLUMNS:
        if column.name not in _NOT_FOR_PEOPLE:
            field: Any = EnvironmentRequest._meta.get_field(column.name)
            value = getattr(request, f"get_{column.name}_display", lambda name=column.name: getattr(request, name))()
            text = spoken(State(request.state).label) if column.name == "state" else value
            yield capfirst(str(field.verbose_name)), fact(str(text) if field.is_relation and text else text)


def _disputes(request: EnvironmentRequest) -> Iterable[Row]:
    for dispute in request.zone_disputes.select_related("gate").order_by("opened_at", "id"):
        decision = dispute.gate.decisions.select_related("decided_by", "delegation__delegator").first()
        yield {
            "opened_at": dispute.opened_at,
            "zone_by_rules": dispute.classified_zone,
            "zone_asked_for": dispute.wanted_zone,
            "rationale": dispute.rationale,
            "outcome": dispute.gate.get_status_display(),
            **_decided(decision),
        }


def _thread(request: EnvironmentRequest) -> Iterable[Row]:
    for said in request.comments.select_related("author"):
        yield {
            "written_at": said.written_at,
            "author": said.author.upn,
            "kind": said.get_kind_display(),
            "text": said.text,
        }


def _approvals(gate: Gate | None) -> Iterable[Row]:
    if gate is None:
        return
    for stage in gate.stages.select_related("assigned_to", "decision__decided_by", "decision__delegation__delegator"):
        decision = getattr(stage, "decision", None)
        yield {
            "stage": stage.number,
            "role": stage.role,
            "status": stage.get_status_display(),
            "assigned_to": stage.assigned_to and stage.assigned_to.upn,
            "opened_at": stage.opened_at,
            "reminded_at": stage.reminded_at,
            "escalated_at": stage.escalated_at,
            **_decided(decision),
        }
    for decision in gate.decisions.filter(stage__isnull=True).select_related("decided_by", "delegation__delegator"):
        about = {"stage": None, "role": "-", "status": decision.get_outcome_display(), "opened_at": gate.opened_at}
        yield {**dict.fromkeys(_APPROVALS), **about, **_decided(decision)}


def _decided(decision: Any) -> dict[str, Any]:
    if decision is None:
        return dict.fromkeys(columns("decided_by in_place_of decided_at comment"))
    return {
        "decided_by": decision.decided_by.upn if decision.decided_by else _policy(decision.policy_version),
        "in_place_of": decision.delegation and decision.delegation.delegator.upn,
        "decided_at": decision.decided_at,
        "comment": decision.comment,
    }


def _policy(version: str) -> str:
    return _("the policy (%(version)s)") % {"version": version} if version else _("the policy")


def _runs(request: EnvironmentRequest) -> Iterable[Row]:
    for run in request.runs.order_by("attempt"):
        yield {
            "attempt": run.attempt,
            "status": run.get_status_display(),
            "queued_at": run.queued_at,
            "started_at": run.started_at,
            "finished_at": run.finished_at,
            "error": recorded_text(run.error),
            "correlation_id": str(run.pk),
        }


def _trail(request: EnvironmentRequest) -> Iterable[Row]:
    steps = StepRecord.objects.filter(run__request=request).select_related("run")
    for record in steps.order_by("run__attempt", "began_at", "ended_at", "step", "attempt"):
        yield {
            "attempt": record.run.attempt,
            "step": plan.label(record.run.plan_version, record.step),
            "outcome": record.get_outcome_display(),
            "began_at": record.began_at,
            "ended_at": record.ended_at,
            "error": recorded_text(record.error),
        }


def _environments(request: EnvironmentRequest) -> Iterable[Row]:
    for environment in Environment.objects.filter(request=request).order_by("created_at", "id"):
        yield {
            "environment": environment.display_name,
            "environment_id": environment.environment_id,
            "status": environment.get_status_display(),
            "url": environment.url,
            "created_at": environment.created_at,
            "governed_at": environment.governed_at,
            "quarantine_reason": recorded_text(environment.quarantine_reason),
        }


def _retention(request: EnvironmentRequest) -> Iterable[tuple[str, str]]:
    kept = retention_of([request])[request.pk]
    yield _("Kept"), kept.in_words()
    yield _("Newest log entry"), fact(kept.last_entry_at)


def _log(selection: Selection) -> Iterable[Row]:
    for entry in selection.entries.order_by("sequence"):
        yield {
            "number": entry.sequence,
            "at": entry.timestamp,
            "action": spoken(Action(entry.action).label),
            "actor": entry.actor,
            "outcome": _("Succeeded") if entry.success else _("Failed"),
            "why": recorded_text(entry.error_message),
            "entry_hash": entry.entry_hash,
        }
