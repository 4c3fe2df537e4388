"""Ticks of accounts."""

from __future__ import annotations

from celery import shared_task

from accounts_app import directory
from core_app import tenancy


@shared_task(name="accounts_app.tasks.look_for_departed")
@tenancy.everywhere("people of every tenant leave")
def look_for_departed() -> None:
    """Deactivate people whom Entra lets in no longer; comes every quarter of an hour."""
    directory.look_for_departed()
