"""The outbox."""

from __future__ import annotations

from django.db import models
from simple_history.models import HistoricalRecords

from core_app.ids import new_id
from notifications_app.catalogue import Event


class OutboxMessage(models.Model):
    """One message to one person; written with the change it announces, delivered after."""

    class Status(models.IntegerChoices):
        QUEUED = 1, "Queued"
        SENT = 2, "Sent"
        KEPT = 3, "Kept (this system sends nothing)"
        FAILED = 4, "Failed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, related_name="+")
    event = models.CharField(max_length=30, choices=Event.choices)
    reference = models.CharField(max_length=100, help_text="What it is about, for example REQ-00001.")
    recipient = models.ForeignKey("accounts_app.User", models.PROTECT, related_name="+")
    subject = models.CharField(max_length=200)
    body = models.TextField()
    once = models.CharField(max_length=200, help_text="The same key to the same person is sent once.")
    status = models.PositiveSmallIntegerField(choices=Status.choices, default=Status.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    next_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    history = HistoricalRecords(excluded_fields=["next_at"])

    class Meta:
        ordering = ["-created_at"]
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["recipient", "once"], name="each_message_is_sent_once")]
        indexes = [models.Index(fields=["status", "next_at"], name="outbox_by_due_time")]

    def __str__(self) -> str:
        return f"{self.get_event_display()} → {self.recipient}"
