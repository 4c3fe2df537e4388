"""What people call a field of a request, and what it says."""

from __future__ import annotations

from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _

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
