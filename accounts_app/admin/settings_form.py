"""The form in which settings are proposed, made from the table of settings; the dialogs of the second person."""

from __future__ import annotations

from itertools import permutations
from typing import Any, Final

from django import forms
from django.forms.models import ModelFormMetaclass
from django.http import HttpRequest
from django.utils.functional import lazy
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from accounts_app.models import TenantSettings
from accounts_app.services import settings_changes
from accounts_app.setting_kinds import Choice, Kind, Number, Several, Switch, Text, in_words
from accounts_app.tenant_settings import KINDS, name_of
from core_app.admin import ReasonDialog, VerbForm, readable

BASED_ON: Final = "based_on"  # the version in force that the form was filled with
_NEXT: Final = "|"  # between the names of an order, in a form's value


def field_name(path: str) -> str:
    """Return a setting's path as a form can name it."""
    return path.replace(".", "__")


def path_of(field: str) -> str:
    """Return the path of the setting that a form's field is for."""
    return field.replace("__", ".")


class OrderField(forms.ChoiceField):
    """Some words in an order, chosen from all the orders there are."""

    def __init__(self, kind: Several, **kwargs: Any) -> None:
        sizes = range(kind.least, len(kind.options) + 1)
        orders = [order for size in sizes for order in permutations(kind.options, size)]
        choices = [(_NEXT.join(order), _shown_late(kind.in_words, order)) for order in orders]
        super().__init__(choices=choices, required=False, widget=UnfoldAdminSelectWidget, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """Return an order as the form names it."""
        return value if isinstance(value, str) else _NEXT.join(value or ())

    def clean(self, value: Any) -> tuple[str, ...]:
        """Return the order."""
        return tuple(part for part in super().clean(value).split(_NEXT) if part)


class SomeField(forms.MultipleChoiceField):
    """Some words, in the order in which they are offered."""

    def clean(self, value: Any) -> tuple[str, ...]:
        """Return them."""
        return tuple(super().clean(value))


def _label(path: str) -> str:
    return capfirst(name_of(path))


def _help(kind: Kind) -> str:
    return f"{gettext(kind.meaning)} {kind.range}."


_shown_late: Final[Any] = lazy(lambda say, of: say(of), str)  # the form is made before the language is known


def _field(path: str, kind: Kind) -> forms.Field:
    said: dict[str, Any] = {"label": _shown_late(_label, path), "help_text": _shown_late(_help, kind)}
    match kind:
        case Number():
            return forms.IntegerField(
                min_value=kind.low,
                max_value=kind.high,
                required=not kind.empty,
                widget=UnfoldAdminIntegerFieldWidget,
                **said,
            )
        case Switch():
            return forms.BooleanField(required=False, widget=UnfoldBooleanSwitchWidget, **said)
        case Text():
            required = not kind.empty
            return forms.CharField(
                max_length=kind.longest, required=required, widget=UnfoldAdminTextInputWidget, **said
            )
        case Choice():
            return forms.ChoiceField(choices=_named(kind.options), widget=UnfoldAdminSelectWidget, **said)
        case Several(in_order=True):
            return OrderField(kind, **said)
        case Several():
            widget = UnfoldAdminCheckboxSelectMultipleWidget
            return SomeField(choices=_named(kind.options), required=False, widget=widget, **said)
    raise TypeError(f"{path} is of a kind that no field is made for.")


def _option(option: str) -> str:
    return capfirst(gettext(in_words(option)))


def _named(options: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(option, _shown_late(_option, option)) for option in options]


class _Meta:
    model = TenantSettings
    fields: Final[tuple[str, ...]] = ()


ProposalForm: Final[Any] = ModelFormMetaclass(
    "ProposalForm",
    (VerbForm,),
    {
        "__doc__": "All settings of a tenant, filled with those in force.",
        "__module__": __name__,
        "Meta": _Meta,
        BASED_ON: forms.IntegerField(label="", widget=forms.HiddenInput),
        **{field_name(path): _field(path, kind) for path, kind in KINDS.items()},
    },
)


class ConfirmSettingsDialog(BaseDialogForm):
    """Shows what would change, and asks for a yes."""

    form_before_template = "accounts_app/settings_changes.html"

    def get_before_template_context(self, request: HttpRequest, object_id: Any = None) -> dict[str, Any]:
        """Return what would change."""
        return {"changes": readable(settings_changes(TenantSettings.objects.get(pk=object_id)))}


class RejectSettingsDialog(ConfirmSettingsDialog, ReasonDialog):
    """Shows what would change, and asks why it shall not."""

    wanted = _("Say why; it is kept in the log, and who proposed them reads it.")
