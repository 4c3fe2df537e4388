"""The form a requester fills in."""

from __future__ import annotations

from typing import Any, ClassVar, Final
from uuid import uuid4

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts_app.roles import Role
from core_app.admin import VerbForm
from core_app.text import MAX_TEXT
from requests_app.fields import NEW, writable
from requests_app.models import EnvironmentRequest

FORM: Final = "form_token"  # tells one opened form from another


class RequestForm(VerbForm):
    """The fields of a draft."""

    class Meta:
        model = EnvironmentRequest
        fields = writable(Role.REQUESTER, NEW)
        help_texts: ClassVar[dict[str, Promise]] = {
            "environment_name": _("UNIT-Purpose-STAGE, for example FIN-ClaimsIntake-PROD."),
            "environment_type": _("A Developer environment belongs to one person and cannot be created by automation."),
            "business_justification": _("What the business needs the environment for: at least 20 characters."),
            "business_unit": _("Your own unit, or one below it. It cannot be changed later."),
            "expected_users": _("How many people will use it."),
            "raised_zone": _("You can ask for a stricter zone than the answers need, never for a less strict one."),
            "zone_rationale": _("Needed for Zone 2 and 3: why these answers are right."),
            "security_group_name": _(
                "Needed for Zone 2 and 3: a Microsoft Entra security group, by name or object ID."
            ),
            "security_group_id": _("Leave empty when you give the name; it is looked up when you submit."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("business_justification", "zone_rationale"):
            if name in self.fields:
                self.fields[name].widget.attrs.update({"rows": 4, "maxlength": MAX_TEXT})


class NewRequestForm(RequestForm):
    """The fields of a new draft; the same form sent twice, because the answer was lost, makes one draft."""

    form_token = forms.UUIDField(label="", widget=forms.HiddenInput, required=False, initial=uuid4)
