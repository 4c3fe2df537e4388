"""Who decides in whose place, and how long."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.db import models

from accounts_app.models.tenant import Tenant
from accounts_app.models.unit import BusinessUnit
from accounts_app.models.user import User
from accounts_app.roles import DECIDING_ROLES
from core_app.history import HistoricalRecords
from core_app.ids import new_id


class DelegationQuerySet(models.QuerySet["Delegation"]):
    """Delegations, by what counts when."""

    def active_at(self, moment: datetime) -> DelegationQuerySet:
        """Return those in force at a moment."""
        return self.filter(begins_at__lte=moment, ends_at__gt=moment, revoked_at__isnull=True)


class Delegation(models.Model):
    """One person lets another decide in their place for a time. The delegate inherits the delegator's conflicts."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="+")
    delegator = models.ForeignKey(User, models.PROTECT, related_name="delegations_given")
    delegate = models.ForeignKey(User, models.PROTECT, related_name="delegations_received")
    role = models.CharField(
        max_length=40,
        choices=[(role.value, role.label) for role in DECIDING_ROLES],
        blank=True,
        help_text="Empty: every role with which the delegator decides.",
    )
    business_unit = models.ForeignKey(
        BusinessUnit,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="This unit and those below it. Empty: wherever the delegator decides.",
    )
    begins_at = models.DateTimeField("begins")
    ends_at = models.DateTimeField("ends")
    is_absence = models.BooleanField(
        "out of office", default=True, help_text="Nothing new is assigned to the delegator meanwhile."
    )
    reason = models.CharField(max_length=200, help_text="Why; it is logged.")
    revoked_at = models.DateTimeField("revoked", null=True, blank=True)
    created_at = models.DateTimeField()
    history = HistoricalRecords()

    objects: ClassVar[DelegationQuerySet] = DelegationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-begins_at"]
        default_permissions = ("add", "view")
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(delegate=models.F("delegator")), name="nobody_delegates_to_self"
            ),
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("begins_at")), name="a_delegation_ends_after_it_begins"
            ),
        ]
        indexes = [models.Index(fields=["delegate", "ends_at"], name="delegation_by_delegate")]

    def __str__(self) -> str:
        return f"{self.delegator} → {self.delegate}"
