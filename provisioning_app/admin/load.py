"""Queue and limits of a tenant, each figure with the list of what it counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext as _

from provisioning_app.admin.links import list_of, moment
from provisioning_app.choices import RunStatus
from provisioning_app.limits import midnight
from provisioning_app.models import ProvisioningRun
from provisioning_app.operations import Load
from requests_app.choices import State
from requests_app.models import EnvironmentRequest


@dataclass(frozen=True, slots=True)
class Used:
    """How much of one limit is used.

    Attributes:
        label: What is limited.
        rows: How much is used.
        limit: How much there may be; None where there is no limit.
        address: The list of what uses it.
    """

    label: str
    rows: int
    limit: int | None
    address: str

    @property
    def percent(self) -> int:
        """Return the share that is used, at most 100."""
        return min(100, round(100 * self.rows / self.limit)) if self.limit else 0


def whole_tenants(request: HttpRequest) -> set[UUID]:
    """Return the tenants all of whose runs the person sees; a tenant's load says something about every unit."""
    held = admin.site.get_model_admin(ProvisioningRun).held(request)  # type: ignore[attr-defined]
    return {tenant for each in held for tenant in each.tenants}


def limits_of(load: Load) -> list[Used]:
    """Return what is used of each limit of a tenant, and what waits."""
    now, limits = load.at, load.settings
    running = list_of(ProvisioningRun, status__exact=int(RunStatus.RUNNING))
    started = list_of(ProvisioningRun, started_at__gte=moment(now - timedelta(minutes=1)))
    created = list_of(ProvisioningRun, creation_started_at__gte=moment(midnight(now)))
    approved = list_of(EnvironmentRequest, state__exact=int(State.APPROVED))
    queued = list_of(ProvisioningRun, status__exact=int(RunStatus.QUEUED))
    return [
        Used(_("Running at once"), load.running, limits.concurrent_runs, running),
        Used(_("Started in the last minute"), load.started, limits.starts_per_minute, started),
        Used(_("Created today (UTC)"), load.created, limits.creations_per_day, created),
        Used(_("Approved, waiting for a slot"), load.approved, None, approved),
        Used(_("Retries waiting for a slot"), load.queued, None, queued),
    ]
