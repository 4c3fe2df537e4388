"""Open and closed gaps, to be read."""

from __future__ import annotations

from django.contrib import admin
from unfold.decorators import display

from accounts_app.admin import ReadOnlyHistory
from core_app import clock
from provisioning_app.models import Gap


class OpenFilter(admin.SimpleListFilter):
    title = "status"
    parameter_name = "is"

    def lookups(self, request, model_admin):  # type: ignore[no-untyped-def]
        return [("open", "Open"), ("closed", "Closed")]

    def queryset(self, request, queryset):  # type: ignore[no-untyped-def]
        return queryset.filter(closed_at__isnull=self.value() == "open") if self.value() else queryset


@admin.register(Gap)
class GapAdmin(ReadOnlyHistory):
    scope_path = "request"
    list_display = ("request", "step", "state", "age", "owner", "attempts", "reason")
    list_select_related = ("request", "owner")
    list_filter = (OpenFilter, "step", "opened_at")
    search_fields = ("request__request_number",)
    ordering = ("-opened_at", "id")

    @display(description="Status", label={"Open": "danger", "Closed": "success"})
    def state(self, gap: Gap) -> str:
        return "Closed" if gap.closed_at else "Open"

    @display(description="Age", ordering="opened_at")
    def age(self, gap: Gap) -> str:
        hours = ((gap.closed_at or clock.now()) - gap.opened_at).total_seconds() / 3600
        return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
