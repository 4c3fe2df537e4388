"""Who may work on a run: a lease that expires and a fencing token that only grows."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from core_app import clock
from provisioning_app.choices import RunStatus
from provisioning_app.models import ProvisioningRun


class LeaseLostError(Exception):
    """Another worker owns the run now; whatever this one was about to write is discarded."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a run, as long as nobody holds a newer token."""

    run_id: UUID
    tenant_id: UUID
    token: int

    def renew(self) -> None:
        """Prolong the lease, in its own statement.

        Raises:
            LeaseLostError: somebody else has it.
        """
        if not self._write(lease_until=clock.now() + _length()):
            raise LeaseLostError(self.run_id)

    def fenced(self) -> ProvisioningRun:
        """Return the run for writing, locked in the caller's transaction, if the token still counts.

        The update is the fence: it locks the row and checks the token in one statement; zero rows mean that
        somebody else owns the run, and the caller's transaction must not write anything.

        Raises:
            LeaseLostError: somebody else has it, or the run has ended.
        """
        self.renew()
        return ProvisioningRun.objects.get(pk=self.run_id)

    def give_back(self) -> None:
        """End the lease early, so that the next wake-up need not wait for it to expire."""
        self._write(lease_until=None)

    def _write(self, **columns: object) -> bool:
        mine = ProvisioningRun.objects.filter(pk=self.run_id, lease_token=self.token, status=RunStatus.RUNNING)
        return mine.update(**columns) == 1


def claim(run_id: UUID) -> Lease | None:
    """Take the lease of a due run, or return None when it is not due, has ended or is somebody else's."""
    now = clock.now()
    with transaction.atomic():
        due = ProvisioningRun.objects.filter(
            Q(lease_until__isnull=True) | Q(lease_until__lt=now), pk=run_id, status=RunStatus.RUNNING, next_at__lte=now
        )
        owner = f"{socket.gethostname()}:{os.getpid()}"[:100]
        if due.update(lease_token=F("lease_token") + 1, lease_until=now + _length(), lease_owner=owner) != 1:
            return None
        return Lease(run_id, *ProvisioningRun.objects.values_list("tenant_id", "lease_token").get(pk=run_id))


def _length() -> timedelta:
    return timedelta(seconds=settings.RUN_LEASE_SECONDS)
