"""How many may run, start and be created at once: rows counted under the tenant's lock (seed, Concurrent Limits)."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from uuid import UUID

from django.db.models import Max, Q

from accounts_app.locks import locked_tenant
from accounts_app.models import Tenant
from accounts_app.tenant_settings import Settings
from core_app import database_clock
from core_app.transactions import transactional
from provisioning_app.choices import RunStatus
from provisioning_app.models import ProvisioningRun, Slot

_MINUTE = timedelta(minutes=1)


def free_slot(tenant: Tenant, settings: Settings) -> Slot | None:
    """Return a free slot of a locked tenant, or None; makes the rows a raised limit needs."""
    last = tenant.slots.aggregate(last=Max("number"))["last"] or 0
    Slot.objects.bulk_create(
        Slot(tenant=tenant, number=number) for number in range(last + 1, settings.concurrent_runs + 1)
    )
    return tenant.slots.filter(run__isnull=True, number__lte=settings.concurrent_runs).order_by("number").first()


def release_slot(run: ProvisioningRun) -> None:
    """Give a finished run's slot back."""
    Slot.objects.filter(run=run).update(run=None)


def may_start(tenant: Tenant, settings: Settings) -> bool:
    """Say whether one more run of a locked tenant may start within this minute."""
    runs = ProvisioningRun.objects.filter(tenant=tenant)
    return runs.filter(started_at__gt=database_clock.now() - _MINUTE).count() < settings.starts_per_minute


def may_create(tenant: Tenant, settings: Settings) -> bool:
    """Say whether one more run of a locked tenant may create an environment today; those that will create one count."""
    to_come = Q(status=RunStatus.RUNNING, creation_started_at__isnull=True, environment_id="")
    promised = ProvisioningRun.objects.filter(to_come, tenant=tenant).count()
    return _creations_of_day(tenant.pk, database_clock.now()) + promised < settings.creations_per_day


@transactional
def reserve_creation(run_id: UUID, tenant_id: UUID, settings: Settings) -> datetime | None:
    """Take a place in today's creations just before the creation is asked for.

    Returns:
        None when the place is taken, else the moment (the next UTC midnight) to ask again.
    """
    locked_tenant(tenant_id)
    now = database_clock.now()
    if _creations_of_day(tenant_id, now, besides=run_id) >= settings.creations_per_day:
        return midnight(now) + timedelta(days=1)
    ProvisioningRun.objects.filter(pk=run_id).update(creation_started_at=now)
    return None


def place_in_queue(approved_on: datetime, tenant_id: UUID) -> int:
    """Return how many approved requests of the tenant were approved before this moment, plus one."""
    tenant = Tenant.objects.get(pk=tenant_id)
    return tenant.environment_requests.awaiting_dispatch().filter(approved_on__lt=approved_on).count() + 1


def _creations_of_day(tenant_id: UUID, now: datetime, besides: UUID | None = None) -> int:
    begin = midnight(now)
    runs = ProvisioningRun.objects.filter(
        tenant=tenant_id, creation_started_at__gte=begin, creation_started_at__lt=begin + timedelta(days=1)
    )
    return (runs.exclude(pk=besides) if besides else runs).count()


def midnight(now: datetime) -> datetime:
    """Return the beginning of the day of creations, which is counted in UTC."""
    return datetime.combine(now.date(), time(), now.tzinfo)
