"""Business units, a tree per tenant."""

from __future__ import annotations

from typing import Any

from django.db import models, transaction
from django.db.models.functions import Lower

from accounts_app.models.tenant import Tenant
from accounts_app.roles import Depth, row_permissions
from core_app.history import HistoricalRecords
from core_app.ids import new_id


class BusinessUnit(models.Model):
    """A node in a tenant's tree of business units."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="business_units")
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")
    name = models.CharField(max_length=100)
    path = models.TextField(editable=False, help_text="Ids from the root to here, each followed by a slash.")
    history = HistoricalRecords()

    class Meta:
        ordering = ["path"]
        permissions = row_permissions(Depth.LOCAL, Depth.DEEP)
        constraints = [
            models.UniqueConstraint("tenant", "parent", Lower("name"), name="unit_names_differ_below_one_parent"),
            # Without a parent the one above holds nothing apart: a null differs from every other null
            models.UniqueConstraint(
                "tenant", Lower("name"), condition=models.Q(parent__isnull=True), name="names_of_root_units_differ"
            ),
            models.UniqueConstraint(fields=["path"], name="one_unit_per_path"),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, with the path that follows from the parent; the units below move along with it."""
        before, self.path = self.path, f"{self.parent.path if self.parent else ''}{self.pk}/"
        with transaction.atomic():
            super().save(*args, **kwargs)
            if before != self.path:
                for child in self.children.all():
                    child.parent = self
                    child.save()
