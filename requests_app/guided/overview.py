"""What was said in the form, step by step, with what is still missing, what will be built and who decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from accounts_app.models import User
from accounts_app.services import settings_of
from requests_app.directory import Directory
from requests_app.guided.choices import INVOLVED
from requests_app.guided.live import ZoneSoFar, zone_of_draft
from requests_app.guided.steps import STEPS, Step, step_of
from requests_app.models import EnvironmentRequest, ZoneDispute
from requests_app.permissions import may_dispute
from requests_app.services.submission import submission_problems
from requests_app.staging import staged_plan
from requests_app.zones import open_dispute_of


@dataclass(frozen=True, slots=True)
class Section:
    """What was said in one step.

    Attributes:
        step: The step.
        said: (question, answer) pairs.
        missing: What keeps the draft from being submitted and is mended in this step.
    """

    step: Step
    said: list[tuple[Any, Any]]
    missing: list[str]


@dataclass(frozen=True, slots=True)
class Overview:
    """The last page of the form.

    Attributes:
        sections: One for each step.
        others: What keeps the draft from being submitted and is mended elsewhere.
        zone: The zone, why, and who decides.
        plan: What will be built, as (setting, value) pairs.
        dispute: The dispute that waits for a decision.
        may_dispute: Whether the person may ask for a lower zone.
    """

    sections: list[Section]
    others: list[str]
    zone: ZoneSoFar
    plan: list[tuple[str, str]]
    dispute: ZoneDispute | None
    may_dispute: bool

    @property
    def is_complete(self) -> bool:
        """Say whether nothing is missing."""
        return not self.others and not any(section.missing for section in self.sections)


def overview_of(draft: EnvironmentRequest, reader: User) -> Overview:
    """Return the overview of a draft for its requester; the directory is asked when it is submitted, not here."""
    settings = settings_of(draft.tenant)
    problems = submission_problems(draft, settings, Directory(unavailable="not asked yet"))
    dispute = open_dispute_of(draft)
    at = [(step_of(name), what) for name, what in problems if not (dispute and name == "zone")]
    said = _said(draft)
    sections = [
        Section(step, said[step.key], [what for place, what in at if place is step]) for step in STEPS if step.form
    ]
    return Overview(
        sections=sections,
        others=[what for place, what in at if place is None],
        zone=zone_of_draft(draft, settings, draft.raised_zone),
        plan=staged_plan(draft, settings),
        dispute=dispute,
        may_dispute=may_dispute(reader, draft),
    )


def _said(draft: EnvironmentRequest) -> dict[str, list[tuple[Any, Any]]]:
    involved = [title for name, (title, _explained) in INVOLVED.items() if getattr(draft, name)]
    group = draft.security_group_name or draft.security_group_id
    return {
        "purpose": [
            (_("Type"), draft.get_environment_type_display()),
            (_("Region"), draft.get_region_display()),
            (_("Business unit"), draft.business_unit),
        ],
        "data": [
            (_("Data"), draft.get_data_sensitivity_display()),
            (_("Involved"), ", ".join(map(str, involved)) or _("none of the three")),
            (_("People"), draft.get_expected_users_display()),
        ],
        "reason": [(_("Name"), draft.environment_name), (_("Needed for"), draft.business_justification)],
        "zone": [
            (_("Zone"), draft.get_zone_display()),
            (_("Why these answers are right"), draft.zone_rationale),
            (_("Security group"), group),
        ],
    }
