"""Mail to one person, through Django's mail framework (its settings, its test outbox)."""

from __future__ import annotations

import smtplib
from email.utils import parseaddr

from django.conf import settings
from django.core.mail import EmailMessage

from notifications_app.channels import NotDeliveredError
from notifications_app.models import OutboxMessage

_REFUSED_FOR_GOOD = range(500, 600)  # RFC 5321, 4.2.1: the client should not repeat the exact request


def send(message: OutboxMessage) -> None:
    """Send a message to its recipient.

    A worker that dies before it could note that the mail left sends it again: both carry the same Message-ID.

    Raises:
        NotDeliveredError: the server did not take it; for good, where it refused the address for good.
    """
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    mail = EmailMessage(
        message.subject,
        text_of(message),
        to=[address_of(message)],
        headers={"Message-ID": f"<{message.pk}@{domain}>"},
    )
    try:
        mail.send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _said in error.recipients.values()]
        for_good = bool(codes) and all(code in _REFUSED_FOR_GOOD for code in codes)
        said = ", ".join(str(code) for code in codes)
        raise NotDeliveredError(f"SMTPRecipientsRefused: {said}", is_permanent=for_good) from error
    except (OSError, ValueError) as error:  # SMTP errors are OSErrors; an address that is none is a ValueError
        raise NotDeliveredError(type(error).__name__) from error


def address_of(message: OutboxMessage) -> str:
    """Return where a mail goes; empty for what is no mail."""
    person = message.recipient
    return (person.email or person.upn) if person else ""


def text_of(message: OutboxMessage) -> str:
    """Return what the mail says: the body and where to look."""
    return f"{message.body}\n\n{settings.PUBLIC_URL}{message.link}" if message.link else message.body
