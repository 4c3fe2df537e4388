"""Doorbells of the outbox."""

from __future__ import annotations

from celery import shared_task

from core_app import tenancy
from notifications_app import proposals, services


@shared_task(name="notifications_app.tasks.deliver")
@tenancy.everywhere("every tenant's messages are due")
def deliver() -> None:
    """Find what waits for a second person, and deliver what is due."""
    proposals.announce_proposals()
    services.deliver_due()
