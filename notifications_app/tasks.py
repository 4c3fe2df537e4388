"""Doorbells of the outbox."""

from __future__ import annotations

from celery import shared_task

from core_app import tenancy
from notifications_app import delivery, proposals, verifications


@shared_task(name="notifications_app.tasks.deliver")
@tenancy.everywhere("every tenant's messages are due")
def deliver() -> None:
    """Find what the apps below cannot announce, and deliver what is due."""
    proposals.announce_proposals()
    verifications.announce_defects()
    delivery.deliver_due()
