"""Privilege reviews: what the service principal holds and did, against what it should; signed by a person."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from core_app.history import HistoricalRecords
from core_app.ids import new_id


class PrivilegeReview(models.Model):
    """One review of one tenant over a period, quarterly."""

    class Status(models.IntegerChoices):
        COLLECTING = 1, "Collecting"
        OPEN = 2, "Open"
        SIGNED = 3, "Signed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, related_name="privilege_reviews")
    status = models.PositiveSmallIntegerField(choices=Status.choices, default=Status.COLLECTING)
    covers_from = models.DateTimeField()
    covers_until = models.DateTimeField()
    started_by = models.ForeignKey("accounts_app.User", models.PROTECT, null=True, blank=True, related_name="+")
    started_at = models.DateTimeField()
    collected_at = models.DateTimeField(null=True, blank=True)
    checked = models.JSONField(default=dict, blank=True, help_text="How much of what was looked at.")
    error = models.TextField(blank=True, help_text="Why it could not be collected yet; tried again by the sweep.")
    signed_by = models.ForeignKey("accounts_app.User", models.PROTECT, null=True, blank=True, related_name="+")
    signed_at = models.DateTimeField(null=True, blank=True)
    history = HistoricalRecords()
    recorded: ClassVar = ("error",)  # sentences in English, which screens translate

    class Meta:
        ordering = ["-started_at"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["tenant"], condition=~Q(status=3), name="one_unsigned_review_per_tenant"),
            models.CheckConstraint(
                condition=~Q(status=3) | Q(signed_by__isnull=False, signed_at__isnull=False),
                name="signed_reviews_name_the_signer",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tenant}, {self.covers_from:%Y-%m-%d} to {self.covers_until:%Y-%m-%d}"


class PrivilegeFinding(models.Model):
    """One difference between what is and what should be; a person disposes of it."""

    class Kind(models.TextChoices):
        UNEXPECTED_APPLICATION = "unexpected_application", "Unexpected management application"
        MISSING_APPLICATION = "missing_application", "Management application not registered"
        UNEXPECTED_CREDENTIAL = "unexpected_credential", "Unexpected credential"
        ROLE_ASSIGNMENT = "role_assignment", "Power Platform role assignment"
        GRAPH_PERMISSION = "graph_permission", "Unexpected permission on Microsoft Graph"
        PRINCIPAL_ROLES = "principal_roles", "Roles of the principal in an environment"
        UNEXPLAINED_OPERATION = "unexplained_operation", "Operation outside our runs"
        NOT_CHECKED = "not_checked", "Could not be checked"

    class Disposition(models.TextChoices):
        ACCEPTED = "accepted", "Accepted, with the reason given"
        MENDED = "mended", "Mended"
        ESCALATED = "escalated", "Escalated as an incident"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    review = models.ForeignKey(PrivilegeReview, models.PROTECT, related_name="findings")
    kind = models.CharField(max_length=30, choices=Kind.choices)
    subject = models.CharField(max_length=200, help_text="What it is about: an application, an environment, a key.")
    expected = models.TextField()
    observed = models.TextField()
    disposition = models.CharField(max_length=20, choices=Disposition.choices, blank=True)
    comment = models.TextField(blank=True)
    disposed_by = models.ForeignKey("accounts_app.User", models.PROTECT, null=True, blank=True, related_name="+")
    disposed_at = models.DateTimeField(null=True, blank=True)
    history = HistoricalRecords()
    recorded: ClassVar = ("expected", "observed")  # sentences in English, which screens translate

    class Meta:
        ordering = ["review", "kind", "subject"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["review", "kind", "subject"], name="each_finding_once_per_review"),
            models.CheckConstraint(
                condition=Q(disposition="", disposed_by__isnull=True)
                | (~Q(disposition="") & Q(disposed_by__isnull=False, disposed_at__isnull=False)),
                name="a_disposition_names_who_and_when",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.subject}"
