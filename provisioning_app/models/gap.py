"""Gaps: controls that are not applied yet, with an owner and an age."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from core_app.history import HistoricalRecords
from core_app.ids import new_id


class Gap(models.Model):
    """A control that could not be applied although provisioning went on; retried by a sweep until it is closed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    request = models.ForeignKey("requests_app.EnvironmentRequest", models.PROTECT, related_name="gaps")
    run = models.ForeignKey("provisioning_app.ProvisioningRun", models.PROTECT, related_name="gaps")
    step = models.CharField(max_length=40)
    reason = models.TextField()
    owner = models.ForeignKey("accounts_app.User", models.PROTECT, null=True, blank=True, related_name="+")
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0, help_text="How often the sweep has retried it.")
    next_at = models.DateTimeField()
    history = HistoricalRecords()
    recorded: ClassVar = ("reason",)  # sentences in English, which screens translate

    class Meta:
        ordering = ["-opened_at"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["request", "step"], condition=Q(closed_at__isnull=True), name="one_open_gap_per_step"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.request}: {self.step.replace('_', ' ')}"
