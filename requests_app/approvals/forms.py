"""What those who decide fill in."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar
from uuid import uuid4

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from accounts_app.models import User
from core_app.admin import WordsField
from core_app.text import MAX_TEXT, has_content
from requests_app.services.comments import MAX_COMMENT


class Act(StrEnum):
    """What a button of the brief does."""

    APPROVE = "approve"
    REJECT = "reject"
    ASK = "ask"
    COMMENT = "comment"
    CLAIM = "claim"
    HAND_OVER = "hand_over"


class DecisionForm(forms.Form):
    """Words, the hash of what was shown, and which button was pressed."""

    wanted: ClassVar[dict[Act, Any]] = {
        Act.REJECT: _("Say why, so that the requester knows what to change."),
        Act.ASK: _("Write what you want to know."),
        Act.COMMENT: _("Write something; an empty message helps nobody."),
    }
    content_hash = forms.CharField(widget=forms.HiddenInput, required=False)
    form_token = forms.UUIDField(widget=forms.HiddenInput, required=False, initial=uuid4)
    text = WordsField(
        label=_("Your words"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 5}),
        required=False,
        max_length=MAX_TEXT,
        help_text=_("The requester reads them. A rejection and a question need some; an approval may have them."),
    )
    person = forms.ModelChoiceField(
        User.objects.none(),
        label=_("To whom?"),
        widget=UnfoldAdminSelectWidget,
        required=False,
        empty_label=_("Choose"),
    )

    def __init__(self, *args: Any, act: Act | None = None, colleagues: list[User] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.act = act
        self.offer(colleagues or [])

    def offer(self, colleagues: list[User]) -> None:
        """Offer these people, and nobody else, to decide instead."""
        keys = [person.pk for person in colleagues]
        self.fields["person"].queryset = User.objects.filter(pk__in=keys)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Ask for what the button needs."""
        cleaned = super().clean() or self.cleaned_data
        text = cleaned.get("text", "")
        if self.act in self.wanted and "text" not in self.errors and not has_content(text):
            self.add_error("text", self.wanted[self.act])
        if self.act in (Act.ASK, Act.COMMENT) and len(text) > MAX_COMMENT:
            self.add_error("text", _("Use at most %(most)d characters.") % {"most": MAX_COMMENT})
        if self.act == Act.HAND_OVER and not cleaned.get("person"):
            self.add_error("person", _("Choose who is to decide instead."))
        return cleaned


class BulkForm(forms.Form):
    """Words for all of them."""

    text = WordsField(
        label=_("Your words, for all of them"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        required=False,
        max_length=MAX_TEXT,
        help_text=_("Each requester reads them. A rejection needs some."),
    )

    def __init__(self, *args: Any, rejects: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rejects = rejects

    def clean_text(self) -> str:
        """Refuse a rejection without a word."""
        text: str = self.cleaned_data["text"]
        if self.rejects and not has_content(text):
            raise forms.ValidationError(_("Say why, so that each requester knows what to change."))
        return text
