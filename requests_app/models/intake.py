"""What was received from the intake agent."""

from __future__ import annotations

from django.db import models

from requests_app.models.request import EnvironmentRequest


class IntakeReceipt(models.Model):
    """Remembers a payload of the intake agent, so that the same one twice makes one request."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, related_name="+")
    external_id = models.CharField(max_length=100, help_text="The payload's requestId.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the payload's content.")
    request = models.OneToOneField(EnvironmentRequest, models.PROTECT, related_name="intake_receipt")
    received_at = models.DateTimeField()

    class Meta:
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["tenant", "external_id"], name="one_request_per_intake_id")]

    def __str__(self) -> str:
        return f"{self.external_id} → {self.request}"
