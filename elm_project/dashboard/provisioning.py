"""What provisioning adds to the overview: load against limits, open gaps, quarantine, policy gap, credentials."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.db.models import Count, Min
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts_app.models import TenantIdentity
from core_app import clock
from core_app.text import lasted
from elm_project.dashboard.rows import may_view, visible
from provisioning_app import policy_gap
from provisioning_app.admin.links import list_of, moment, page_of
from provisioning_app.admin.load import limits_of, whole_tenants
from provisioning_app.choices import EnvironmentStatus
from provisioning_app.credentials.clocks import days_left, is_due
from provisioning_app.limits import midnight
from provisioning_app.models import Environment, Gap, GovernedControl, ProvisioningRun
from provisioning_app.operations import loads

POLICY_GAP_DAYS: Final = 30


def tiles(request: HttpRequest) -> dict[str, Any]:
    """Return the tiles whose lists the person may open."""
    found: dict[str, Any] = {}
    if may_view(request, ProvisioningRun):
        found["loads"] = [(load.tenant, limits_of(load)) for load in loads(whole_tenants(request))]
    if may_view(request, Gap):
        found["gaps"] = _gaps(request)
    if may_view(request, Environment):
        quarantined = visible(request, Environment).filter(status=EnvironmentStatus.QUARANTINED)
        address = list_of(Environment, status__exact=int(EnvironmentStatus.QUARANTINED))
        found["quarantined"] = {"rows": quarantined.count(), "address": address}
    if may_view(request, GovernedControl):
        found["policy_gaps"] = _policy_gaps(request)
    if may_view(request, TenantIdentity):
        found["credentials"] = _credentials(request)
    return found


def _gaps(request: HttpRequest) -> dict[str, Any]:
    found = visible(request, Gap).filter(closed_at__isnull=True).aggregate(rows=Count("pk"), oldest=Min("opened_at"))
    oldest = lasted(clock.now() - found["oldest"]) if found["oldest"] else ""
    return {"rows": found["rows"], "oldest": oldest, "address": list_of(Gap, **{"is": "open"})}


def _policy_gaps(request: HttpRequest) -> list[dict[str, Any]]:
    since = midnight(clock.now()) - timedelta(days=POLICY_GAP_DAYS)
    controls = visible(request, GovernedControl).filter(governed_at__gte=since)
    return [
        {**figure, "address": list_of(GovernedControl, control=figure["control"], governed_at__gte=moment(since))}
        for figure in policy_gap.summary(controls)
    ]


def _credentials(request: HttpRequest) -> list[dict[str, Any]]:
    rows = visible(request, TenantIdentity).select_related("tenant")
    soonest = sorted(rows, key=lambda row: (-1 if (left := days_left(row)) is None else left, row.display_name))
    return [{"row": row, "left": _left(row), "is_due": is_due(row), "address": page_of(row)} for row in soonest]


def _left(identity: TenantIdentity) -> str:
    left = days_left(identity)
    if left is None:
        return _("age unknown; rotate it once, then its dates are known")
    if left < 0:
        return ngettext("%(days)d day overdue", "%(days)d days overdue", -left) % {"days": -left}
    return ngettext("%(days)d day", "%(days)d days", left) % {"days": left}
