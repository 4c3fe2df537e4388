"""Circuit breakers: services of Microsoft that a tenant's runs do not call for a while."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class CircuitBreaker(models.Model):
    """How one of Microsoft's services answers one tenant; while it is open the tenant's runs wait.

    It has no history: it only counts, and what the count leads to, opening and closing, are entries of the log.
    """

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, related_name="breakers")
    service = models.CharField(max_length=40)
    failures = models.PositiveIntegerField(default=0, help_text="In a row, each soon after the one before.")
    openings = models.PositiveIntegerField(default=0, help_text="In a row; each pause is twice as long.")
    last_failure_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True, help_text="Since when it does not answer well.")
    opened_until = models.DateTimeField(null=True, blank=True, help_text="Then one run tries; empty when closed.")
    reason = models.TextField(blank=True)
    recorded: ClassVar = ("reason",)  # sentences in English, which screens translate

    class Meta:
        ordering = ["tenant", "service"]
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["tenant", "service"], name="one_breaker_per_service")]
        indexes = [
            models.Index(fields=["opened_until"], condition=models.Q(opened_until__isnull=False), name="open_breakers")
        ]

    def __str__(self) -> str:
        return f"{self.service} for {self.tenant}"
