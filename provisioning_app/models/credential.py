"""Rotations of credentials: one row per rotation is its journal, its timer and its lock."""

from __future__ import annotations

from typing import ClassVar, Final

from django.db import models
from django.db.models import Q

from accounts_app.models import TenantIdentity
from core_app.history import HistoricalRecords
from core_app.ids import new_id


class RotationRecord(models.Model):
    """One rotation of one identity's credential. The credential itself is never here: only Key Vault has it."""

    class Stage(models.IntegerChoices):
        PREPARING = 1, "Finding the credential in force"
        ADDING = 2, "Adding the new credential"  # from here on a lost answer may have left one behind
        STAGED = 3, "Proving the new credential"
        PROVED = 4, "Bringing the new credential into force"
        IN_FORCE = 5, "Revoking the old credential"
        COMPLETED = 6, "Rotated"
        WITHDRAWING = 7, "Removing the new credential again"
        ABANDONED = 8, "Abandoned"

    LIVE: Final = (Stage.PREPARING, Stage.ADDING, Stage.STAGED, Stage.PROVED, Stage.IN_FORCE, Stage.WITHDRAWING)

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, related_name="rotations")
    identity = models.ForeignKey(TenantIdentity, models.PROTECT, related_name="rotations")
    kind = models.CharField(max_length=20, choices=TenantIdentity.Kind.choices)
    secret_name = models.CharField(max_length=127, help_text="Name of the Key Vault secret it will be in force under.")
    stage = models.PositiveSmallIntegerField(choices=Stage.choices, default=Stage.PREPARING)
    requested_by = models.ForeignKey("accounts_app.User", models.PROTECT, null=True, blank=True, related_name="+")

    key_id = models.CharField("new key ID", max_length=64, blank=True)
    secret_version = models.CharField("new version", max_length=64, blank=True)
    expires_on = models.DateTimeField(null=True, blank=True)
    old_key_id = models.CharField("old key ID", max_length=64, blank=True)
    old_secret_version = models.CharField("old version", max_length=64, blank=True)
    proof = models.JSONField(default=list, blank=True, help_text="What the preflight with the new credential read.")

    started_at = models.DateTimeField()
    stage_at = models.DateTimeField(help_text="When it came to its stage.")
    proved_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField("old one revoked at", null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Failed attempts at its stage.")
    error = models.TextField(blank=True)
    next_at = models.DateTimeField(help_text="When it is due; while a worker has it, when another may take it over.")
    token = models.PositiveBigIntegerField(default=0, help_text="Fencing token; it only grows.")
    history = HistoricalRecords(excluded_fields=["next_at", "token"])
    recorded: ClassVar = ("error",)  # sentences in English, which screens translate

    class Meta:
        ordering = ["-started_at"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["identity"], condition=Q(stage__in=(1, 2, 3, 4, 5, 7)), name="one_live_rotation_per_identity"
            ),
            models.CheckConstraint(
                condition=Q(revoked_at__isnull=True) | Q(proved_at__isnull=False), name="nothing_revoked_before_proved"
            ),
        ]
        indexes = [models.Index(fields=["next_at"], condition=Q(stage__in=(1, 2, 3, 4, 5, 7)), name="rotation_by_due")]

    def __str__(self) -> str:
        return f"{self.identity}: {self.get_stage_display()}"

    @property
    def is_live(self) -> bool:
        """Say whether it has not come to its end."""
        return self.stage in self.LIVE

    @property
    def label(self) -> str:
        """Return the name of the new credential at Entra, by which a lost one is found again."""
        return f"elm-{self.pk}"

    @property
    def staging_name(self) -> str:
        """Return the name under which Key Vault keeps the new credential until it is proved."""
        return f"{self.secret_name}-Next"
