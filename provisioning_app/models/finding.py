"""What the reconciler found: where Microsoft, our rows and our intentions differ."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from core_app.history import HistoricalRecords
from core_app.ids import new_id
from provisioning_app.choices import FindingKind


class ReconciliationFinding(models.Model):
    """One difference; it stays open as long as it is seen, and is found only once while it is open."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, related_name="+")
    kind = models.PositiveSmallIntegerField(choices=FindingKind.choices)
    subject = models.CharField(max_length=200, help_text="What it is about: with the kind it tells findings apart.")
    environment_id = models.CharField("environment ID", max_length=100, blank=True)
    run = models.ForeignKey(
        "provisioning_app.ProvisioningRun", models.PROTECT, null=True, blank=True, related_name="findings"
    )
    request = models.ForeignKey(
        "requests_app.EnvironmentRequest", models.PROTECT, null=True, blank=True, related_name="findings"
    )
    detail = models.TextField()
    found_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    history = HistoricalRecords(excluded_fields=["last_seen_at"])
    recorded: ClassVar = ("detail",)  # sentences in English, which screens translate

    class Meta:
        ordering = ["-found_at"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "kind", "subject"],
                condition=Q(resolved_at__isnull=True),
                name="one_open_finding_per_subject",
            ),
        ]
        indexes = [models.Index(fields=["tenant", "environment_id"], name="finding_by_environment")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.subject}"
