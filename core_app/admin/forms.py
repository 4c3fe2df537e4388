"""Forms whose save is a verb: what the verb refuses comes back beside the fields, with everything that was typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from core_app.errors import InvalidInputError, PermissionRefused
from core_app.text import MAX_TEXT, clean, has_content


class ConfirmDialog(BaseDialogForm):
    """Asks for nothing but a yes."""


class WordsField(forms.CharField):
    """What a person writes, measured as it is stored: a browser sends each end of a line as two characters."""

    def to_python(self, value: Any) -> str:
        """Return the words as they are stored."""
        return clean(super().to_python(value) or "")


class ReasonDialog(BaseDialogForm):
    """Asks for a reason that must say something."""

    wanted: ClassVar[str | Promise] = _("Say why; it is kept in the log, and an examiner reads it.")
    reason = WordsField(label=_("Reason"), widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}), max_length=MAX_TEXT)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = self.wanted

    def clean_reason(self) -> str:
        """Refuse a reason of nothing but white space or invisible characters."""
        return with_content(self.cleaned_data["reason"], self.wanted)


def said_in(form: BaseDialogForm) -> dict[str, Any]:
    """Return what a person said in a dialog, without the mark by which Unfold knows that it was sent."""
    return {name: value for name, value in form.cleaned_data.items() if not name.startswith("_")}


def with_content(text: str, message: str | Promise) -> str:
    """Return the text, or raise a ValidationError with the message when nothing visible is in it."""
    if not has_content(text):
        raise forms.ValidationError(str(message))
    return text


class VerbForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form that a verb stores."""

    problems: ClassVar[Sequence[tuple[str, str]]] = ()

    def clean(self) -> dict[str, Any] | None:
        """Add what the verb refused to the fields it spoke of."""
        cleaned = super().clean()
        for name, problem in self.problems:
            self.add_error(name if name in self.fields else None, problem)
        return cleaned


class VerbFormAdmin(ModelAdmin):
    """A screen whose form is a ``VerbForm``; its ``save_model`` hands the fields to the verb."""

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form, with what the verb refused a moment ago."""
        form = super().get_form(request, obj, change, **kwargs)
        form.problems = getattr(request, "refused_problems", ())
        return form

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Show or store the form."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except InvalidInputError as invalid:
            request.refused_problems = invalid.problems  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)
        except PermissionRefused as refused:
            raise PermissionDenied(str(refused)) from refused

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Store nothing beside what the verb stored."""
