"""Questions about requests: who approved, why this zone, what was refused, whether duties were kept apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.db.models import OuterRef, Q, Subquery
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.utils.translation import gettext_noop as noop

from audit_app.actions import Action
from core_app.recorded import shown
from evidence_app.contents import Row, chunked, columns
from evidence_app.questions.question import Question, entries_of, row_of
from evidence_app.selection import Selection
from evidence_app.tables import decisions
from gates_app.levels import GateStatus, Part
from gates_app.models import Gate
from requests_app.models import EnvironmentRequest
from requests_app.policies.classification import RULE_SET_VERSION, classify

_REFUSALS: Final = (
    Action.REJECTED,
    Action.DECISION_REFUSED,
    Action.ZONE_DISPUTE_REJECTED,
    Action.SETTINGS_REJECTED,
    Action.SIGN_IN_REFUSED,
)
_BY_POLICY: Final = noop("the policy")


def _who_approved(selection: Selection) -> Iterator[Row]:
    about = {
        row["request_number"]: row
        for row in chunked(
            selection.reached.values("request_number", "environment_name", "zone", "requester__upn").order_by("number")
        )
    }
    for row in decisions(selection):
        asked = about.get(row["request_number"], {})
        yield {
            **row,
            "request": row["request_number"],
            "environment": asked.get("environment_name"),
            "zone": asked.get("zone"),
            "asked_by": asked.get("requester__upn"),
            "stage": row["stage_number"],
            "outcome": row["outcome_name"],
            "decided_by": row["decided_by_upn"] or _(_BY_POLICY),
            "in_place_of": row["in_place_of_upn"],
        }


def _why_this_zone(selection: Selection) -> Iterator[Row]:
    """Yield each classification as it was recorded, and what the rules make of the request's answers today."""
    today = _zones_today(selection)
    for row in entries_of(selection, Action.ZONE_CLASSIFIED, Action.ZONE_OVERRIDDEN):
        said: dict[str, Any] = row["details"]
        yield {
            **row,
            "request": row["about"],
            "zone": said.get("zone"),
            "because": _because(said),
            "flags": ", ".join(said.get("flags", ())),
            **today.get(row["about"], {}),
        }


def _because(said: dict[str, Any]) -> str:
    reasons = " ".join(map(shown, said.get("reasons", ())))
    return reasons or said.get("rationale") or _("No rule asks for more than Zone 1.")


def _zones_today(selection: Selection) -> dict[str, dict[str, Any]]:
    return {
        request.request_number: {
            "rules": request.rule_set_version,
            "same_rules_today": request.rule_set_version == RULE_SET_VERSION,
            "zone_by_rules_today": int(classify(request.answers).zone),
        }
        for request in chunked(selection.requests.order_by("number"))
    }


def _what_was_refused(selection: Selection) -> Iterator[Row]:
    refused = Q(action__in=_REFUSALS) | Q(action=Action.EVIDENCE_EXPORTED, success=False)
    for entry in chunked(selection.entries.filter(refused).order_by("timestamp", "chain", "sequence")):
        row = row_of(entry)
        details: dict[str, Any] = row["details"]
        why = row["why"] or details.get("comment") or details.get("comments") or details.get("reason") or ""
        yield {**row, "why": why}


def _were_duties_kept_apart(selection: Selection) -> Iterator[Row]:
    """Yield each gate that was decided in the period with the people in it; one person has one part."""
    about = EnvironmentRequest.objects.filter(gate=OuterRef("pk")).order_by("number")
    rows = Gate.objects.filter(pk__in=selection.reached.values("gate"), status__in=_DECIDED)
    rows = rows.filter(selection.during("closed_at")).annotate(asked_by=Subquery(about.values("requester__upn")[:1]))
    for gate in chunked(rows.order_by("closed_at", "id").prefetch_related(*_PEOPLE)):
        parties = list(gate.parties.all())
        deciders = [each.decided_by.upn if each.decided_by else _(_BY_POLICY) for each in gate.decisions.all()]
        people = [party.person_key for party in parties]
        yield {
            "request": gate.subject,
            "asked_by": gate.asked_by,
            "decided_by": ", ".join(deciders),
            "deciders": len([party for party in parties if party.part == Part.DECIDER]),
            "people": len(set(people)),
            "parts": len(people),
            "kept_apart": len(set(people)) == len(people),
            "closed_at": gate.closed_at,
        }


_DECIDED: Final = (GateStatus.APPROVED, GateStatus.REJECTED)
_PEOPLE: Final = ("parties", "decisions__decided_by")

QUESTIONS: Final = (
    Question(
        "who_approved",
        gettext_lazy("Who approved or rejected each request, in which role, and when?"),
        gettext_lazy(
            "One row for each decision of the period, from the decisions that the gates keep; a "
            "decision without a person is the policy's, which approves Zone 1 when nobody has "
            "objected."
        ),
        columns("decided_at request zone stage role outcome decided_by in_place_of comment asked_by environment"),
        _who_approved,
    ),
    Question(
        "why_this_zone",
        gettext_lazy("Why does a request have its zone?"),
        gettext_lazy(
            "One row for each classification of the period, from the log, with the reasons that were "
            "recorded; beside it what today's rules make of the request's answers."
        ),
        columns("at request zone because flags rules by same_rules_today zone_by_rules_today entry"),
        _why_this_zone,
    ),
    Question(
        "what_was_refused",
        gettext_lazy("What was refused, to whom, and why?"),
        gettext_lazy(
            "Rejections by approvers, and attempts that the system refused: decisions by who may not "
            "decide, settings, sign-ins, exports. From the log."
        ),
        columns("at action about by why entry"),
        _what_was_refused,
    ),
    Question(
        "were_duties_kept_apart",
        gettext_lazy("Did anybody decide on a request of their own, or twice on the same one?"),
        gettext_lazy(
            "One row for each gate that closed in the period: the people who asked, edited, decided "
            "or lent their role, and whether each of them had one part only. The database holds "
            "that, too."
        ),
        columns("closed_at request asked_by decided_by deciders people parts kept_apart"),
        _were_duties_kept_apart,
    ),
)
