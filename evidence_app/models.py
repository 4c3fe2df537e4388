"""Access reviews: who could do what at one moment, and who signed for it; copies of evidence in the stores."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from core_app.history import HistoricalRecords
from core_app.ids import new_id
from evidence_app.quarters import quarter_of


class AccessReview(models.Model):
    """What the roles, grants and the database of one tenant allowed when it was taken; signed quarterly by a person."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, related_name="access_reviews")
    taken_at = models.DateTimeField("taken")
    taken_by = models.ForeignKey("accounts_app.User", models.PROTECT, related_name="+")
    ok = models.BooleanField("as expected")
    document = models.JSONField(help_text="What manage.py verify_privileges --json says, of this tenant.")
    sha256 = models.CharField("SHA-256", max_length=64, help_text="Of the document as JSON with sorted names.")
    signed_by = models.ForeignKey("accounts_app.User", models.PROTECT, null=True, blank=True, related_name="+")
    signed_at = models.DateTimeField("signed", null=True, blank=True)
    statement = models.TextField(blank=True, help_text="What who signed says about it; about findings they have to.")
    history = HistoricalRecords(excluded_fields=["document"])

    class Meta:
        ordering = ["-taken_at", "id"]
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                condition=Q(signed_by__isnull=True, signed_at__isnull=True, statement="")
                | (Q(signed_by__isnull=False, signed_at__isnull=False) & (Q(ok=True) | ~Q(statement=""))),
                name="signed_access_reviews_name_the_signer_and_explain_findings",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tenant}, {self.quarter}, taken {self.taken_at:%Y-%m-%d %H:%M} UTC"

    @property
    def quarter(self) -> str:
        """Return the quarter it stands for."""
        return quarter_of(self.taken_at)


class EvidenceCopy(models.Model):
    """A quarter's package in a store that the database's administrators do not reach."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, related_name="+")
    quarter = models.CharField(max_length=6)
    place = models.CharField("store", max_length=300)
    name = models.CharField(max_length=300)
    parts = models.PositiveSmallIntegerField(default=1, help_text="More than one: name.001 and so on, to be joined.")
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    sha256 = models.CharField("SHA-256", max_length=64)
    manifest_sha256 = models.CharField("SHA-256 of its manifest", max_length=64)
    kept_until = models.DateTimeField(null=True, blank=True)
    is_worm = models.BooleanField("WORM", default=False, help_text="The store confirmed a locked policy.")
    stored_at = models.DateTimeField("stored")

    class Meta:
        verbose_name = "stored evidence"
        verbose_name_plural = "stored evidence"
        ordering = ["-quarter", "place"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["tenant", "quarter", "place"], name="one_copy_per_quarter_and_store")
        ]

    def __str__(self) -> str:
        return f"{self.tenant}, {self.quarter}, in {self.place}"
