"""The operations page: workers, halts, queue, limits, slots and due runs, renewed while somebody looks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts_app.models import Tenant
from core_app import database_clock
from core_app.live import BACKGROUND, live
from core_app.recorded import shown
from core_app.text import lasted
from provisioning_app import operations, plan
from provisioning_app.admin.links import list_of
from provisioning_app.admin.live_run import part
from provisioning_app.admin.load import limits_of, whole_tenants
from provisioning_app.choices import RunStatus
from provisioning_app.lease import claimable
from provisioning_app.liveness import SILENT_AFTER
from provisioning_app.models import CircuitBreaker, ProvisioningRun, ReconciliationFinding
from requests_app.choices import State
from requests_app.models import EnvironmentRequest

EVERY_SECONDS: Final = 5
MOST_SHOWN: Final = 25
_PERMISSION: Final = "provisioning_app.view_provisioningrun"


@dataclass(frozen=True, slots=True)
class LiveRun:
    """A run that goes on.

    Attributes:
        run: The run.
        step: What people call its step.
        does: What it does or waits for.
        looks_again: When it is due.
        worker: Who works on it now; empty while nobody does.
        took: For how long it has been running.
    """

    run: ProvisioningRun
    step: str
    does: str
    looks_again: str
    worker: str
    took: str


def addresses() -> list[URLPattern]:
    """Return the addresses of the page and of its part that renews itself."""
    return [
        path("", admin.site.admin_view(require_safe(operations_page)), name="operations"),
        path("now/", live(admin.site, operations_now), name="operations-now"),
    ]


def operations_page(request: HttpRequest) -> HttpResponse:
    """Show the page to whoever may see runs."""
    context = {**admin.site.each_context(request), "title": _("Operations"), **_now(request)}
    return TemplateResponse(request, "provisioning_app/operations.html", context)


def operations_now(request: HttpRequest) -> HttpResponse:
    """Answer with the part of the page that changes."""
    return part(request, _now(request), "provisioning_app/operations_now.html")


def _now(request: HttpRequest) -> dict[str, Any]:
    """Return what the page shows: a constant number of statements, however much goes on.

    Raises:
        PermissionDenied: the person may not see runs.
    """
    if not request.user.has_perm(_PERMISSION):
        raise PermissionDenied(_("The operations page is for those who see provisioning runs."))
    now, whole = database_clock.now(), whole_tenants(request)
    slots = operations.slots_of(whole)
    runs = _visible(request, ProvisioningRun)
    running = runs.filter(status=RunStatus.RUNNING)
    return {
        **_workers(now),
        "halted": Tenant.objects.filter(pk__in=whole).exclude(halted_reason="").order_by("name"),
        "breakers": _visible(request, CircuitBreaker).filter(opened_until__isnull=False).order_by("service"),
        "tenants": [(load.tenant, limits_of(load), slots[load.tenant.pk]) for load in operations.loads(whole)],
        "runs": list(_live_runs(running.select_related("request").order_by("next_at", "pk")[:MOST_SHOWN], now)),
        "running_address": list_of(ProvisioningRun, status__exact=int(RunStatus.RUNNING)),
        "due": running.filter(pk__in=claimable().values("pk")).count(),
        "retries": runs.filter(status=RunStatus.QUEUED).select_related("request").order_by("queued_at")[:MOST_SHOWN],
        "approved": _visible(request, EnvironmentRequest)
        .filter(state=State.APPROVED)
        .order_by("approved_on", "pk")[:MOST_SHOWN],
        "approved_address": list_of(EnvironmentRequest, state__exact=int(State.APPROVED)),
        "findings": _visible(request, ReconciliationFinding).filter(resolved_at__isnull=True).count(),
        "findings_address": list_of(ReconciliationFinding, resolved_at__isnull=True),
        "flower": settings.FLOWER_URL,
        "address": reverse("operations-now"),
        "seconds": EVERY_SECONDS,
        "background": BACKGROUND,
        "read_at": now,
    }


def _workers(now: datetime) -> dict[str, Any]:
    tick = operations.last_tick()
    age = now - tick if tick else None
    return {
        "ticked": tick,
        "tick_age": lasted(age) if age is not None else "",
        "works": age is not None and age <= SILENT_AFTER,
    }


def _live_runs(runs: Any, now: datetime) -> Iterator[LiveRun]:
    for run in runs:
        is_leased = run.lease_until is not None and run.lease_until > now
        is_parked = not plan.knows(run.plan_version, run.step)
        does = plan.needed_for(run.plan_version, run.step) if is_parked else shown(run.waiting_for)
        yield LiveRun(
            run,
            plan.label(run.plan_version, run.step),
            _("works") if is_leased else does,
            "" if is_leased else (lasted(run.next_at - now) if run.next_at > now else _("now")),
            run.lease_owner if is_leased else "",
            lasted(now - run.started_at) if run.started_at else "",
        )


def _visible(request: HttpRequest, model: Any) -> Any:
    return admin.site.get_model_admin(model).get_queryset(request)
