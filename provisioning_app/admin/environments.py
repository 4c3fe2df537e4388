"""The register of environments: read, put into quarantine and released from it."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from accounts_app.admin import ReadOnlyHistory, RoleScoped
from core_app.admin import ReadOnlyAdmin, ReadOnlyInline, dialog_action
from provisioning_app import services
from provisioning_app.choices import EnvironmentStatus
from provisioning_app.models import Environment, GovernedControl
from provisioning_app.quarantine import may_quarantine, may_release
from requests_app.admin.dialogs import ReasonDialog
from requests_app.admin.summary import ZONE_COLOURS


class ControlInline(ReadOnlyInline):
    model = GovernedControl
    fields = ("control", "governed_at", "seconds")


@admin.register(Environment)
class EnvironmentAdmin(ReadOnlyHistory):
    list_display = ("display_name", "zone_badge", "state", "business_unit", "request", "created_at", "governed_at")
    list_select_related = ("business_unit", "request")
    list_filter = ("status", "zone", ("business_unit", admin.RelatedOnlyFieldListFilter), "created_at")
    search_fields = ("display_name", "domain_name", "environment_id", "request__request_number")
    ordering = ("-created_at", "id")
    inlines = (ControlInline,)
    hidden_fields = ("operations_read_at",)
    actions_detail = ("quarantine", "release")

    @dialog_action(
        label="Quarantine",
        icon="block",
        form=ReasonDialog,
        offered=may_quarantine,
        explained="It is listed for the operators, and nothing is tried on it until one of them releases it.",
        variant=ActionVariant.DANGER,
    )
    def quarantine(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        row, reason = self.visible(request, object_id), form.cleaned_data["reason"]
        return self.act(
            request,
            object_id,
            lambda: services.quarantine(row.pk, by=request.user, reason=reason),  # type: ignore[arg-type]
            done=f"{row} is quarantined.",
        )

    @dialog_action(
        label="Release",
        icon="lock_open",
        form=ReasonDialog,
        offered=may_release,
        explained="It belongs to its request again.",
        variant=ActionVariant.PRIMARY,
    )
    def release(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        row, reason = self.visible(request, object_id), form.cleaned_data["reason"]
        return self.act(
            request,
            object_id,
            lambda: services.release_quarantine(row.pk, by=request.user, reason=reason),  # type: ignore[arg-type]
            done=f"{row} is released.",
        )

    @display(description="Zone", ordering="zone", label=ZONE_COLOURS)
    def zone_badge(self, environment: Environment) -> str:
        return environment.get_zone_display() or "-"

    @display(
        description="Status",
        ordering="status",
        label={
            EnvironmentStatus.PROVISIONING.label: "primary",
            EnvironmentStatus.ACTIVE.label: "success",
            EnvironmentStatus.QUARANTINED.label: "danger",
            EnvironmentStatus.DELETED.label: "",
        },
    )
    def state(self, environment: Environment) -> str:
        return environment.get_status_display()


@admin.register(GovernedControl)
class GovernedControlAdmin(RoleScoped, ReadOnlyAdmin):
    scope_path = "environment"
    list_display = ("environment", "control", "governed_at", "seconds")
    list_select_related = ("environment",)
    list_filter = ("control", "governed_at")
    search_fields = ("environment__display_name",)
    ordering = ("-governed_at", "-id")
