"""Rollbacks that people chose, to be read."""

from __future__ import annotations

from django.contrib import admin

from accounts_app.admin import ReadOnlyHistory
from provisioning_app.models import Rollback


@admin.register(Rollback)
class RollbackAdmin(ReadOnlyHistory):
    scope_path = "request"
    list_display = ("environment", "request", "status", "initiated_by", "initiated_at", "attempts", "finished_at")
    list_select_related = ("environment", "request", "initiated_by")
    list_filter = ("status", "initiated_at")
    search_fields = ("request__request_number", "environment__display_name")
    ordering = ("-initiated_at", "id")
