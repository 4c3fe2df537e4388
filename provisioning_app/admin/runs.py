"""Provisioning runs with their steps; a failed one is retried here or on its request's page."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from accounts_app.admin import ReadOnlyHistory
from accounts_app.models import User
from core_app.admin import dialog_action
from provisioning_app import services
from provisioning_app.admin.steps import StepInline
from provisioning_app.choices import RunStatus
from provisioning_app.models import ProvisioningRun
from requests_app.admin.dialogs import ReasonDialog
from requests_app.permissions import may_retry

STATUS_COLOURS = {
    RunStatus.QUEUED.label: "info",
    RunStatus.RUNNING.label: "primary",
    RunStatus.COMPLETED.label: "success",
    RunStatus.FAILED.label: "danger",
}


def may_retry_run(user: User, run: ProvisioningRun) -> bool:
    """Say whether a person may retry the request of a failed run."""
    return run.status == RunStatus.FAILED and may_retry(user, run.request)


@admin.register(ProvisioningRun)
class ProvisioningRunAdmin(ReadOnlyHistory):
    scope_path = "request"
    list_display = ("__str__", "state", "step", "step_attempt", "waiting_for", "queued_at", "started_at", "finished_at")
    list_select_related = ("request",)
    list_filter = ("status", "step", "queued_at")
    search_fields = ("request__request_number", "environment_id", "domain_name")
    ordering = ("-queued_at", "id")
    hidden_fields = ("lease_token", "lease_until", "lease_owner")
    inlines = (StepInline,)
    actions_detail = ("retry",)

    @dialog_action(
        label="Retry",
        icon="restart_alt",
        form=ReasonDialog,
        offered=may_retry_run,
        explained="Provisioning goes on from the step that failed, as soon as a slot is free.",
        variant=ActionVariant.PRIMARY,
    )
    def retry(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        row, reason = self.visible(request, object_id), form.cleaned_data["reason"]
        return self.act(
            request,
            object_id,
            lambda: services.retry(row.request_id, by=request.user, reason=reason),  # type: ignore[arg-type]
            done=f"{row.request} is tried again.",
        )

    @display(description="Status", ordering="status", label=STATUS_COLOURS)
    def state(self, run: ProvisioningRun) -> str:
        return run.get_status_display()
