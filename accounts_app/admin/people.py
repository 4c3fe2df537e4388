"""The screens of tenants, their identities, business units and people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts_app import people
from accounts_app.admin.scoped import ReadOnlyHistory, TenantScoped
from accounts_app.models import BusinessUnit, Tenant, TenantIdentity, User
from core_app.admin import dialog_action


@admin.register(Tenant)
class TenantAdmin(TenantScoped):
    scope_path = "pk"
    list_display = ("name", "entra_tenant_id", "publisher_prefix", "halted")
    search_fields = ("name",)
    readonly_fields = ("halted",)
    fields = ("name", "halted", "halted_reason", "entra_tenant_id", "key_vault_url", "publisher_prefix", "created_at")

    @display(description="Provisioning", label={"Running": "success", "Halted": "danger"})
    def halted(self, tenant: Tenant) -> str:
        return "Halted" if tenant.halted_reason else "Running"


@admin.register(TenantIdentity)
class TenantIdentityAdmin(TenantScoped):
    list_display = ("display_name", "tenant", "purpose", "kind", "expires_on")
    list_select_related = ("tenant",)
    list_filter = (("tenant", admin.RelatedOnlyFieldListFilter), "purpose", "kind")


@admin.register(BusinessUnit)
class BusinessUnitAdmin(ReadOnlyHistory):
    list_display = ("name", "parent", "tenant")
    list_select_related = ("tenant", "parent")
    list_filter = (("tenant", admin.RelatedOnlyFieldListFilter),)
    search_fields = ("name",)
    hidden_fields = ("path",)

    def reached(self, request: HttpRequest) -> Q:
        """Return the filter on units that the person's viewing roles reach."""
        q = Q(pk__in=[])
        for held in self.held(request):
            q |= held.of_units()
        return q


class WhyDialog(BaseDialogForm):
    """Asks for the reason that the log keeps."""

    reason = forms.CharField(widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}), max_length=500)


@admin.register(User)
class UserAdmin(ReadOnlyHistory):
    list_display = ("display_name", "upn", "business_unit", "roles", "is_active", "is_service_principal")
    list_select_related = ("business_unit",)
    list_filter = (("business_unit", admin.RelatedOnlyFieldListFilter), "is_active", "is_service_principal")
    search_fields = ("display_name", "upn")
    ordering = ("upn",)
    fields = (
        "upn",
        "display_name",
        "department",
        "tenant",
        "business_unit",
        "manager",
        "role_names",
        "entra_object_id",
        "is_active",
        "is_service_principal",
        "last_login",
    )
    readonly_fields = ("role_names",)
    actions_detail: ClassVar[tuple[str, ...]] = ("end_sessions", "deactivate", "reactivate")

    @dialog_action(
        label="Sign out everywhere",
        icon="logout",
        form=WhyDialog,
        offered=people.may_end_sessions,
        explained="Every session of this person ends with their next click. They may sign in again.",
    )
    def end_sessions(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self._tell(people.end_sessions, request, form, object_id, "{} is signed out everywhere.")

    @dialog_action(
        label="Deactivate",
        icon="person_off",
        form=WhyDialog,
        offered=people.may_deactivate,
        explained="They cannot sign in any more, their sessions end, and what they were to decide goes to others.",
        variant=ActionVariant.DANGER,
    )
    def deactivate(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self._tell(people.deactivate, request, form, object_id, "{} is deactivated.")

    @dialog_action(
        label="Reactivate",
        icon="person_check",
        form=WhyDialog,
        offered=people.may_reactivate,
        explained="They may sign in again, with the roles they hold.",
    )
    def reactivate(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self._tell(people.reactivate, request, form, object_id, "{} may sign in again.")

    def _tell(
        self, verb: Callable[..., User], request: HttpRequest, form: BaseDialogForm, object_id: str, done: str
    ) -> HttpResponse:
        row, reason = self.visible(request, object_id), form.cleaned_data["reason"]
        return self.act(request, object_id, lambda: verb(row.pk, by=request.user, reason=reason), done=done.format(row))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the visible people with their roles, in two queries."""
        return super().get_queryset(request).prefetch_related("groups")

    @display(description="Roles", label=True)
    def roles(self, user: User) -> list[str]:
        return [group.name.removeprefix("ELM ") for group in user.groups.all()]

    @display(description="Roles")
    def role_names(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all())


# Roles are one table in code, synchronised after every migration; the framework's own screen could only break that.
admin.site.unregister(Group)
