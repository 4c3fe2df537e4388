"""What an export is about: whose, of when, and what of it the person who takes it may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Exists, Max, Min, OuterRef, Q, QuerySet

from accounts_app.models import Tenant
from accounts_app.scope import Reach
from audit_app.models import ProvisioningLog
from core_app import clock
from evidence_app.permissions import visible_entries, visible_requests
from evidence_app.quarters import Quarter, quarter_named
from requests_app.models import EnvironmentRequest

REQUEST: Final = "request"
ALL: Final = "all"


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a tenant is looked at.

    Attributes:
        tenant: Whose.
        scope: ``tenant``, ``business units`` or ``request``.
        begin: The first moment.
        end: The first moment after it.
        entries: The log entries in reach and period.
        reached: Every request in reach.
        named: What the manifest calls it by.
        counted_to: To which moment what is still going on is counted; None for now.
    """

    tenant: Tenant
    scope: str
    begin: datetime
    end: datetime
    entries: QuerySet[ProvisioningLog]
    reached: QuerySet[EnvironmentRequest]
    named: Mapping[str, Any] = field(default_factory=dict)
    counted_to: datetime | None = None

    @property
    def is_whole(self) -> bool:
        """Say whether all of the tenant is in it, what belongs to no request included."""
        return self.scope == "tenant"

    @property
    def requests(self) -> QuerySet[EnvironmentRequest]:
        """Return the requests to which something happened in the period."""
        return self.reached.filter(Exists(self.entries.filter(environment_request=OuterRef("pk"))))

    @property
    def present(self) -> datetime:
        """Return the moment to which what is still going on is counted: never after the period."""
        return min(self.end, self.counted_to or clock.now())

    def for_a_file(self) -> Selection:
        """Return it counted to its newest entry: a file is the same whenever it is made of the same records."""
        newest = self.entries.aggregate(at=Max("timestamp"))["at"]
        return replace(self, counted_to=newest or self.begin)

    def during(self, begins: str, ends: str = "") -> Q:
        """Return the filter on rows whose time, or whose span where an end is named, touches the period.

        Of a single request everything is of interest, whenever it was.
        """
        if self.scope == REQUEST:
            return Q()
        if not ends:
            return Q(**{f"{begins}__gte": self.begin, f"{begins}__lt": self.end})
        return Q(**{f"{begins}__lt": self.end}) & (Q(**{f"{ends}__isnull": True}) | Q(**{f"{ends}__gte": self.begin}))


def of_quarter(tenant: Tenant, quarter: Quarter, reach: Reach) -> Selection:
    """Return what somebody reaches of a quarter."""
    named = {"quarter": quarter.name, "quarter_has_ended": quarter.end <= clock.now()}
    return between(tenant, quarter.begin, quarter.end, reach, named)


def in_period(tenant: Tenant, period: str, reach: Reach) -> Selection:
    """Return what somebody reaches of a quarter, as in ``2026Q1``, or of the whole log: ``all``.

    Raises:
        DomainError: it is neither.
    """
    now = clock.now()
    if period != ALL:
        return of_quarter(tenant, quarter_named(period, now), reach)
    first = visible_entries(reach, tenant).aggregate(at=Min("timestamp"))["at"]
    return between(tenant, first or now, now + timedelta(seconds=1), reach, {"period": ALL})


def between(
    tenant: Tenant, begin: datetime, end: datetime, reach: Reach, named: Mapping[str, Any] | None = None
) -> Selection:
    """Return what somebody reaches of a period."""
    return Selection(
        tenant=tenant,
        scope="tenant" if tenant.pk in reach.tenants else "business units",
        begin=begin,
        end=end,
        entries=visible_entries(reach, tenant).filter(timestamp__gte=begin, timestamp__lt=end),
        reached=visible_requests(reach, tenant),
        named=named or {},
    )


def of_request(request: EnvironmentRequest) -> Selection:
    """Return all of one request, from its first entry to its newest."""
    entries = ProvisioningLog.objects.filter(environment_request=request)
    span = entries.aggregate(first=Min("timestamp"), last=Max("timestamp"))
    return Selection(
        tenant=request.tenant,
        scope=REQUEST,
        begin=span["first"].replace(microsecond=0),
        end=span["last"].replace(microsecond=0) + timedelta(seconds=1),
        entries=entries,
        reached=EnvironmentRequest.objects.filter(pk=request.pk),
        named={"request": request.request_number, "environment_name": request.environment_name},
    )
