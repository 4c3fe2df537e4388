"""How provisioning is doing right now, to be read: what is used of each limit, and what waits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts_app import tenant_settings
from accounts_app.models import Tenant, TenantSettings
from accounts_app.tenant_settings import Settings
from core_app import database_clock
from provisioning_app.choices import RunStatus
from provisioning_app.limits import midnight
from provisioning_app.models import ProvisioningRun, Slot, WorkerTick
from requests_app.choices import State
from requests_app.models import EnvironmentRequest


@dataclass(frozen=True, slots=True)
class Load:
    """What one tenant uses of its limits.

    Attributes:
        tenant: Whose.
        settings: Its settings in force, which say the limits.
        at: When it was counted.
        running: Runs that hold a slot.
        started: Runs that began within the last minute.
        created: Creations that were asked for since midnight UTC.
        approved: Requests that wait for their first run.
        queued: Runs that wait for a slot, as retries do.
    """

    tenant: Tenant
    settings: Settings
    at: datetime
    running: int
    started: int
    created: int
    approved: int
    queued: int


def loads(tenant_ids: Collection[UUID]) -> list[Load]:
    """Return the load of each tenant by name: a constant number of statements, however many tenants there are."""
    now = database_clock.now()
    runs, requests = ProvisioningRun.objects, EnvironmentRequest.objects
    counted = {
        "running": _of_tenant(runs.filter(status=RunStatus.RUNNING)),
        "started": _of_tenant(runs.filter(started_at__gt=now - timedelta(minutes=1))),
        "created": _of_tenant(runs.filter(creation_started_at__gte=midnight(now))),
        "approved": _of_tenant(requests.filter(state=State.APPROVED)),
        "queued": _of_tenant(runs.filter(status=RunStatus.QUEUED)),
    }
    tenants = Tenant.objects.filter(pk__in=tenant_ids).annotate(**counted).order_by("name")
    known = _settings_in_force(tenant_ids)
    return [
        Load(tenant, known[tenant.pk], now, **{name: getattr(tenant, name) for name in counted}) for tenant in tenants
    ]


def slots_of(tenant_ids: Collection[UUID]) -> dict[UUID, list[Slot]]:
    """Return each tenant's slots by number, with what runs in them."""
    found: dict[UUID, list[Slot]] = defaultdict(list)
    rows = Slot.objects.filter(tenant__in=tenant_ids).select_related("run__request")
    for slot in rows.order_by("tenant", "number"):
        found[slot.tenant_id].append(slot)
    return found


def last_tick() -> datetime | None:
    """Return when a worker last did what Celery's beat asks for once a second; None when none ever has."""
    return WorkerTick.objects.values_list("at", flat=True).first()


def _of_tenant(rows: QuerySet[Any]) -> Coalesce:
    counted = rows.filter(tenant=OuterRef("pk")).order_by().values("tenant").annotate(rows=Count("pk")).values("rows")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def _settings_in_force(tenant_ids: Collection[UUID]) -> dict[UUID, Settings]:
    confirmed = TenantSettings.objects.filter(tenant=OuterRef("tenant"), confirmed_at__isnull=False)
    newest = confirmed.order_by("-version").values("pk")[:1]
    rows = TenantSettings.objects.filter(tenant__in=tenant_ids, pk=Subquery(newest))
    return {row.tenant_id: tenant_settings.parse(row.version, row.values) for row in rows}
