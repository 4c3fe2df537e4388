"""What the intake agent sent, to be read."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest

from accounts_app.admin import RoleScoped
from accounts_app.scope import prefixed
from core_app.admin import ReadOnlyAdmin
from requests_app.admin.scoped import visible_for
from requests_app.models import IntakeReceipt


@admin.register(IntakeReceipt)
class IntakeReceiptAdmin(RoleScoped, ReadOnlyAdmin):
    list_display = ("received_at", "external_id", "request", "tenant")
    list_select_related = ("request", "tenant")
    search_fields = ("external_id", "request__request_number")
    ordering = ("-received_at", "id")

    def reached(self, request: HttpRequest) -> Q:
        """Return the filter on receipts of visible requests."""
        return prefixed(visible_for(request), "request")
