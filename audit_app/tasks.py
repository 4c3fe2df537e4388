"""Ticks of the log: it is signed for, stamped, and verified."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.signals import worker_ready

from audit_app import anchors, checkpoints, horizon, scheduled, timestamps
from core_app import tenancy


@shared_task(name="audit_app.tasks.checkpoint")
@tenancy.everywhere("every tenant's log is signed for")
def checkpoint() -> None:
    """Sign for every tenant's log that grew, or was not signed for lately; tell of what keeps entries waiting."""
    checkpoints.checkpoint_due()
    horizon.watch()


@worker_ready.connect
def sign_at_start(sender: Any = None, **_signal: Any) -> None:
    """Compare log and signer as soon as a worker is ready: the database may be a restored one."""
    if sender is not None:
        sender.app.send_task("audit_app.tasks.checkpoint", retry=False, ignore_result=True, expires=30)


@shared_task(name="audit_app.tasks.timestamp")
@tenancy.everywhere("every tenant's log is stamped")
def timestamp() -> None:
    """Have checkpoints stamped by the time-stamp authority, where there is one, and put the stamps beside them."""
    timestamps.stamp_due()
    anchors.keep_timestamps()


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
