"""Legal holds: what belongs to a request is kept until a named matter is closed, whatever the retention says."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_noop as noop

from core_app.history import HistoricalRecords
from core_app.ids import new_id


class LegalHoldQuerySet(models.QuerySet["LegalHold"]):
    """Words for the questions asked of holds."""

    def in_force(self) -> LegalHoldQuerySet:
        """Those that nobody has released."""
        return self.filter(released_at__isnull=True)

    def on(self, request_id: UUID) -> LegalHoldQuerySet:
        """Those in force on one request."""
        return self.in_force().filter(request=request_id)

    def obstacle(self, request_id: UUID) -> str:
        """Return why nothing of a request may be deleted, as a sentence; nothing when no hold is in force."""
        hold = self.on(request_id).order_by("placed_at").first()
        return noop("Its request is under legal hold for %(matter)s.") % {"matter": hold.matter} if hold else ""


class LegalHold(models.Model):
    """A request under legal hold for one matter; a request may be held for several."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, related_name="+")
    request = models.ForeignKey("requests_app.EnvironmentRequest", models.PROTECT, related_name="legal_holds")
    matter = models.CharField(max_length=100, help_text="The case or examination, by its number or name.")
    reason = models.TextField()
    placed_by = models.ForeignKey("accounts_app.User", models.PROTECT, related_name="+")
    placed_at = models.DateTimeField("placed")
    released_by = models.ForeignKey("accounts_app.User", models.PROTECT, null=True, blank=True, related_name="+")
    released_at = models.DateTimeField("released", null=True, blank=True)
    release_reason = models.TextField("why it was released", blank=True)
    history = HistoricalRecords()

    objects: ClassVar[LegalHoldQuerySet] = LegalHoldQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-placed_at", "id"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["request", "matter"], condition=Q(released_at__isnull=True), name="one_hold_per_matter"
            ),
            models.CheckConstraint(condition=~Q(matter="") & ~Q(reason=""), name="a_hold_says_for_what_and_why"),
            models.CheckConstraint(
                condition=Q(released_at__isnull=True, released_by__isnull=True, release_reason="")
                | (Q(released_at__isnull=False, released_by__isnull=False) & ~Q(release_reason="")),
                name="a_released_hold_says_who_and_why",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.request}, {self.matter}"
