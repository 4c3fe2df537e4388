"""A requester's dispute of a zone, which has a gate of its own (elm.md §2)."""

from __future__ import annotations

from django.db import models

from core_app.history import HistoricalRecords
from core_app.ids import new_id
from requests_app.choices import Zone
from requests_app.models.request import EnvironmentRequest


class ZoneDispute(models.Model):
    """A requester asks a Governance Lead for a lower zone than the answers lead to.

    Where the lead agrees, the lower zone holds for these very answers under these very rules, and for no others.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    request = models.ForeignKey(EnvironmentRequest, models.PROTECT, related_name="zone_disputes")
    gate = models.OneToOneField("gates_app.Gate", models.PROTECT, related_name="+")
    classified_zone = models.PositiveSmallIntegerField("zone by the rules", choices=Zone.choices)
    wanted_zone = models.PositiveSmallIntegerField("zone asked for", choices=Zone.choices)
    rationale = models.TextField()
    answers = models.JSONField(help_text="The answers that the zone followed from.")
    rule_set_version = models.CharField(max_length=40)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    history = HistoricalRecords()

    class Meta:
        ordering = ["-opened_at", "-id"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["request"], condition=models.Q(closed_at__isnull=True), name="one_open_dispute_per_request"
            ),
            models.CheckConstraint(
                condition=models.Q(wanted_zone__lt=models.F("classified_zone")), name="a_dispute_asks_for_a_lower_zone"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.request}: Zone {self.wanted_zone} instead of Zone {self.classified_zone}"
