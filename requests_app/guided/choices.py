"""What one can answer, explained in plain words."""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminRadioSelectWidget

from requests_app.choices import DataSensitivity, EnvironmentType, ExpectedUsers, Zone

EXPLAINED_TYPES: Final = {
    EnvironmentType.SANDBOX: _("To build and to try things out. Nobody's daily work depends on it."),
    EnvironmentType.PRODUCTION: _("For apps and flows that the business works with and relies on."),
    EnvironmentType.DEVELOPER: _("For one licensed person alone, to learn and to build."),
}
EXPLAINED_DATA: Final = {
    DataSensitivity.PUBLIC: _("Everybody may know it, such as published prices or press releases."),
    DataSensitivity.INTERNAL: _("Everybody at work may know it, such as office plans or training material."),
    DataSensitivity.CONFIDENTIAL: _("Only some may know it, such as contracts, budgets or project plans."),
    DataSensitivity.RESTRICTED: _(
        "Its loss would harm customers or the bank, such as account data or inside information."
    ),
}
EXPLAINED_USERS: Final = {
    ExpectedUsers.JUST_ME: _("Nobody but you opens what is built there."),
    ExpectedUsers.SMALL_TEAM: _("A team or a project group."),
    ExpectedUsers.LARGE_TEAM: _("Several teams."),
    ExpectedUsers.DEPARTMENT: _("A whole department, or more than one."),
}
NONE: Final = "none"
# What it has to do with: the request's field → title and explanation
INVOLVED: Final = {
    "has_customer_data": (
        _("Personal data of customers"),
        _("Names, addresses, account numbers, claims: whatever leads to a person."),
    ),
    "has_financial_data": (
        _("Financial transactions"),
        _("It pays, books, orders or settles something, or prepares to."),
    ),
    "has_external_access": (
        _("People outside the organisation"),
        _("Customers, suppliers, auditors or guests can open it."),
    ),
}
EXPLAINED_INVOLVED: Final = {
    **{name: explained for name, (_title, explained) in INVOLVED.items()},
    NONE: _("No customers' data, no transactions, nobody from outside."),
}
ZONES_IN_SHORT: Final = {
    Zone.ZONE_1: _("personal and small: approved by policy unless somebody objects"),
    Zone.ZONE_2: _("for teams: an approver decides"),
    Zone.ZONE_3: _("for what is critical: an approver and Compliance decide, with the strictest settings"),
}


class ExplainedRadio(UnfoldAdminRadioSelectWidget):
    """Choices of which one is taken, each with a sentence about it."""

    def __init__(self, explained: dict[Any, Any] | None = None) -> None:
        super().__init__()
        self.explained = {str(value): words for value, words in (explained or {}).items()}

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return an option with its explanation."""
        option: dict[str, Any] = super().create_option(name, value, *args, **kwargs)
        return {**option, "explained": self.explained.get(str(value), "")}


class ExplainedCheckboxes(UnfoldAdminCheckboxSelectMultipleWidget):
    """Choices of which several are taken, each with a sentence about it."""

    def __init__(self, explained: dict[str, Any]) -> None:
        super().__init__()
        self.explained = explained

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return an option with its explanation."""
        option: dict[str, Any] = super().create_option(name, value, *args, **kwargs)
        return {**option, "explained": self.explained.get(str(value), "")}
