"""The field in which one names a colleague."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts_app.models import User


class ColleagueField(forms.EmailField):
    """A person's user principal name; nobody is offered, since a list of everybody would tell who there is."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"label": _("User principal name"), "widget": UnfoldAdminTextInputWidget, **kwargs})

    @staticmethod
    def found(upn: str, *, among: QuerySet[User]) -> User:
        """Return the active person who has a UPN, whatever its case.

        Raises:
            ValidationError: there is no such person among these.
        """
        person = among.filter(upn__iexact=upn, is_active=True).first()
        if person is None:
            raise forms.ValidationError(_("Nobody active in your organisation has this UPN; check its spelling."))
        return person
