"""The saved views of the request list (seed, Views): a filter, the tabs that choose it, and how many rows each has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import CharField, Count, Q, QuerySet, Value
from django.http import HttpRequest
from django.urls import reverse_lazy
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from accounts_app.admin import scope_for
from core_app import clock
from gates_app import services as gates
from gates_app.levels import StageStatus
from gates_app.models import Stage
from requests_app.choices import State
from requests_app.models import EnvironmentRequest

PARAMETER = "view"
_LIST_NAME = "requests_app_environmentrequest_changelist"
_LIST = reverse_lazy(f"admin:{_LIST_NAME}")


@dataclass(frozen=True, slots=True)
class SavedView:
    """One saved view.

    Attributes:
        title: Its name for people.
        rows: Which of the rows that a person sees it shows.
        nothing_here: What it says when it shows none.
        permission: What a person must hold for it to be offered; nothing when it is there for everybody.
    """

    title: Promise
    rows: Callable[[HttpRequest], Q]
    nothing_here: Promise
    permission: str = ""


def _mine(request: HttpRequest) -> Q:
    return Q(requester=request.user.pk)


def _pending_my_approval(request: HttpRequest) -> Q:
    """What the queue calls "Waiting for me", zones in dispute apart: those are drafts."""
    asking = gates.stages_asking(request.user, scope_for(request))  # type: ignore[arg-type]
    return Q(state=State.PENDING_APPROVAL, gate__in=asking.values("gate"))


def _all_pending(request: HttpRequest) -> Q:
    return Q(state=State.PENDING_APPROVAL)


def _provisioning(request: HttpRequest) -> Q:
    return Q(state=State.PROVISIONING)


def _failed(request: HttpRequest) -> Q:
    return Q(state=State.FAILED)


def _completed_this_month(request: HttpRequest) -> Q:
    return Q(state=State.COMPLETED, provisioning_completed__gte=start_of_month(clock.now()))


def _overdue(request: HttpRequest) -> Q:
    """A decision that somebody had to make by now (elm.md §4, escalation)."""
    late = Stage.objects.filter(status=StageStatus.OPEN, escalate_at__lte=clock.now(), paused_at__isnull=True)
    return Q(state=State.PENDING_APPROVAL, gate__in=late.values("gate"))


# Key in the address → the view: the seed's, in its order, then ours
SAVED_VIEWS: dict[str, SavedView] = {
    "mine": SavedView(
        _("My Requests"),
        _mine,
        _("You have not asked for an environment yet. New request leads you through a few questions."),
    ),
    "pending-mine": SavedView(
        _("Pending My Approval"),
        _pending_my_approval,
        _("Nothing waits for your decision. You are told when something does."),
    ),
    "pending": SavedView(
        _("All Pending"),
        _all_pending,
        _("No request waits for a decision. One stands here as soon as it is submitted."),
    ),
    "provisioning": SavedView(
        _("Provisioning in Progress"),
        _provisioning,
        _("Nothing is being provisioned now. A run begins when a request is approved and a slot is free."),
    ),
    "failed": SavedView(
        _("Failed Requests"),
        _failed,
        _("No request has failed. One that does stays here until it is retried or rolled back."),
    ),
    "completed": SavedView(
        _("Completed This Month"),
        _completed_this_month,
        _("Nothing was completed this month yet. What was completed earlier stands under All."),
    ),
    "overdue": SavedView(
        _("Overdue"),
        _overdue,
        _("No decision is overdue. One is when its stage stays open for longer than the settings allow."),
    ),
}


def offered_views(request: HttpRequest) -> dict[str, SavedView]:
    """Return the saved views that the signed-in person is offered, by their keys."""
    known: Mapping[str, SavedView] = admin.site.get_model_admin(EnvironmentRequest).saved_views  # type: ignore[attr-defined]
    may = request.user.has_perm
    return {key: view for key, view in known.items() if not view.permission or may(view.permission)}


def counts(request: HttpRequest) -> dict[str, int]:
    """Return how many visible rows each offered view has; read in one statement, once per request."""
    if not hasattr(request, "elm_view_counts"):
        request.elm_view_counts = _counted(request)  # type: ignore[attr-defined]
    return request.elm_view_counts  # type: ignore[attr-defined]


def _counted(request: HttpRequest) -> dict[str, int]:
    visible = admin.site.get_model_admin(EnvironmentRequest).get_queryset(request).select_related(None).order_by()
    # One SELECT per view, so that each finds its few rows by an index; one filtered count over all would read every row
    first, *others = (
        visible.filter(view.rows(request))
        .annotate(view=Value(key, output_field=CharField()))
        .values("view")
        .annotate(rows=Count("pk"))
        .values_list("view", "rows")
        for key, view in offered_views(request).items()
    )
    found = dict(first.union(*others, all=True))
    return {key: found.get(key, 0) for key in offered_views(request)}


def address_of(key: str) -> str:
    """Return the address of a saved view."""
    return f"{_LIST}?{PARAMETER}={key}"


def start_of_month(moment: datetime) -> datetime:
    """Return the first of a month, 00:00 UTC."""
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


class SavedViewFilter(SimpleListFilter):
    title = _("view")
    parameter_name = PARAMETER

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(key, view.title) for key, view in offered_views(request).items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        view = offered_views(request).get(self.value() or "")
        return queryset.filter(view.rows(request)) if view else queryset


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the tabs above the request list; they are asked for on every page and shown on this one alone."""
    if request.resolver_match is None or request.resolver_match.url_name != _LIST_NAME:
        return []
    views, chosen = offered_views(request), request.GET.get(PARAMETER, "")
    items: list[dict[str, Any]] = [{"title": _("All"), "link": "?", "active": chosen not in views}]
    for key, view in views.items():
        items.append(
            {"title": _titled(view, counts(request)[key]), "link": f"?{PARAMETER}={key}", "active": chosen == key}
        )
    return [{"models": ["requests_app.environmentrequest"], "items": items}]


def _titled(view: SavedView, rows: int) -> str:
    return format_html('{} <span class="font-normal opacity-75">{}</span>', view.title, rows)
