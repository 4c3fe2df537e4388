"""Tenants and their versioned settings."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.lookups import GreaterThanOrEqual

from accounts_app.models.stored_number import StoredNumber
from accounts_app.roles import Depth, row_permissions
from accounts_app.tenant_settings import LEAST_RETENTION_YEARS
from audit_app.log import Chain
from core_app import clock
from core_app.history import HistoricalRecords
from core_app.ids import new_id


class Tenant(models.Model):
    """One Microsoft Entra tenant whose Power Platform environments are managed here."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=100, unique=True)
    entra_tenant_id = models.UUIDField("Entra tenant ID", unique=True)
    publisher_prefix = models.CharField(max_length=8, default="fsi", help_text="Prefix of column names in exports.")
    key_vault_url = models.URLField("Key Vault URL", blank=True)
    halted_reason = models.TextField(blank=True, help_text="Why provisioning is halted; empty when it is not.")
    created_at = models.DateTimeField(default=clock.now, editable=False)
    history = HistoricalRecords()

    class Meta:
        permissions = row_permissions(Depth.ORGANISATION)

    def __str__(self) -> str:
        return self.name

    def log_chain(self) -> Chain:
        """Return the chain for entries that belong to no request."""
        return Chain(f"tenant:{self.pk}", self.pk, self.name)

    @property
    def current_settings(self) -> TenantSettings:
        """Return the settings in force: the newest confirmed version."""
        settings = self.settings.filter(confirmed_at__isnull=False).order_by("-version").first()
        if settings is None:
            raise TenantSettings.DoesNotExist(f"{self} has no confirmed settings.")
        return settings


class TenantSettingsQuerySet(models.QuerySet["TenantSettings"]):
    """Versions of settings, by where they stand."""

    def awaiting_a_second_person(self) -> TenantSettingsQuerySet:
        """Return proposals that are neither confirmed nor refused; a tenant has one at most."""
        return self.filter(confirmed_at__isnull=True, rejected_at__isnull=True)


class TenantSettings(models.Model):
    """One version of a tenant's settings; a run pins the version it started with."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="settings")
    version = models.PositiveBigIntegerField()
    values = models.JSONField(help_text="Differences from the defaults in accounts_app/tenant_settings.py.", blank=True)
    proposed_by = models.ForeignKey("User", models.PROTECT, null=True, blank=True, related_name="+")
    proposed_at = models.DateTimeField()
    confirmed_by = models.ForeignKey("User", models.PROTECT, null=True, blank=True, related_name="+")
    confirmed_at = models.DateTimeField(null=True, blank=True)
    rejected_by = models.ForeignKey(
        "User", models.PROTECT, null=True, blank=True, related_name="+", verbose_name="refused by"
    )
    rejected_at = models.DateTimeField("refused at", null=True, blank=True)
    rejection_reason = models.TextField("why it was refused", blank=True)
    history = HistoricalRecords()

    objects: ClassVar[TenantSettingsQuerySet] = TenantSettingsQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name_plural = "tenant settings"
        ordering = ["tenant", "-version"]
        default_permissions = ("view",)
        permissions = [
            ("propose_tenantsettings", "Can propose settings"),
            ("confirm_tenantsettings", "Can confirm settings"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "version"], name="one_settings_row_per_version"),
            models.CheckConstraint(
                condition=models.Q(confirmed_by__isnull=True) | ~models.Q(confirmed_by=models.F("proposed_by")),
                name="settings_need_a_second_person",
            ),
            models.UniqueConstraint(
                fields=["tenant"],
                condition=models.Q(confirmed_at__isnull=True, rejected_at__isnull=True),
                name="one_open_proposal_per_tenant",
            ),
            models.CheckConstraint(
                condition=models.Q(rejected_at__isnull=True)
                | (models.Q(confirmed_at__isnull=True, rejected_by__isnull=False) & ~models.Q(rejection_reason="")),
                name="refused_settings_say_who_and_why",
            ),
            *(
                models.CheckConstraint(
                    condition=models.Q(GreaterThanOrEqual(StoredNumber("values", "retention_years", str(zone)), years)),
                    name=f"zone_{zone}_is_kept_for_{years}_years",
                )
                for zone, years in LEAST_RETENTION_YEARS.items()
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tenant} settings v{self.version}"

    @property
    def is_open(self) -> bool:
        """Say whether it waits for a second person."""
        return self.confirmed_at is None and self.rejected_at is None
