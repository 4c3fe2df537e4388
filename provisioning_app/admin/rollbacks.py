"""Rollbacks that people chose, to be read."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from accounts_app.admin import ReadOnlyHistory
from core_app.admin import Coloured
from provisioning_app.choices import RollbackStatus
from provisioning_app.models import Rollback
from requests_app.admin.scoped import RequestScoped


@admin.register(Rollback)
class RollbackAdmin(RequestScoped, ReadOnlyHistory):
    nothing_here = _("No environment has been rolled back.")
    scope_path = request_path = "request"
    list_display = ("environment", "request", "state", "initiated_by", "initiated_at", "finished_at", "error")
    list_select_related = ("environment", "request", "initiated_by")
    list_filter = ("status", "initiated_at")
    search_fields = ("request__request_number", "environment__display_name")
    ordering = ("-initiated_at", "id")

    @display(
        description=_("Status"),
        ordering="status",
        label=Coloured(
            {
                RollbackStatus.INITIATED.label: "info",
                RollbackStatus.DELETING.label: "primary",
                RollbackStatus.COMPLETED.label: "success",
                RollbackStatus.FAILED.label: "danger",
            }
        ),
    )
    def state(self, rollback: Rollback) -> str:
        return rollback.get_status_display()
