"""What the first steps of the guided form ask; what they take is handed to the verbs of a draft."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts_app.models import BusinessUnit, User
from accounts_app.tenant_settings import Settings
from core_app.admin import WordsField
from core_app.text import MAX_TEXT
from core_app.words import translated_choices
from requests_app.choices import DataSensitivity, EnvironmentType, ExpectedUsers, Region
from requests_app.guided.choices import (
    EXPLAINED_DATA,
    EXPLAINED_INVOLVED,
    EXPLAINED_TYPES,
    EXPLAINED_USERS,
    INVOLVED,
    NONE,
    ExplainedCheckboxes,
    ExplainedRadio,
)
from requests_app.guided.live import name_check
from requests_app.models import EnvironmentRequest
from requests_app.permissions import own_unit_refusal
from requests_app.policies.naming import MAX_NAME_LENGTH, justification_problem


@dataclass(frozen=True, slots=True)
class Asking:
    """Who fills in a step, and for which draft.

    Attributes:
        user: The requester.
        draft: Their draft; None before there is one.
        settings: Their tenant's settings.
    """

    user: User
    draft: EnvironmentRequest | None
    settings: Settings


class StepForm(forms.Form):
    """One step; a strict one is complete before one goes on, another one is only kept for later."""

    intro: ClassVar[Any] = ""

    def __init__(self, asking: Asking, *args: Any, strict: bool = True, **kwargs: Any) -> None:
        self.asking, self.draft, self.strict = asking, asking.draft, strict
        kwargs["initial"] = {**self.known(), **(kwargs.get("initial") or {})}
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if field.error_messages["required"] == forms.Field.default_error_messages["required"]:
                is_choice = isinstance(field, forms.ChoiceField | forms.ModelChoiceField)
                field.error_messages["required"] = _("Choose one.") if is_choice else _("This cannot stay empty.")
            if not strict:
                field.required = field.required and not isinstance(field.widget, forms.TextInput | forms.Textarea)

    def known(self) -> dict[str, Any]:
        """Return what the draft says already, by field of this step."""
        return {
            name: getattr(self.draft, name) for name in self.base_fields if self.draft and hasattr(self.draft, name)
        }

    def values(self) -> dict[str, Any]:
        """Return what was said, for the verbs of a draft."""
        return dict(self.cleaned_data)

    def refuse(self, problems: Iterable[tuple[str, str]]) -> None:
        """Put what a verb refused beside the fields it spoke of."""
        for name, problem in problems:
            self.add_error(name if name in self.fields else None, problem)


class PurposeForm(StepForm):
    """What kind of environment, where, for whom."""

    intro = _("An environment is a place of its own for apps, flows and their data.")
    environment_type = forms.TypedChoiceField(
        label=_("What will you use it for?"),
        coerce=int,
        choices=translated_choices(EnvironmentType),
        widget=ExplainedRadio(EXPLAINED_TYPES),
    )
    region = forms.TypedChoiceField(
        label=_("Where should its data be kept?"),
        coerce=int,
        choices=translated_choices(Region),
        widget=ExplainedRadio(),
        help_text=_("Choose the region whose law the data is under. It cannot be moved afterwards."),
    )
    business_unit = forms.ModelChoiceField(
        label=_("For which business unit?"),
        queryset=BusinessUnit.objects.none(),
        widget=UnfoldAdminSelectWidget,
        required=False,  # without a choice it is the requester's own
        empty_label=None,
        help_text=_("Its approvers decide. Your own unit, or one below it; it cannot be changed later."),
    )

    def __init__(self, asking: Asking, *args: Any, **kwargs: Any) -> None:
        super().__init__(asking, *args, **kwargs)
        kind = self.fields["environment_type"]
        chosen = self.draft.environment_type if self.draft else None
        if not asking.settings.allow_developer and chosen != EnvironmentType.DEVELOPER:
            kind.choices = [(value, title) for value, title in kind.choices if value != EnvironmentType.DEVELOPER]  # type: ignore[attr-defined]
            kind.help_text = _(
                "A Developer environment of your own needs no request: create it yourself in the maker portal."
            )
        own = asking.user.business_unit
        units = BusinessUnit.objects.filter(path__startswith=own.path if own else "?")
        if self.draft or len(units) < 2:
            del self.fields["business_unit"]
        else:
            self.fields["business_unit"].queryset = units  # type: ignore[attr-defined]
            self.initial.setdefault("business_unit", own)

    def clean(self) -> dict[str, Any]:
        """Refuse a unit for which the person approves themselves."""
        cleaned = super().clean() or self.cleaned_data
        unit = (
            self.draft.business_unit if self.draft else cleaned.get("business_unit") or self.asking.user.business_unit
        )
        allowed = self.asking.settings.approvers_may_request_for_their_unit
        reason = own_unit_refusal(self.asking.user, unit, allowed=allowed) if unit else None
        if self.strict and reason:
            self.refuse([("business_unit", reason)])
        return cleaned


class DataForm(StepForm):
    """Which data, who uses it: what the zone follows from."""

    intro = _("These answers decide how strictly the environment is governed. Beside them you see what follows.")
    data_sensitivity = forms.TypedChoiceField(
        label=_("How sensitive is the data?"),
        coerce=int,
        choices=translated_choices(DataSensitivity),
        widget=ExplainedRadio(EXPLAINED_DATA),
        help_text=_("Think of the most sensitive data that will be there. When in doubt, choose the higher one."),
    )
    involves = forms.MultipleChoiceField(
        label=_("Which of these will be involved?"),
        choices=[*((name, title) for name, (title, _explained) in INVOLVED.items()), (NONE, _("None of these"))],
        widget=ExplainedCheckboxes(EXPLAINED_INVOLVED),
        error_messages={"required": _("Choose what applies, or “None of these”.")},
    )
    expected_users = forms.TypedChoiceField(
        label=_("How many people will use it?"),
        coerce=int,
        choices=translated_choices(ExpectedUsers),
        widget=ExplainedRadio(EXPLAINED_USERS),
    )

    def known(self) -> dict[str, Any]:
        """Return the draft's answers; one that says no to everything involves none of it."""
        if self.draft is None:
            return {}
        involved = [name for name in INVOLVED if getattr(self.draft, name)]
        return {**super().known(), "involves": involved or [NONE]}

    def clean_involves(self) -> list[str]:
        """Refuse a choice that contradicts itself."""
        chosen: list[str] = self.cleaned_data["involves"]
        if NONE in chosen and len(chosen) > 1:
            raise forms.ValidationError(_("“None of these” does not go with the others; choose either."))
        return chosen

    def values(self) -> dict[str, Any]:
        """Return what was said, each thing that may be involved as a yes or no."""
        said = dict(self.cleaned_data)
        involved = said.pop("involves")
        return {**said, **{name: name in involved for name in INVOLVED}}


class ReasonForm(StepForm):
    """What it is called, and why the business needs it."""

    environment_name = forms.CharField(
        label=_("What should it be called?"),
        max_length=MAX_NAME_LENGTH,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=_(
            "UNIT-Purpose-STAGE: two to four capital letters for the unit, the purpose in letters and digits, the "
            "stage in capital letters; for example FIN-ClaimsIntake-PROD or HR-Onboarding-TEST."
        ),
    )
    business_justification = WordsField(
        label=_("What does the business need it for?"),
        max_length=MAX_TEXT,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 5}),
        help_text=_(
            "Two or three sentences for somebody who does not know your work: what is built, for whom, why now. "
            "At least 20 characters."
        ),
    )

    def clean_environment_name(self) -> str:
        """Refuse a name that does not follow the convention, or that another request has."""
        name: str = self.cleaned_data["environment_name"]
        problem = self.strict and name_check(name, self.asking.user.tenant_id, self.draft)
        if problem:
            raise forms.ValidationError(problem)
        return name

    def clean_business_justification(self) -> str:
        """Refuse a justification that says too little."""
        text: str = self.cleaned_data["business_justification"]
        problem = self.strict and justification_problem(text)
        if problem:
            raise forms.ValidationError(problem)
        return text
