"""What the step about zone and access asks: stricter or not, why the answers are right, which security group."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from core_app.admin import WordsField
from core_app.text import MAX_TEXT, has_content
from microsoft_cloud.fields import is_guid
from requests_app.choices import Zone
from requests_app.guided.choices import ZONES_IN_SHORT, ExplainedRadio
from requests_app.guided.forms import Asking, StepForm
from requests_app.policies.classification import governed_zone
from requests_app.zones import governance_of


class ZoneForm(StepForm):
    """The zone, why it is right, and who gets access."""

    intro = _("The zone beside says how strictly the environment is governed, and who decides about it.")
    raised_zone = forms.TypedChoiceField(
        label=_("Is this zone strict enough?"),
        coerce=int,
        empty_value=None,
        required=False,
        widget=ExplainedRadio(),
        help_text=_("You can ask for a stricter zone than the answers need, never for a less strict one."),
    )
    zone_rationale = WordsField(
        label=_("Why are these answers right?"),
        max_length=MAX_TEXT,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text=_("What data it is, where it comes from, who looks after it. Whoever decides reads this first."),
    )
    group = forms.CharField(
        label=_("Which security group gets access?"),
        max_length=256,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=_(
            "Begin to type the name of a Microsoft Entra security group and choose it, or give its object ID. "
            "Only its members can open the environment."
        ),
    )
    group_found = forms.CharField(required=False)  # "object id|name": a radio button below the name that is typed

    def __init__(self, asking: Asking, *args: Any, **kwargs: Any) -> None:
        super().__init__(asking, *args, **kwargs)
        assert self.draft is not None  # noqa: S101 - the step comes after the draft is made
        governance = governance_of(self.draft)
        self.lowest = lowest = Zone(governance.override.wanted_zone) if governance.override else governance.verdict.zone
        field = self.fields["raised_zone"]
        stricter = [zone for zone in Zone if zone > lowest]
        if stricter:
            as_said = _("Yes: %(zone)s, as the answers say") % {"zone": gettext(lowest.label)}
            raised = [(zone.value, _("No: raise it to %(zone)s") % {"zone": gettext(zone.label)}) for zone in stricter]
            field.choices = [("", as_said), *raised]  # type: ignore[attr-defined]
            field.widget.explained = {str(zone.value): ZONES_IN_SHORT[zone] for zone in stricter}
            field.widget.explained[""] = ZONES_IN_SHORT[lowest]
        else:
            del self.fields["raised_zone"]

    def clean(self) -> dict[str, Any]:
        """Ask for rationale and group where the zone needs them."""
        cleaned = super().clean() or self.cleaned_data
        zone = governed_zone(self.lowest, raised=cleaned.get("raised_zone"))
        named = {"zone": gettext(zone.label)}
        if self.strict and zone > Zone.ZONE_1:
            if not has_content(cleaned.get("zone_rationale", "")):
                self.add_error("zone_rationale", _("%(zone)s needs a sentence or two here.") % named)
            if not cleaned.get("group", "").strip():
                self.add_error("group", _("%(zone)s needs a security group.") % named)
        return cleaned

    def known(self) -> dict[str, Any]:
        """Return what the draft says, with the group's id and name as one."""
        draft = self.draft
        if draft is None:
            return {}
        chosen = f"{draft.security_group_id}|{draft.security_group_name}" if draft.security_group_id else ""
        return {
            "raised_zone": draft.raised_zone or "",
            "zone_rationale": draft.zone_rationale,
            "group": draft.security_group_name or draft.security_group_id,
            "group_found": chosen,
        }

    def values(self) -> dict[str, Any]:
        """Return what was said: of a group its id and name when it was chosen, else what was typed."""
        said = dict(self.cleaned_data)
        typed, chosen = said.pop("group").strip(), said.pop("group_found")
        found_id, _bar, found_name = chosen.partition("|")
        if is_guid(found_id) and typed and (found_name.lower().startswith(typed.lower()) or typed == found_id):
            said |= {"security_group_id": found_id.lower(), "security_group_name": found_name}
        elif is_guid(typed):
            said |= {"security_group_id": typed.lower(), "security_group_name": ""}
        else:
            said |= {"security_group_id": "", "security_group_name": typed}
        return said

    def refuse(self, problems: Iterable[tuple[str, str]]) -> None:
        """Put what a verb refused beside the fields; what is wrong with the group, beside the one field for it."""
        super().refuse(("group" if name.startswith("security_group") else name, problem) for name, problem in problems)
