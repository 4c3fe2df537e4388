"""The dialogs in which a person confirms a verb and says why."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts_app.admin import ColleagueField
from accounts_app.models import User
from core_app.admin import ReasonDialog, WordsField, kept_words, with_content
from core_app.text import MAX_TEXT
from requests_app.models import EnvironmentRequest, LegalHold
from requests_app.services.holds import LONGEST_MATTER
from requests_app.visibility import readers_of

SHOWN = "shown"  # query parameter of a decision's dialog: the content hash that the page was showing


class DecisionDialog(BaseDialogForm):
    """An optional comment, and the hash of what was shown: a decision binds to it."""

    content_hash = forms.CharField(widget=forms.HiddenInput, required=False)
    comment = WordsField(
        label=_("Comment"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        required=False,
        max_length=MAX_TEXT,
        help_text=_("Kept with the decision; the requester reads it."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["content_hash"].initial = self.request.GET.get(SHOWN, "")
        self.fields["comment"].initial = kept_words.recall(self.request).get("comment", "")


class RefusalDialog(DecisionDialog):
    """A comment that must say something, and the hash of what was shown."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["comment"].required = True

    def clean_comment(self) -> str:
        """Refuse a comment of nothing but white space or invisible characters."""
        return with_content(self.cleaned_data["comment"], _("Say why, so that the requester knows what to change."))


class HoldDialog(ReasonDialog):
    """For which matter, and why."""

    matter = forms.CharField(
        label=_("Matter"),
        widget=UnfoldAdminTextInputWidget,
        max_length=LONGEST_MATTER,
        help_text=_("The case or examination, by its number or name."),
    )
    field_order = ("matter", "reason")


class ReleaseDialog(ReasonDialog):
    """Which hold, out of those in force, and why."""

    hold = forms.ModelChoiceField(
        LegalHold.objects.none(), label=_("Legal hold"), widget=UnfoldAdminSelectWidget, empty_label=None
    )
    field_order = ("hold", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["hold"].queryset = LegalHold.objects.in_force().filter(request=self.object_id)


class RetryDialog(ReasonDialog):
    """What has changed, so that it can go well now."""

    wanted = _("Say what has changed since it failed.")


class ColleagueDialog(BaseDialogForm):
    """Names a person of the request's organisation."""

    wanted: ClassVar[Promise]
    person = ColleagueField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["person"].help_text = self.wanted

    def clean_person(self) -> User:
        """Find the person.

        Raises:
            ValidationError: there is no such person.
        """
        tenant = EnvironmentRequest.objects.filter(pk=self.object_id).values("tenant")
        return ColleagueField.found(self.cleaned_data["person"], among=User.objects.filter(tenant__in=tenant))


class ReassignDialog(ColleagueDialog):
    """Names the person who is to decide instead."""

    wanted = _("They have to hold the role that this stage asks for, and must not have taken part in the request.")


class ShareDialog(ColleagueDialog):
    """Names the person who is to read it."""

    wanted = _("They see the request, its log and what is built for it; they change and decide nothing by it.")


class UnshareDialog(BaseDialogForm):
    """Names the person who is no longer to read it, out of those who do."""

    reader = forms.ModelChoiceField(
        User.objects.none(), label=_("Reader"), widget=UnfoldAdminSelectWidget, empty_label=None
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        row = EnvironmentRequest.objects.filter(pk=self.object_id).first()
        if row is not None:
            self.fields["reader"].queryset = readers_of(row)
