"""Ticks of the log: it is signed for, and verified."""

from __future__ import annotations

from celery import shared_task

from audit_app import checkpoints, scheduled
from core_app import tenancy


@shared_task(name="audit_app.tasks.checkpoint")
@tenancy.everywhere("every tenant's log is signed for")
def checkpoint() -> None:
    """Sign for every tenant's log that grew, or was not signed for lately."""
    checkpoints.checkpoint_due()


@shared_task(name="audit_app.tasks.verify_new")
@tenancy.everywhere("every tenant's log is verified")
def verify_new() -> None:
    """Verify what was written since the last verification."""
    scheduled.verify(is_full=False)


@shared_task(name="audit_app.tasks.verify_all")
@tenancy.everywhere("every tenant's log is verified")
def verify_all() -> None:
    """Verify everything."""
    scheduled.verify(is_full=True)
