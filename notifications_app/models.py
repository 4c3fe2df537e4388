"""The outbox, and what people chose not to hear of."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core_app.history import HistoricalRecords
from core_app.ids import new_id
from notifications_app.catalogue import Channel, Event

if TYPE_CHECKING:
    from accounts_app.models import User


class OutboxQuerySet(models.QuerySet["OutboxMessage"]):
    """Messages, by where they stand."""

    def told(self, tenant_id: UUID, people: Collection[User], once: str) -> OutboxQuerySet:
        """Return what was announced under a key: to these people, and as a card of the tenant.

        By recipient, or by tenant among the cards, which is how the indexes begin: the outbox only grows.
        """
        cards = Q(tenant=tenant_id, channel=Channel.TEAMS, recipient__isnull=True)
        return self.filter(recipient__in=people, once=once) | self.filter(cards, once=once)


class OutboxMessage(models.Model):
    """One message: a mail to one person, or a card in a tenant's Teams channel.

    It is written with the change it announces and delivered after.
    """

    class Status(models.IntegerChoices):
        QUEUED = 1, _("Queued")
        SENT = 2, _("Sent")
        KEPT = 3, _("Kept")
        FAILED = 4, _("Failed")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, related_name="+")
    event = models.CharField(max_length=30, choices=Event.choices)
    channel = models.CharField(max_length=10, choices=Channel.choices, default=Channel.EMAIL)
    reference = models.CharField(max_length=100, help_text="What it is about, for example REQ-00001.")
    recipient = models.ForeignKey(
        "accounts_app.User",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Who is told; nobody by name where it is a card in the tenant's Teams channel.",
    )
    mentioned = models.JSONField(default=list, blank=True, help_text="Ids of the people whom a card mentions.")
    subject = models.CharField(max_length=200)
    body = models.TextField()
    link = models.CharField(max_length=200, blank=True, help_text="Path of the page it is about.")
    once = models.CharField(max_length=200, help_text="The same key to the same person is sent once.")
    status = models.PositiveSmallIntegerField(choices=Status.choices, default=Status.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    next_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    history = HistoricalRecords(excluded_fields=["next_at"])

    objects: ClassVar[OutboxQuerySet] = OutboxQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-created_at"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["recipient", "once"], name="each_message_is_sent_once"),
            models.UniqueConstraint(
                fields=["tenant", "channel", "once"], condition=Q(recipient__isnull=True), name="each_card_is_sent_once"
            ),
            models.CheckConstraint(
                condition=Q(channel=Channel.EMAIL, recipient__isnull=False)
                | Q(channel=Channel.TEAMS, recipient__isnull=True),
                name="a_mail_goes_to_a_person_and_a_card_to_a_tenant",
            ),
        ]
        indexes = [models.Index(fields=["status", "next_at"], name="outbox_by_due_time")]

    def __str__(self) -> str:
        return f"{self.get_event_display()} → {self.recipient or self.get_channel_display()}"


class NotificationChoice(models.Model):
    """Whether a person wants to hear of an event through a channel; without a row they do."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    person = models.ForeignKey("accounts_app.User", models.PROTECT, related_name="notification_choices")
    event = models.CharField(max_length=30, choices=Event.choices)
    channel = models.CharField(max_length=10, choices=Channel.choices)
    is_wanted = models.BooleanField(default=True)
    history = HistoricalRecords()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["person", "event", "channel"], name="one_choice_per_channel")]

    def __str__(self) -> str:
        return f"{self.get_event_display()}, {self.get_channel_display()}: {'on' if self.is_wanted else 'off'}"
