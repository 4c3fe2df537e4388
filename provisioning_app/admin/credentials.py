"""Rotations of credentials, to be read; and the button on an identity's page that starts one."""

from __future__ import annotations

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget

from accounts_app.admin import TenantIdentityAdmin, TenantScoped
from accounts_app.models import TenantIdentity
from core_app.admin import dialog_action
from provisioning_app import services
from provisioning_app.credentials.clocks import days_left, is_due
from provisioning_app.credentials.permissions import may_rotate
from provisioning_app.models import RotationRecord

Stage = RotationRecord.Stage


class RotationDialog(BaseDialogForm):
    """Which kind the new credential shall be."""

    kind = forms.ChoiceField(
        choices=[("", "The kind it has now"), *TenantIdentity.Kind.choices],
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="A certificate is recommended for production.",
    )


class RotatedIdentityAdmin(TenantIdentityAdmin):
    list_display = (*TenantIdentityAdmin.list_display, "rotation_due")  # type: ignore[assignment]
    actions_detail = ("rotate",)

    @dialog_action(
        label="Rotate",
        icon="key",
        form=RotationDialog,
        offered=may_rotate,
        explained="A new credential is added and proved by a whole preflight; only then is the old one revoked.",
        variant=ActionVariant.PRIMARY,
    )
    def rotate(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        row, kind = self.visible(request, object_id), form.cleaned_data["kind"]
        return self.act(
            request,
            object_id,
            lambda: services.rotate_credential(row.tenant_id, row.purpose, by=request.user, kind=kind),  # type: ignore[arg-type]
            done=f"The credential of {row} is being rotated.",
        )

    @display(description="Rotation", label={"Due": "danger", "Age unknown": "warning"})
    def rotation_due(self, identity: TenantIdentity) -> str:
        left = days_left(identity)
        if left is None:
            return "Age unknown"
        return "Due" if is_due(identity) else f"in {left} days"


@admin.register(RotationRecord)
class RotationRecordAdmin(TenantScoped):
    list_display = ("identity", "kind", "state", "requested_by", "started_at", "finished_at", "error")
    list_select_related = ("identity", "requested_by")
    list_filter = (("tenant", admin.RelatedOnlyFieldListFilter), "stage", "kind", "started_at")
    ordering = ("-started_at", "id")
    hidden_fields = ("token", "next_at")

    @display(
        description="Stage",
        ordering="stage",
        label={
            **{stage.label: "primary" for stage in RotationRecord.LIVE},
            Stage.COMPLETED.label: "success",
            Stage.WITHDRAWING.label: "warning",
            Stage.ABANDONED.label: "danger",
        },
    )
    def state(self, row: RotationRecord) -> str:
        return row.get_stage_display()


admin.site.unregister(TenantIdentity)
admin.site.register(TenantIdentity, RotatedIdentityAdmin)
