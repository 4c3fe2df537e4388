"""Which group in Microsoft Entra gives which role here, and what a person holds because of it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from accounts_app.models import BusinessUnit, Tenant, User
from accounts_app.roles import Depth, Role
from core_app.history import HistoricalRecords
from core_app.ids import new_id


class GroupMappingQuerySet(models.QuerySet["GroupMapping"]):
    """Mappings, by what counts."""

    def in_force(self) -> GroupMappingQuerySet:
        """Return those that a second person confirmed and nobody ended."""
        return self.filter(confirmed_at__isnull=False, ended_at__isnull=True)


class GroupMapping(models.Model):
    """Members of an Entra group get a role over a business unit or the tenant when they sign in."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="group_mappings")
    group_id = models.UUIDField("Entra group ID", help_text="The group's object ID in Microsoft Entra.")
    group_name = models.CharField(max_length=256, help_text="What people call the group; it decides nothing.")
    role = models.CharField(max_length=40, choices=Role.choices)
    business_unit = models.ForeignKey(BusinessUnit, models.PROTECT, null=True, blank=True, related_name="+")
    depth = models.CharField(max_length=20, choices=Depth.choices, blank=True)
    proposed_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField("proposed")
    confirmed_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    confirmed_at = models.DateTimeField("confirmed", null=True, blank=True)
    ended_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    ended_at = models.DateTimeField("ended", null=True, blank=True)
    history = HistoricalRecords()

    objects: ClassVar[GroupMappingQuerySet] = GroupMappingQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = "role by Entra group"
        verbose_name_plural = "roles by Entra group"
        ordering = ["tenant", "group_name", "proposed_at"]
        default_permissions = ("add", "view")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(confirmed_by__isnull=True) | ~models.Q(confirmed_by=models.F("proposed_by")),
                name="a_mapping_needs_a_second_person",
            ),
            models.CheckConstraint(
                condition=models.Q(business_unit__isnull=False) | models.Q(depth__in=["", Depth.ORGANISATION.value]),
                name="a_mapping_without_unit_is_for_the_tenant",
            ),
            models.UniqueConstraint(
                fields=["group_id", "role", "business_unit", "depth"],
                condition=models.Q(ended_at__isnull=True, business_unit__isnull=False),
                name="one_live_mapping_to_a_unit",
            ),
            models.UniqueConstraint(
                fields=["tenant", "group_id", "role"],
                condition=models.Q(ended_at__isnull=True, business_unit__isnull=True),
                name="one_live_mapping_to_a_tenant",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group_name} → {self.role}"

    @property
    def at(self) -> BusinessUnit | Tenant:
        """Return what the role is held over."""
        return self.business_unit or self.tenant

    @property
    def is_live(self) -> bool:
        """Say whether it counts or waits to be confirmed."""
        return self.ended_at is None


class MappedGrant(models.Model):
    """A mapping has given its role to a person; sign-in takes it away when they have left the group."""

    id = models.BigAutoField(primary_key=True)
    mapping = models.ForeignKey(GroupMapping, models.PROTECT, related_name="grants")
    user = models.ForeignKey(User, models.CASCADE, related_name="mapped_grants")
    since = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["mapping", "user"], name="a_mapping_gives_once")]

    def __str__(self) -> str:
        return f"{self.user}: {self.mapping}"
