"""The register: every environment that was created here, and those that our principal made without a request."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from core_app.history import HistoricalRecords
from core_app.ids import new_id
from provisioning_app.choices import EnvironmentStatus
from requests_app.choices import Zone


class Environment(models.Model):
    """A Power Platform environment and the request it came from; an orphan has none and is quarantined."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, related_name="environments")
    business_unit = models.ForeignKey(
        "accounts_app.BusinessUnit", models.PROTECT, null=True, blank=True, related_name="environments"
    )
    request = models.ForeignKey(
        "requests_app.EnvironmentRequest", models.PROTECT, null=True, blank=True, related_name="environments"
    )
    environment_id = models.CharField("environment ID", max_length=100)
    display_name = models.CharField(max_length=100)
    domain_name = models.CharField(max_length=64, blank=True)
    url = models.URLField("URL", blank=True)
    zone = models.PositiveSmallIntegerField(choices=Zone.choices, null=True, blank=True)
    status = models.PositiveSmallIntegerField(choices=EnvironmentStatus.choices, default=EnvironmentStatus.PROVISIONING)
    created_at = models.DateTimeField(help_text="When the environment came to exist, or was first seen.")
    governed_at = models.DateTimeField(null=True, blank=True, help_text="When every control was first proved.")
    quarantined_at = models.DateTimeField(null=True, blank=True)
    quarantine_reason = models.TextField(blank=True)
    operations_read_at = models.DateTimeField(
        null=True, blank=True, help_text="When its operations were last compared with our runs."
    )
    history = HistoricalRecords(excluded_fields=["operations_read_at"])
    recorded: ClassVar = ("quarantine_reason",)  # sentences in English, which screens translate

    class Meta:
        ordering = ["-created_at"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["tenant", "environment_id"], name="one_row_per_environment"),
            models.UniqueConstraint(
                fields=["tenant", "domain_name"],
                condition=~Q(domain_name="") & ~Q(status=EnvironmentStatus.DELETED),
                name="one_row_per_domain",
            ),
            models.UniqueConstraint(
                fields=["request"],
                condition=~Q(status=EnvironmentStatus.DELETED),
                name="one_environment_per_request",
            ),
            models.CheckConstraint(
                condition=~Q(status=EnvironmentStatus.QUARANTINED)
                | (Q(quarantined_at__isnull=False) & ~Q(quarantine_reason="")),
                name="quarantined_says_since_when_and_why",
            ),
            models.CheckConstraint(
                condition=Q(request__isnull=False)
                | Q(status__in=(EnvironmentStatus.QUARANTINED, EnvironmentStatus.DELETED)),
                name="an_orphan_is_quarantined",
            ),
        ]

    def __str__(self) -> str:
        return self.display_name


class GovernedControl(models.Model):
    """How long an environment existed before one of its controls was first proved: the policy gap in seconds."""

    id = models.BigAutoField(primary_key=True)
    environment = models.ForeignKey(Environment, models.PROTECT, related_name="controls")
    control = models.CharField(max_length=40)
    governed_at = models.DateTimeField(help_text="When it was first read back.")
    seconds = models.PositiveIntegerField(help_text="Since the environment came to exist.")

    class Meta:
        ordering = ["environment", "governed_at", "id"]
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["environment", "control"], name="one_clock_per_control")]
        indexes = [models.Index(fields=["governed_at"], name="control_by_moment")]

    def __str__(self) -> str:
        return f"{self.environment}: {self.control} after {self.seconds} s"
