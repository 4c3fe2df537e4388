"""What provisioning adds to the tenant's page: starting again after it was halted."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from accounts_app.admin import TenantAdmin
from accounts_app.models import Tenant, User
from accounts_app.roles import Role
from core_app.admin import ConfirmDialog, ReasonDialog, dialog_action
from provisioning_app import services
from provisioning_app.credentials.permissions import holds
from provisioning_app.permissions import operates


def may_resume(user: User, tenant: Tenant) -> bool:
    """Say whether a person may let a halted tenant provision again."""
    return bool(tenant.halted_reason) and operates(user, tenant)


def may_start_review(user: User, tenant: Tenant) -> bool:
    """Say whether a person may start a review of the service principals' privileges."""
    return holds(user, tenant, Role.OPERATOR, Role.GOVERNANCE_LEAD)


class ProvisionedTenantAdmin(TenantAdmin):
    actions_detail: ClassVar[tuple[str, ...]] = ("resume", "start_review")

    @dialog_action(
        label=_("Resume"),
        icon="play_arrow",
        form=ReasonDialog,
        offered=may_resume,
        explained=_("Approved requests of this tenant are provisioned again."),
        variant=ActionVariant.PRIMARY,
    )
    def resume(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(
            request,
            object_id,
            services.resume,
            gettext("Provisioning in {} goes on."),
            reason=form.cleaned_data["reason"],
        )

    @dialog_action(
        label=_("Review service principal"),
        icon="policy",
        form=ConfirmDialog,
        offered=may_start_review,
        explained=_("What the service principals hold and did is compared with what they should; you hear the result."),
    )
    def start_review(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(
            request, object_id, services.start_review, gettext("The privileges in {} are being reviewed.")
        )


admin.site.unregister(Tenant)
admin.site.register(Tenant, ProvisionedTenantAdmin)
