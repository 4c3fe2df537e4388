"""The evidence app."""

from __future__ import annotations

from django.apps import AppConfig


class EvidenceConfig(AppConfig):
    """What an examiner takes home."""

    name = "evidence_app"
    verbose_name = "Evidence"
    default_auto_field = "django.db.models.BigAutoField"
