"""Announce an event to people and deliver what is due."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core.mail import send_mail

from accounts_app.models import User
from core_app import clock
from core_app.doorbell import ring
from core_app.transactions import transactional
from notifications_app.catalogue import WORDS, Event
from notifications_app.models import OutboxMessage

MAX_ATTEMPTS = 8
_FIRST_WAIT = timedelta(seconds=30)


def announce(event: Event, *, to: Iterable[User], tenant_id: UUID, reference: str, once: str, **words: object) -> int:
    """Put a message for each person into the outbox, in the caller's transaction.

    Args:
        event: What happened.
        to: Who hears about it; inactive accounts are left out.
        tenant_id: Whose message it is.
        reference: What it is about, as people call it.
        once: Key under which the same person is told only once.
        words: Values for the placeholders of the event's words.

    Returns:
        How many messages were new.
    """
    text, key, now = WORDS[event], f"{event}:{once}"[:200], clock.now()
    messages = [
        OutboxMessage(
            tenant_id=tenant_id,
            event=event,
            reference=reference,
            recipient=person,
            subject=_one_line(text.subject.format(number=reference, **words))[:200],
            body=text.body.format(number=reference, **words),
            once=key,
            created_at=now,
            next_at=now,
        )
        for person in {person.pk: person for person in to if person.is_active}.values()
    ]
    # By recipient too, which is how the index begins: the outbox only grows
    told = OutboxMessage.objects.filter(recipient__in=[item.recipient for item in messages], once=key)
    before = told.count()
    OutboxMessage.objects.bulk_create(messages, ignore_conflicts=True)
    ring("notifications_app.tasks.deliver")
    return told.count() - before


def deliver_due(limit: int = 100) -> int:
    """Deliver messages that are due; a message is claimed before it is sent, so two workers never send it twice.

    Returns:
        How many were handled.
    """
    now = clock.now()
    due = OutboxMessage.objects.filter(status=OutboxMessage.Status.QUEUED, next_at__lte=now).order_by("next_at")
    handled = 0
    for message in due.select_related("recipient")[:limit]:
        wait = _FIRST_WAIT * 2**message.attempts
        claimed = OutboxMessage.objects.filter(
            pk=message.pk, status=OutboxMessage.Status.QUEUED, next_at=message.next_at
        ).update(next_at=now + wait, attempts=message.attempts + 1)
        if claimed:
            _deliver(message)
            handled += 1
    return handled


def _deliver(message: OutboxMessage) -> None:
    if settings.NOTIFICATIONS_SINK:
        _mark(message, OutboxMessage.Status.KEPT)
        return
    try:
        send_mail(
            message.subject,
            message.body,
            settings.DEFAULT_FROM_EMAIL,
            [message.recipient.email or message.recipient.upn],
        )
    except OSError as error:  # SMTP errors are OSErrors; the message stays queued until its attempts are used up
        exhausted = message.attempts + 1 >= MAX_ATTEMPTS
        _mark(message, OutboxMessage.Status.FAILED if exhausted else OutboxMessage.Status.QUEUED, type(error).__name__)
        return
    _mark(message, OutboxMessage.Status.SENT)


@transactional
def _mark(message: OutboxMessage, status: OutboxMessage.Status, error: str = "") -> None:
    sent_at = clock.now() if status in (OutboxMessage.Status.SENT, OutboxMessage.Status.KEPT) else None
    message.status, message.sent_at, message.last_error = status, sent_at, error
    message.save(update_fields=["status", "sent_at", "last_error"])


def _one_line(text: str) -> str:
    return " ".join(text.split())
