"""Legal holds, in force and released, to be read; they are placed and released on the request's page."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from accounts_app.admin import ReadOnlyHistory
from core_app.admin import Coloured
from requests_app.admin.scoped import RequestScoped
from requests_app.models import LegalHold


class InForceFilter(admin.SimpleListFilter):
    title = "status"
    parameter_name = "is"

    def lookups(self, request, model_admin):  # type: ignore[no-untyped-def]
        return [("in_force", _("In force")), ("released", _("Released"))]

    def queryset(self, request, queryset):  # type: ignore[no-untyped-def]
        return queryset.filter(released_at__isnull=self.value() == "in_force") if self.value() else queryset


@admin.register(LegalHold)
class LegalHoldAdmin(RequestScoped, ReadOnlyHistory):
    nothing_here = gettext_lazy("No request that you may see has ever been under legal hold.")
    scope_path = request_path = "request"
    list_display = ("request", "matter", "status", "placed_by", "placed_at", "released_by", "released_at")
    list_display_links = ("request", "matter")
    list_select_related = ("request", "placed_by", "released_by")
    list_filter = (InForceFilter, "placed_at")
    search_fields = ("request__request_number", "matter")
    ordering = ("-placed_at", "id")
    readonly_fields = ("status",)
    fields = (
        "request",
        "matter",
        "status",
        "reason",
        "placed_by",
        "placed_at",
        "release_reason",
        "released_by",
        "released_at",
        "tenant",
    )

    @display(description=gettext_lazy("Status"), label=Coloured({"In force": "danger", "Released": "success"}))
    def status(self, hold: LegalHold) -> str:
        return _("Released") if hold.released_at else _("In force")
