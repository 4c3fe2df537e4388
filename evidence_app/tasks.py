"""Ticks of evidence."""

from __future__ import annotations

from celery import shared_task

from evidence_app import reminders


@shared_task(name="evidence_app.tasks.remind")
def remind() -> None:
    """Remind of what is due; comes once an hour."""
    reminders.remind_of_access_reviews()
