"""Who may work on a run: a lease that expires and a fencing token that only grows.

Whether a lease has ended is decided by the database's clock, in the statement that takes it.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from core_app import database_clock
from provisioning_app import plan
from provisioning_app.choices import RunStatus
from provisioning_app.models import ProvisioningRun

log = structlog.get_logger(__name__)


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
        self.write(lease_until=database_clock.expression(after=_length()))

    def write(self, **columns: object) -> None:
        """Change columns of the run, if the token still counts; without history, which no timer needs.

        Raises:
            LeaseLostError: somebody else has it, or the run has ended.
        """
        if not self._write(**columns):
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


def claimable() -> QuerySet[ProvisioningRun]:
    """Return the runs that are due and nobody's, and whose plan is known here; the others are parked."""
    now = database_clock.expression()
    is_free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    return ProvisioningRun.objects.filter(is_free, plan.is_known(), status=RunStatus.RUNNING, next_at__lte=now)


def claim(run_id: UUID) -> Lease | None:
    """Take the lease of a run, or return None when it is not due, has ended, is somebody else's or is parked."""
    with transaction.atomic():
        before = ProvisioningRun.objects.filter(pk=run_id, lease_until__isnull=False)
        silent = before.values_list("lease_owner", "step").first()
        taken = {"lease_until": database_clock.expression(after=_length()), "lease_owner": _me()}
        if claimable().filter(pk=run_id).update(lease_token=F("lease_token") + 1, **taken) != 1:
            return None
        if silent is not None:
            log.warning("lease_taken_over", run=str(run_id), silent=silent[0], step=silent[1])
        return Lease(run_id, *ProvisioningRun.objects.values_list("tenant_id", "lease_token").get(pk=run_id))


def _me() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"[:100]


def _length() -> timedelta:
    return timedelta(seconds=settings.RUN_LEASE_SECONDS)
