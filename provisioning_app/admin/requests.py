"""What provisioning adds to the request's page: its runs, its open gaps, and what can be done about a failed one."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from core_app.admin import dialog_action
from provisioning_app import plan, services
from provisioning_app.admin.environments import policy_gap_table
from provisioning_app.admin.steps import step_label
from provisioning_app.matrix import Choice, options
from requests_app.admin.dialogs import ReasonDialog, RetryDialog
from requests_app.admin.requests import EnvironmentRequestAdmin
from requests_app.fields import Tab
from requests_app.models import EnvironmentRequest
from requests_app.permissions import may_retry


class ProvisionedRequestAdmin(EnvironmentRequestAdmin):
    actions_detail: ClassVar[tuple[str, ...]] = (
        *EnvironmentRequestAdmin.actions_detail,
        "retry",
        "attest",
        "roll_back",
    )

    @dialog_action(
        label="Retry",
        icon="restart_alt",
        form=RetryDialog,
        offered=may_retry,
        explained="Provisioning goes on from the step that failed, as soon as a slot is free.",
        variant=ActionVariant.PRIMARY,
    )
    def retry(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        row, reason = self.visible(request, object_id), form.cleaned_data["reason"]
        return self.act(
            request,
            object_id,
            lambda: services.retry(row.pk, by=request.user, reason=reason),  # type: ignore[arg-type]
            done=f"{row} is tried again.",
        )

    @dialog_action(
        label="Attest",
        icon="fact_check",
        form=ReasonDialog,
        offered=lambda user, row: Choice.ATTEST in options(row, user),
        explained="The failed step was done in the portal. It is read back first, and refused when something differs.",
    )
    def attest(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        row, reason = self.visible(request, object_id), form.cleaned_data["reason"]
        return self.act(
            request,
            object_id,
            lambda: services.attest(row.pk, by=request.user, reason=reason),  # type: ignore[arg-type]
            done=f"{row} was read back and goes on.",
        )

    @dialog_action(
        label="Delete environment",
        icon="delete_forever",
        form=ReasonDialog,
        offered=lambda user, row: Choice.DELETE in options(row, user),
        explained="The partial environment is deleted, unless somebody uses it by now; where that fails, quarantined.",
        variant=ActionVariant.DANGER,
    )
    def roll_back(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        row, reason = self.visible(request, object_id), form.cleaned_data["reason"]
        return self.act(
            request,
            object_id,
            lambda: services.initiate_rollback(row.pk, by=request.user, reason=reason),  # type: ignore[arg-type]
            done=f"The environment of {row} is being deleted.",
        )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Add the runs and the gaps to the provisioning tab, for those who may see them."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is not None and request.user.has_perm("provisioning_app.view_provisioningrun"):
            for title, options in fieldsets:
                if title == Tab.PROVISIONING:
                    options["description"] = self._progress(request, obj)
        return fieldsets

    def _progress(self, request: HttpRequest, row: EnvironmentRequest) -> str:
        runs = list(row.runs.order_by("-attempt"))
        gaps = list(row.gaps.filter(closed_at__isnull=True).select_related("run", "owner").order_by("opened_at"))
        context = {
            "runs": [(run, plan.label(run.plan_version, run.step)) for run in runs],
            "gaps": [(gap, step_label(gap)) for gap in gaps],
            "environments": [(found, policy_gap_table(found)) for found in row.environments.order_by("-created_at")],
        }
        return render_to_string("provisioning_app/progress.html", context, request)


admin.site.unregister(EnvironmentRequest)
admin.site.register(EnvironmentRequest, ProvisionedRequestAdmin)
