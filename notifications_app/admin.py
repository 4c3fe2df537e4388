"""The outbox, to be read."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from unfold.decorators import display

from accounts_app.admin import RoleScoped
from core_app.admin import ReadOnlyAdmin
from notifications_app.models import OutboxMessage


@admin.register(OutboxMessage)
class OutboxMessageAdmin(RoleScoped, ReadOnlyAdmin):
    scope_path = "recipient"
    list_display = ("created_at", "event", "reference", "recipient", "subject", "state")
    list_select_related = ("recipient",)
    list_filter = ("event", "status", "created_at")
    search_fields = ("reference", "subject")
    hidden_fields = ("once",)

    def reached(self, request: HttpRequest) -> Q:
        """Return the filter on messages to people within reach, and to oneself."""
        return super().reached(request) | Q(recipient=request.user.pk)

    @display(
        description="Status",
        ordering="status",
        label={
            OutboxMessage.Status.QUEUED.label: "info",
            OutboxMessage.Status.SENT.label: "success",
            OutboxMessage.Status.KEPT.label: "",
            OutboxMessage.Status.FAILED.label: "danger",
        },
    )
    def state(self, message: OutboxMessage) -> str:
        return message.get_status_display()
