"""Deliver what is due, give up in the end, and send again what a person wants sent again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from django.conf import settings
from django.utils.translation import gettext as _

from accounts_app.models import User
from accounts_app.roles import Role
from accounts_app.scope import scope_of
from audit_app.actions import Action
from audit_app.actors import person
from audit_app.log import record
from core_app import clock
from core_app.doorbell import ring
from core_app.errors import DomainError, PermissionRefused
from core_app.transactions import transactional
from notifications_app.catalogue import Channel
from notifications_app.channels import NotDeliveredError, mail, teams
from notifications_app.models import OutboxMessage
from notifications_app.services import DELIVER

log = structlog.get_logger(__name__)

MAX_ATTEMPTS: Final = 8
_FIRST_WAIT: Final = timedelta(
    seconds=30
)  # doubled with each attempt: the last one is a little more than an hour later
_CHANNELS: Final[dict[str, Callable[[OutboxMessage], None]]] = {Channel.EMAIL: mail.send, Channel.TEAMS: teams.send}
Status = OutboxMessage.Status


def sends() -> bool:
    """Say whether this system sends anything; as a sink it keeps every message in the outbox."""
    return bool(settings.NOTIFICATIONS == "send")


def deliver_due(limit: int = 100) -> int:
    """Deliver messages that are due; a message is claimed before it is sent, so two workers never send it twice.

    Returns:
        How many were handled.
    """
    now = clock.now()
    due = OutboxMessage.objects.filter(status=Status.QUEUED, next_at__lte=now).order_by("next_at")
    handled = 0
    for message in due.select_related("recipient", "tenant")[:limit]:
        if _claim(message, now):
            _deliver(message)
            handled += 1
    return handled


def _claim(message: OutboxMessage, now: datetime) -> bool:
    """Take a message for one attempt; whoever dies in the middle of it is followed by the next attempt."""
    mine = OutboxMessage.objects.filter(pk=message.pk, status=Status.QUEUED, next_at=message.next_at)
    message.next_at = now + _FIRST_WAIT * 2**message.attempts
    message.attempts += 1
    return bool(mine.update(next_at=message.next_at, attempts=message.attempts))


def _deliver(message: OutboxMessage) -> None:
    if not sends():
        log.info("notification_kept", event_name=message.event, channel=message.channel, message=str(message.pk))
        _mark(message, Status.KEPT)
        return
    try:
        _CHANNELS[message.channel](message)
    except NotDeliveredError as error:
        _not_delivered(message, error)
    except Exception as error:  # one that breaks a channel stops none of the others, and is given up in the end
        log.exception("notification_broke", channel=message.channel, message=str(message.pk))
        _not_delivered(message, NotDeliveredError(type(error).__name__))
    else:
        _mark(message, Status.SENT)


def _not_delivered(message: OutboxMessage, error: NotDeliveredError) -> None:
    if error.is_permanent or message.attempts >= MAX_ATTEMPTS:
        log.error("notification_not_delivered", channel=message.channel, message=str(message.pk), reason=str(error))
        _mark(message, Status.FAILED, str(error))
        return
    if error.retry_after is not None and message.next_at is not None:
        message.next_at = max(message.next_at, clock.now() + timedelta(seconds=error.retry_after))
    _mark(message, Status.QUEUED, str(error))


@transactional
def _mark(message: OutboxMessage, status: Status, error: str = "") -> None:
    message.sent_at = clock.now() if status in (Status.SENT, Status.KEPT) else None
    message.status, message.last_error = status, error
    message.save(update_fields=["status", "sent_at", "last_error", "next_at"])


@transactional
def send_again(message_id: UUID, *, by: User) -> OutboxMessage:
    """Put a message that was given up back into the queue, as if it had never been tried.

    Args:
        message_id: The message.
        by: An operator of the tenant, or of the recipient's business unit.

    Raises:
        PermissionRefused: for anyone else.
        DomainError: it has not failed.
    """
    message = OutboxMessage.objects.select_for_update(no_key=True, of=("self",)).get(pk=message_id)
    if not _operates(by, message):
        raise PermissionRefused(
            _("Sending a message again needs the role %(role)s where its recipient is.") % {"role": Role.OPERATOR}
        )
    if message.status != Status.FAILED:
        status = message.get_status_display().lower()
        raise DomainError(_("This message is %(status)s; only a failed one is sent again.") % {"status": status})
    details = {
        "message": str(message.pk),
        "event": message.event,
        "channel": message.channel,
        "reference": message.reference,
        "recipient": message.recipient.upn if message.recipient else None,
        "failed_with": message.last_error,
    }
    record(Action.NOTIFICATION_SENT_AGAIN, on=message.tenant, by=person(by), details=details)
    message.status, message.attempts, message.next_at = Status.QUEUED, 0, clock.now()
    message.save(update_fields=["status", "attempts", "next_at"])
    ring(DELIVER)
    return message


def may_send_again(user: User, message: OutboxMessage) -> bool:
    """Say whether a person may send a message again now."""
    return message.status == Status.FAILED and _operates(user, message)


def _operates(user: User, message: OutboxMessage) -> bool:
    reach = scope_of(user).own.get(Role.OPERATOR)
    unit = message.recipient.business_unit if message.recipient else None
    return reach is not None and (message.tenant_id in reach.tenants or (unit is not None and reach.covers(unit)))
