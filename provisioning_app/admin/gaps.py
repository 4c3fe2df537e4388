"""Open and closed gaps, to be read."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from accounts_app.admin import ReadOnlyHistory
from core_app import clock
from core_app.admin import Coloured
from core_app.text import lasted
from provisioning_app.admin.steps import StepFilter, step_label
from provisioning_app.models import Gap
from requests_app.admin.scoped import RequestScoped


class OpenFilter(admin.SimpleListFilter):
    title = gettext_lazy("status")
    parameter_name = "is"

    def lookups(self, request, model_admin):  # type: ignore[no-untyped-def]
        return [("open", _("Open")), ("closed", _("Closed"))]

    def queryset(self, request, queryset):  # type: ignore[no-untyped-def]
        return queryset.filter(closed_at__isnull=self.value() == "open") if self.value() else queryset


@admin.register(Gap)
class GapAdmin(RequestScoped, ReadOnlyHistory):
    nothing_here = gettext_lazy("Every control of every environment is applied.")
    scope_path = request_path = "request"
    list_display = ("request", step_label, "state", "age", "owner", "attempts", "reason")
    list_select_related = ("request", "run", "owner")
    list_filter = (OpenFilter, StepFilter, "opened_at")
    search_fields = ("request__request_number",)
    ordering = ("-opened_at", "id")
    readonly_fields = (step_label, "state", "age")
    fields = (
        "request",
        "run",
        step_label,
        "state",
        "reason",
        "owner",
        "opened_at",
        "closed_at",
        "age",
        "attempts",
        "next_at",
    )

    @display(description=gettext_lazy("Status"), label=Coloured({"Open": "danger", "Closed": "success"}))
    def state(self, gap: Gap) -> str:
        return _("Closed") if gap.closed_at else _("Open")

    @display(description=gettext_lazy("Age"), ordering="opened_at")
    def age(self, gap: Gap) -> str:
        return lasted((gap.closed_at or clock.now()) - gap.opened_at)
