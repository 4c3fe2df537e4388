"""Rollbacks: the deletion of an environment that a person chose, as a durable row."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from core_app.history import HistoricalRecords
from core_app.ids import new_id
from provisioning_app.choices import LIVE_ROLLBACKS, RollbackStatus


class Rollback(models.Model):
    """One deletion, from a person's word to what became of it. Its id is the correlation id at Microsoft."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, related_name="+")
    request = models.ForeignKey("requests_app.EnvironmentRequest", models.PROTECT, related_name="rollbacks")
    run = models.ForeignKey("provisioning_app.ProvisioningRun", models.PROTECT, related_name="+")
    environment = models.ForeignKey("provisioning_app.Environment", models.PROTECT, related_name="rollbacks")
    status = models.PositiveSmallIntegerField(choices=RollbackStatus.choices, default=RollbackStatus.INITIATED)
    initiated_by = models.ForeignKey("accounts_app.User", models.PROTECT, related_name="+")
    reason = models.TextField()
    initiated_at = models.DateTimeField()
    next_at = models.DateTimeField(help_text="When it is due: the row is the timer.")
    deadline = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0, help_text="How often the deletion was asked for.")
    operation_url = models.URLField("operation URL", max_length=500, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    history = HistoricalRecords(excluded_fields=["next_at"])
    recorded: ClassVar = ("error",)  # sentences in English, which screens translate

    class Meta:
        ordering = ["-initiated_at"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["environment"], condition=Q(status__in=LIVE_ROLLBACKS), name="one_live_rollback_per_environment"
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], condition=Q(status__in=LIVE_ROLLBACKS), name="rollback_by_due_time")
        ]

    def __str__(self) -> str:
        return f"Rollback of {self.environment}"
