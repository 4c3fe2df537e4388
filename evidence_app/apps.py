"""The evidence app, and the trigger that keeps what was stored where on record."""

from __future__ import annotations

from typing import ClassVar

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from audit_app.triggers import AppendOnly, Trigger


class EvidenceConfig(AppConfig):
    """What an examiner takes home."""

    name = "evidence_app"
    verbose_name = _("Evidence")
    default_auto_field = "django.db.models.BigAutoField"
    triggers: ClassVar[tuple[Trigger, ...]] = (
        AppendOnly("evidence_app_evidencecopy", unique=(("id",), ("tenant_id", "quarter", "place"))),
    )
