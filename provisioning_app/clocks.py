"""Do the clocks agree? This host's is compared with the database's and with Microsoft's, on every sweep.

Leases, deadlines and the times in the log rest on it. A host that is off by more than a minute is a finding of every
tenant; it closes by itself once the host that it names is right, or has not been heard of for a day.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import structlog
from django.db import connection
from django.db.models import Q
from django.utils.translation import gettext_noop as noop

from accounts_app.cloud import cloud_for
from accounts_app.models import Tenant, TenantIdentity
from core_app import clock
from core_app.one_by_one import each
from microsoft_cloud.errors import CloudError
from provisioning_app import breaker, findings, tenants
from provisioning_app.choices import FindingKind
from provisioning_app.findings import Difference

log = structlog.get_logger(__name__)

TOLERANCE: Final = timedelta(seconds=60)
_SLOWEST_ANSWER = timedelta(seconds=10)  # a slower one does not say when within it the time was read
_FORGOTTEN_AFTER = timedelta(days=1)
_AHEAD = noop(
    "The clocks of %(subject)s are %(seconds)s s apart; the host's is ahead. "
    "Leases, deadlines and the log's times depend on it: let the host synchronise its clock (NTP)."
)
_BEHIND = noop(
    "The clocks of %(subject)s are %(seconds)s s apart; the host's is behind. "
    "Leases, deadlines and the log's times depend on it: let the host synchronise its clock (NTP)."
)


def compare_clocks(host: str = "") -> None:
    """Compare a host's clock with the database's and with Microsoft's, for every tenant.

    Args:
        host: The name of this host, as findings show it; the system's when empty.
    """
    name = host or socket.gethostname()
    database = _ahead_of(_database_time)
    each(list(Tenant.objects.order_by("name")), partial(_compare, host=name, ahead_of_database=database))


def _compare(tenant: Tenant, *, host: str, ahead_of_database: timedelta | None) -> None:
    _settle(tenant, noop("%(host)s and the database") % {"host": host}, ahead_of_database)
    _settle(tenant, noop("%(host)s and Microsoft") % {"host": host}, _ahead_of(partial(_microsofts_time, tenant)))


def _settle(tenant: Tenant, subject: str, ahead: timedelta | None) -> None:
    """Open or close the finding about two clocks; what could not be compared changes nothing."""
    if ahead is None:
        return
    seconds = round(ahead.total_seconds())
    sentence = _AHEAD if seconds > 0 else _BEHIND
    detail = sentence % {"subject": subject, "seconds": abs(seconds)}
    apart = [Difference(FindingKind.CLOCKS_DIFFER, subject[:200], detail)] if abs(ahead) > TOLERANCE else []
    long_ago = clock.now() - _FORGOTTEN_AFTER
    concerned = Q(subject=subject[:200]) | Q(last_seen_at__lt=long_ago)
    findings.settle(tenant.pk, FindingKind.CLOCKS_DIFFER, apart, among=concerned)


def _ahead_of(read: Callable[[], datetime | None]) -> timedelta | None:
    """Return by how much this host's clock is ahead of another one; None when that one cannot be read in time."""
    before = clock.now()
    theirs = read()
    after = clock.now()
    if theirs is None or after - before > _SLOWEST_ANSWER:
        return None
    return before + (after - before) / 2 - theirs


def _database_time() -> datetime | None:
    """Return the time of the database's host; SQLite has none of its own."""
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        at: datetime = cursor.fetchone()[0]
    return at.astimezone(UTC)


def _microsofts_time(tenant: Tenant) -> datetime | None:
    purpose = TenantIdentity.Purpose.PROVISIONING
    has_principal = tenant.identities.filter(purpose=purpose).exists()
    if tenant.halted_reason or not has_principal or breaker.is_open(tenant.pk):
        return None
    try:
        return cloud_for(tenant, purpose).bap.time()
    except CloudError as error:
        tenants.halt_where_refused(tenant.pk, error)
        log.info("clocks_not_compared", tenant=str(tenant.pk), reason=str(error))
        return None
