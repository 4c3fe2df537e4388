"""Doorbells of the outbox."""

from __future__ import annotations

from celery import shared_task

from core_app import tenancy
from notifications_app import services


@shared_task(name="notifications_app.tasks.deliver")
@tenancy.everywhere("every tenant's messages are due")
def deliver() -> None:
    """Deliver what is due."""
    services.deliver_due()
