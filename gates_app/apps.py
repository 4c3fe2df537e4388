"""The gates app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class GatesConfig(AppConfig):
    """Where a person must say yes."""

    name = "gates_app"
    verbose_name = _("Approval gates")
    default_auto_field = "django.db.models.BigAutoField"
