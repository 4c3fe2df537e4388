"""The gates app."""

from __future__ import annotations

from django.apps import AppConfig


class GatesConfig(AppConfig):
    """Where a person must say yes."""

    name = "gates_app"
    verbose_name = "Approval gates"
    default_auto_field = "django.db.models.BigAutoField"
