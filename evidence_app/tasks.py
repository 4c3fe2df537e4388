"""Ticks of evidence."""

from __future__ import annotations

from celery import shared_task

from core_app import tenancy
from evidence_app import archive, reminders


@shared_task(name="evidence_app.tasks.remind")
@tenancy.everywhere("every tenant's access review is due each quarter")
def remind() -> None:
    """Remind of what is due; comes once an hour."""
    reminders.remind_of_access_reviews()


@shared_task(name="evidence_app.tasks.store")
@tenancy.everywhere("every tenant's evidence is stored")
def store() -> None:
    """Store each ended quarter's evidence that is not stored yet; on the host that signs."""
    archive.store_ended()
