"""Circuit breakers per tenant and service: runs wait while Microsoft does not answer, and burn no attempt meanwhile.

Closed → open after failures in a row, or at once when there is no connection at all; when its pause is over one run
tries (half-open), and what it meets closes the breaker or doubles the pause.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts_app.models import Tenant
from audit_app.actions import Action
from audit_app.actors import SYSTEM
from audit_app.log import record
from core_app import database_clock
from core_app.transactions import transactional
from microsoft_cloud.errors import CloudError, NotReadyError, ThrottledError, TransientError
from provisioning_app.models import CircuitBreaker

FAILURES = 3
FORGOTTEN_AFTER = timedelta(minutes=5)
LONG_THROTTLE_SECONDS = 60.0
_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(minutes=5)
_TIME_TO_TRY = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Permit:
    """Whether a run may call Microsoft now.

    Attributes:
        until: When to ask again; None when it may.
        tried: Breakers for which this run is the one that tries.
        counting: Closed breakers that have counted failures, by service: an answer ends the row.
    """

    until: datetime | None = None
    tried: tuple[int, ...] = ()
    counting: Mapping[str, int] = field(default_factory=dict)


def admit(tenant_id: UUID) -> Permit:
    """Let a run of the tenant through unless a breaker is open; after a pause only one is let through, to try."""
    now = database_clock.now()
    concerned = Q(opened_until__isnull=False) | Q(failures__gt=0)
    seen = list(CircuitBreaker.objects.filter(concerned, tenant=tenant_id))
    troubled = [breaker for breaker in seen if breaker.opened_until]
    waiting = [breaker.opened_until for breaker in troubled if breaker.opened_until and breaker.opened_until > now]
    if waiting:
        return Permit(until=max(waiting))
    for breaker in troubled:
        mine = CircuitBreaker.objects.filter(pk=breaker.pk, opened_until=breaker.opened_until)
        if not mine.update(opened_until=now + _TIME_TO_TRY):
            return Permit(until=now + _TIME_TO_TRY)
    counting = {breaker.service: breaker.pk for breaker in seen if not breaker.opened_until}
    return Permit(tried=tuple(breaker.pk for breaker in troubled), counting=counting)


def is_open(tenant_id: UUID) -> bool:
    """Say whether calls in the tenant should wait now."""
    return open_tenants().filter(tenant=tenant_id).exists()


def open_tenants() -> QuerySet[Any, Any]:
    """Return the keys of the tenants in which calls should wait now."""
    return CircuitBreaker.objects.filter(opened_until__gt=database_clock.now()).values("tenant")


def is_unreachable(error: CloudError) -> bool:
    """Say whether there was no connection at all, so that nothing can have happened at Microsoft."""
    is_outage = isinstance(error, TransientError) and not isinstance(error, NotReadyError)
    return is_outage and error.status is None and not error.maybe_executed


def answered(permit: Permit, services: Collection[str]) -> None:
    """Close the breakers that a run has tried, and forget the failures before this answer: they were not in a row.

    Args:
        permit: With which the run has called Microsoft.
        services: Which services have answered.
    """
    if permit.tried:
        _close(permit)
    if ended := [pk for service, pk in permit.counting.items() if service in services]:
        CircuitBreaker.objects.filter(pk__in=ended, opened_until__isnull=True).update(failures=0, openings=0)


@transactional
def _close(permit: Permit) -> None:
    for breaker in CircuitBreaker.objects.select_related("tenant").filter(pk__in=permit.tried):
        since = breaker.opened_at or database_clock.now()
        details = {"service": breaker.service, "open_seconds": round((database_clock.now() - since).total_seconds())}
        record(Action.CIRCUIT_CLOSED, on=breaker.tenant, by=SYSTEM, details=details)
        breaker.opened_at = breaker.opened_until = None
        breaker.failures = breaker.openings = 0
        breaker.reason = ""
        breaker.save()


@transactional
def failed(tenant_id: UUID, error: CloudError) -> None:
    """Count an error of the cloud, and open the breaker of its service where that is due."""
    if isinstance(error, ThrottledError):
        seconds = error.retry_after or 0.0
        if seconds > LONG_THROTTLE_SECONDS:
            _open(_locked(tenant_id, error), timedelta(seconds=seconds), str(error))
        return
    if not isinstance(error, TransientError) or isinstance(error, NotReadyError):
        return
    breaker, now = _locked(tenant_id, error), database_clock.now()
    if breaker.last_failure_at is None or now - breaker.last_failure_at > FORGOTTEN_AFTER + _LONGEST_PAUSE:
        breaker.failures = breaker.openings = 0
    breaker.failures += 1
    breaker.last_failure_at = now
    if breaker.failures >= FAILURES or breaker.opened_at or is_unreachable(error):
        breaker.openings += 1
        _open(breaker, min(_FIRST_PAUSE * 2 ** min(breaker.openings - 1, 10), _LONGEST_PAUSE), str(error))
    else:
        breaker.save()


def _locked(tenant_id: UUID, error: CloudError) -> CircuitBreaker:
    service = error.service or "unknown"
    CircuitBreaker.objects.bulk_create([CircuitBreaker(tenant_id=tenant_id, service=service)], ignore_conflicts=True)
    rows = CircuitBreaker.objects.select_for_update(no_key=True)
    return rows.get(tenant=tenant_id, service=service)


def _open(breaker: CircuitBreaker, pause: timedelta, reason: str) -> None:
    now = database_clock.now()
    if breaker.opened_at is None:
        breaker.opened_at = now
        details = {"service": breaker.service, "failures": breaker.failures}
        tenant = Tenant.objects.get(pk=breaker.tenant_id)
        record(Action.CIRCUIT_OPENED, on=tenant, by=SYSTEM, details=details, error=reason, success=False)
    breaker.opened_until, breaker.reason = now + pause, reason
    breaker.save()
