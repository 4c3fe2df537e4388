"""That a worker works: when it last committed something."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class WorkerTick(models.Model):
    """When a worker last committed a tick: one row, for a process that is up may still consume nothing."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="one_worker_tick")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} UTC"
