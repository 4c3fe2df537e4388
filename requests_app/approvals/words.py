"""What people call a field of a request, and what it says."""

from __future__ import annotations

from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from core_app.text import spoken
from requests_app.choices import State
from requests_app.models import EnvironmentRequest


def label(name: str) -> str:
    """Return what people call a field."""
    return capfirst(str(EnvironmentRequest._meta.get_field(name).verbose_name))  # type: ignore[union-attr]


def said(request: EnvironmentRequest, name: str) -> str:
    """Return what a field says, in words."""
    display: Any = getattr(request, f"get_{name}_display", None)
    value = display() if display else getattr(request, name)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(value) if value not in (None, "") else "-"


def decided(request: EnvironmentRequest) -> str:
    """Return what came of a decision: the state it led to, or that another decision is waited for."""
    if request.state == State.PENDING_APPROVAL:
        return _("It waits for the next decision.")
    return _("It is %(state)s now.") % {"state": spoken(State(request.state).label).lower()}
