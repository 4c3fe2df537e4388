"""The saved views of the request list (seed, Views): a filter, and the tabs that choose it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse_lazy

from accounts_app.admin import scope_for
from accounts_app.roles import Role
from accounts_app.scope import Scope, prefixed
from core_app import clock
from gates_app.levels import StageStatus
from gates_app.models import GateParty, Stage
from requests_app.choices import State

PARAMETER = "view"
_LIST = reverse_lazy("admin:requests_app_environmentrequest_changelist")


def _mine(request: HttpRequest) -> Q:
    return Q(requester=request.user.pk)


def _pending_my_approval(request: HttpRequest) -> Q:
    """Assigned to me or to whom I stand in for, or open to me and unclaimed; never what I took part in (elm.md §4)."""
    user, scope = request.user, scope_for(request)
    waiting = Stage.objects.filter(status=StageStatus.OPEN)
    mine = waiting.filter(Q(assigned_to=user.pk) | _lent(scope))
    open_to_me = waiting.filter(assigned_to__isnull=True).filter(_open_to(scope))
    escalated = waiting.filter(escalated_at__isnull=False).filter(prefixed(scope.of(Role.GOVERNANCE_LEAD), "gate"))
    taken_part = GateParty.objects.filter(person_key=user.person_key).values("gate")  # type: ignore[union-attr]
    gates = (mine | open_to_me | escalated).exclude(gate__in=taken_part).values("gate")
    return Q(state=State.PENDING_APPROVAL, gate__in=gates)


def _lent(scope: Scope) -> Q:
    q = Q(pk__in=[])
    for loan in scope.loans:
        for role, reach in loan.reach.items():
            q |= Q(role=role, assigned_to=loan.delegation.delegator_id) & prefixed(reach.q(), "gate")
    return q


def _open_to(scope: Scope) -> Q:
    q = Q(pk__in=[])
    for role in scope.reach:
        q |= Q(role=role) & prefixed(scope.of(role), "gate")
    return q


def _all_pending(request: HttpRequest) -> Q:
    return Q(state=State.PENDING_APPROVAL)


def _provisioning(request: HttpRequest) -> Q:
    return Q(state=State.PROVISIONING)


def _failed(request: HttpRequest) -> Q:
    return Q(state=State.FAILED)


def _completed_this_month(request: HttpRequest) -> Q:
    month = clock.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return Q(state=State.COMPLETED, provisioning_completed__gte=month)


# Key in the address → (title, filter), in the seed's order.
SAVED_VIEWS: dict[str, tuple[str, Callable[[HttpRequest], Q]]] = {
    "mine": ("My Requests", _mine),
    "pending-mine": ("Pending My Approval", _pending_my_approval),
    "pending": ("All Pending", _all_pending),
    "provisioning": ("Provisioning in Progress", _provisioning),
    "failed": ("Failed Requests", _failed),
    "completed": ("Completed This Month", _completed_this_month),
}


class SavedViewFilter(SimpleListFilter):
    title = "view"
    parameter_name = PARAMETER

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(key, title) for key, (title, _) in SAVED_VIEWS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        view = SAVED_VIEWS.get(self.value() or "")
        return queryset.filter(view[1](request)) if view else queryset


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the tabs above the request list."""
    chosen = request.GET.get(PARAMETER, "")
    items = [{"title": "All", "link": str(_LIST), "active": chosen not in SAVED_VIEWS}]
    for key, (title, _) in SAVED_VIEWS.items():
        items.append({"title": title, "link": f"{_LIST}?{PARAMETER}={key}", "active": chosen == key})
    return [{"models": ["requests_app.environmentrequest"], "items": items}]
