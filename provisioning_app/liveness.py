"""Whether work is done: a worker commits a tick, and its age says what a process that is merely up does not."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from core_app import database_clock
from provisioning_app.models import WorkerTick

SILENT_AFTER: Final = timedelta(seconds=60)


def commit_tick() -> None:
    """Remember that a worker has just taken a tick from the broker and reached the database."""
    tick = WorkerTick(at=database_clock.now())
    WorkerTick.objects.bulk_create([tick], update_conflicts=True, unique_fields=["id"], update_fields=["at"])


def is_working() -> bool:
    """Say whether a tick was committed within the last 60 s; one from the future proves nothing."""
    now = database_clock.now()
    return WorkerTick.objects.filter(at__range=(now - SILENT_AFTER, now + SILENT_AFTER)).exists()
