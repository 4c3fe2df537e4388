"""The steps of the guided form, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from requests_app.guided.choices import INVOLVED
from requests_app.guided.forms import DataForm, PurposeForm, ReasonForm, StepForm
from requests_app.guided.zone_form import ZoneForm


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the form.

    Attributes:
        key: Its name in the address.
        title: Its name for people.
        form: What it asks; None of the last one, which shows what was said.
        fields: Fields of the request that are said there.
    """

    key: str
    title: Any
    form: type[StepForm] | None
    fields: frozenset[str]


STEPS: Final = (
    Step("purpose", _("Purpose"), PurposeForm, frozenset({"environment_type", "region", "business_unit"})),
    Step("data", _("Data and people"), DataForm, frozenset({"data_sensitivity", "expected_users", *INVOLVED})),
    Step("reason", _("Name and reason"), ReasonForm, frozenset({"environment_name", "business_justification"})),
    Step(
        "zone",
        _("Zone and access"),
        ZoneForm,
        frozenset({"zone", "raised_zone", "zone_rationale", "security_group_id", "security_group_name"}),
    ),
    Step("summary", _("Check and submit"), None, frozenset()),
)
BY_KEY: Final[Mapping[str, Step]] = {step.key: step for step in STEPS}


def after(step: Step) -> Step:
    """Return the step that follows; the last one has none."""
    return STEPS[STEPS.index(step) + 1]


def before(step: Step) -> Step | None:
    """Return the step before, or None of the first."""
    place = STEPS.index(step)
    return STEPS[place - 1] if place else None


def step_of(field: str) -> Step | None:
    """Return where a field of the request is said."""
    return next((step for step in STEPS if field in step.fields), None)
