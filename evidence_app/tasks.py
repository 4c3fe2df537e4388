"""Ticks of evidence, and packages that somebody waits for."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from celery import shared_task

from accounts_app.models import User
from core_app import tenancy
from evidence_app import archive, downloads, handover, reminders


@shared_task(name="evidence_app.tasks.remind")
@tenancy.everywhere("every tenant's access review is due each quarter")
def remind() -> None:
    """Remind of what is due; comes once an hour."""
    reminders.remind_of_access_reviews()


@shared_task(name="evidence_app.tasks.store")
@tenancy.everywhere("every tenant's evidence is stored")
def store() -> None:
    """Store each ended quarter's evidence that is not stored yet; on the host that signs."""
    handover.sweep()
    archive.store_ended()


@shared_task(name=handover.TASK)
@tenancy.everywhere("only of the tenant that it names, which the export narrows it to")
def export(ticket: str, tenant_id: str, user_id: str, signed_in_at: str | None, about: dict[str, str]) -> None:
    """Make a package for somebody who waits at a web server that has no key; on the host that signs."""
    with tenancy.of(UUID(tenant_id)):
        person = User.objects.get(pk=user_id, is_active=True)
        person.authenticated_at = datetime.fromisoformat(signed_in_at) if signed_in_at else None
        downloads.hand_over(ticket, by=person, tenant_id=UUID(tenant_id), **about)
