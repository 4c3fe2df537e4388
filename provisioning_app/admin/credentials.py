"""Rotations of credentials, to be read; and the button on an identity's page that starts one."""

from __future__ import annotations

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget

from accounts_app.admin import TenantIdentityAdmin, TenantScoped
from accounts_app.models import TenantIdentity
from core_app.admin import Coloured, dialog_action
from core_app.words import translated_choices
from provisioning_app import services
from provisioning_app.admin.links import link_to
from provisioning_app.admin.steps import proved
from provisioning_app.credentials.clocks import days_left, is_due, rotate_by
from provisioning_app.credentials.permissions import may_rotate
from provisioning_app.models import RotationRecord

Stage = RotationRecord.Stage


class RotationDialog(BaseDialogForm):
    """Which kind the new credential shall be."""

    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=[("", _("The kind it has now")), *translated_choices(TenantIdentity.Kind)],
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=_("A certificate is recommended for production."),
    )


class RotatedIdentityAdmin(TenantIdentityAdmin):
    list_display = (*TenantIdentityAdmin.list_display, "rotation_due")  # type: ignore[assignment]
    readonly_fields = ("rotation_due", "rotate_before", "rotations")
    fieldsets = (
        (None, {"fields": ("display_name", "purpose", "tenant", "client_id")}),
        (
            _("Credential in force"),
            {
                "fields": (
                    "kind",
                    "rotation_due",
                    "rotate_before",
                    "created_on",
                    "expires_on",
                    "secret_name",
                    "secret_version",
                    "key_id",
                    "rotations",
                )
            },
        ),
    )
    actions_detail = ("rotate",)

    @dialog_action(
        label=_("Rotate"),
        icon="key",
        form=RotationDialog,
        offered=may_rotate,
        explained=_("A new credential is added and proved by a whole preflight; only then is the old one revoked."),
        variant=ActionVariant.PRIMARY,
    )
    def rotate(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        row, kind = self.visible(request, object_id), form.cleaned_data["kind"]
        return self.act(
            request,
            object_id,
            lambda: services.rotate_credential(row.tenant_id, row.purpose, by=request.user, kind=kind),  # type: ignore[arg-type]
            done=gettext("The credential of %(row)s is being rotated.") % {"row": row},
        )

    @display(description=_("Rotation"), label=Coloured({"Due": "danger", "Age unknown": "warning"}))
    def rotation_due(self, identity: TenantIdentity) -> str:
        left = days_left(identity)
        if left is None:
            return gettext("Age unknown")
        return gettext("Due") if is_due(identity) else gettext("in %(left)s days") % {"left": left}

    @display(description=_("To be rotated by"))
    def rotate_before(self, identity: TenantIdentity) -> str:
        until = rotate_by(identity)
        return f"{until:%Y-%m-%d}" if until else gettext("Unknown: rotate it once, then its dates are known.")

    @display(description=_("Latest rotations"))
    def rotations(self, identity: TenantIdentity) -> str:
        latest = identity.rotations.select_related("identity").order_by("-started_at")[:5]
        return format_html_join(
            "", "<div>{} UTC: {}</div>", ((f"{row.started_at:%Y-%m-%d %H:%M}", link_to(row)) for row in latest)
        )


@admin.register(RotationRecord)
class RotationRecordAdmin(TenantScoped):
    nothing_here = _("No rotation yet: an operator starts one with Rotate on an identity's page.")
    list_display = ("identity", "kind", "state", "requested_by", "started_at", "error")
    list_select_related = ("identity", "requested_by")
    list_filter = (("tenant", admin.RelatedOnlyFieldListFilter), "stage", "kind", "started_at")
    ordering = ("-started_at", "id")
    readonly_fields = ("state", proved)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "identity",
                    "kind",
                    "state",
                    "error",
                    "attempts",
                    "requested_by",
                    "started_at",
                    "stage_at",
                    "proved_at",
                    "revoked_at",
                    "finished_at",
                )
            },
        ),
        (_("New credential"), {"fields": ("secret_name", "secret_version", "key_id", "expires_on", proved)}),
        (_("Old credential"), {"fields": ("old_secret_version", "old_key_id")}),
        (_("In the log"), {"fields": ("tenant", "id")}),
    )

    @display(
        description=_("Stage"),
        ordering="stage",
        label=Coloured(
            {
                **{str(stage.label): "primary" for stage in RotationRecord.LIVE},
                Stage.COMPLETED.label: "success",
                Stage.WITHDRAWING.label: "warning",
                Stage.ABANDONED.label: "danger",
            }
        ),
    )
    def state(self, row: RotationRecord) -> str:
        return row.get_stage_display()


admin.site.unregister(TenantIdentity)
admin.site.register(TenantIdentity, RotatedIdentityAdmin)
