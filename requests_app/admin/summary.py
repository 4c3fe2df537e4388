"""What stands above the tabs of a request: where it is, why it has its zone, what will be built, and who may decide."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from accounts_app.models import User
from accounts_app.services import settings_of
from core_app.admin import Coloured
from core_app.text import in_words
from gates_app.models import Stage
from requests_app.choices import State
from requests_app.directory import Directory
from requests_app.models import EnvironmentRequest, LegalHold
from requests_app.permissions import decision_refusal, may_submit
from requests_app.services.submission import submission_problems
from requests_app.staging import staged_plan
from requests_app.visibility import readers_of
from requests_app.zones import governance_of

STATE_COLOURS = Coloured(
    {
        in_words(state.label): colour
        for state, colour in {
            State.DRAFT: "",
            State.SUBMITTED: "info",
            State.PENDING_APPROVAL: "warning",
            State.APPROVED: "info",
            State.REJECTED: "danger",
            State.PROVISIONING: "primary",
            State.COMPLETED: "success",
            State.FAILED: "danger",
            State.WITHDRAWN: "",
        }.items()
    }
)
ZONE_COLOURS = Coloured({"Zone 1": "success", "Zone 2": "warning", "Zone 3": "danger"})


@dataclass(frozen=True, slots=True)
class Summary:
    """What the page shows above the tabs.

    Attributes:
        reasons: Why it has its zone, one sentence each.
        lower_by: The smallest changes of answers that would lower it, as sentences.
        plan: (setting, value) pairs that provisioning applies.
        plan_title: What to call the plan, by where the request stands.
        missing: What keeps a draft from being submitted, as (label of the field, sentence) pairs.
        decision: Why this person may not decide; empty when they may.
        stages: The gate's stages, in order.
        readers: With whom it is shared.
        holds: The legal holds in force.
    """

    reasons: tuple[str, ...]
    lower_by: tuple[str, ...]
    plan: list[tuple[str, str]]
    plan_title: str
    missing: list[tuple[str, str]]
    decision: str
    stages: list[Stage]
    readers: list[User]
    holds: list[LegalHold]


def summary_of(request: EnvironmentRequest, reader: User) -> Summary:
    """Return the summary of a request for one reader."""
    settings = settings_of(request.tenant, request.settings_version)
    stages = request.gate.stages.select_related("assigned_to", "decision__decided_by") if request.gate else ()
    governance = governance_of(request)
    # The directory is asked when the draft is submitted, not when a page is opened.
    unasked = Directory(unavailable="not asked yet")
    return Summary(
        reasons=governance.reasons,
        lower_by=tuple(_(words) for words in governance.lower_by),
        plan=staged_plan(request, settings),
        plan_title=_("What was built") if request.state == State.COMPLETED else _("What will be built"),
        missing=_labelled(submission_problems(request, settings, unasked)) if may_submit(reader, request) else [],
        decision=(decision_refusal(reader, request) or "") if request.state == State.PENDING_APPROVAL else "",
        stages=list(stages),
        readers=list(readers_of(request)),
        holds=list(LegalHold.objects.on(request.pk).select_related("placed_by").order_by("placed_at")),
    )


def _labelled(problems: list[tuple[str, str]]) -> list[tuple[str, str]]:
    labels = {field.name: capfirst(str(field.verbose_name)) for field in EnvironmentRequest._meta.concrete_fields}
    return [(labels.get(name, name), what) for name, what in problems]
