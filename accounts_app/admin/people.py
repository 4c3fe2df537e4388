"""The screens of tenants, their identities, business units and people."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget

from accounts_app import people, services
from accounts_app.admin.scoped import ReadOnlyHistory, TenantScoped
from accounts_app.models import BusinessUnit, Tenant, TenantIdentity, User
from core_app.admin import Coloured, ReasonDialog, dialog_action


@admin.register(Tenant)
class TenantAdmin(TenantScoped):
    scope_path = "pk"
    list_display = ("name", "entra_tenant_id", "publisher_prefix", "halted")
    search_fields = ("name",)
    readonly_fields = ("halted",)
    fields = ("name", "halted", "halted_reason", "entra_tenant_id", "key_vault_url", "publisher_prefix", "created_at")

    @display(description=_("Provisioning"), label=Coloured({"Running": "success", "Halted": "danger"}))
    def halted(self, tenant: Tenant) -> str:
        return gettext("Halted") if tenant.halted_reason else gettext("Running")


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


class RevokeRoleDialog(ReasonDialog):
    """Asks which of the roles that a person holds, and why."""

    field_order = ("lost", "reason")
    lost = forms.ChoiceField(label=_("Role"), widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        person = User.objects.filter(pk=self.object_id).first()
        self.held = {each.key: each for each in services.roles_of(person)} if person else {}
        self.fields["lost"].choices = [(key, str(each)) for key, each in self.held.items()]

    def clean_lost(self) -> services.HeldRole:
        """Return the role that was chosen."""
        return self.held[self.cleaned_data["lost"]]


@admin.register(User)
class UserAdmin(ReadOnlyHistory):
    list_display = ("display_name", "upn", "business_unit", "roles", "account")
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
        "held_roles",
        "entra_object_id",
        "account",
        "last_login",
    )
    readonly_fields = ("held_roles", "account")
    actions_detail: ClassVar[tuple[str, ...]] = ("end_sessions", "revoke_role", "deactivate", "reactivate")

    @dialog_action(
        label=_("Sign out everywhere"),
        icon="logout",
        form=ReasonDialog,
        offered=people.may_end_sessions,
        explained=_("Every session of this person ends with their next click. They may sign in again."),
    )
    def end_sessions(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(
            request,
            object_id,
            people.end_sessions,
            gettext("{} is signed out everywhere."),
            reason=form.cleaned_data["reason"],
        )

    @dialog_action(
        label=_("Take a role away"),
        icon="remove_moderator",
        form=RevokeRoleDialog,
        offered=services.may_revoke_role,
        explained=_(
            "It stops counting with their next click. What an Entra group gives comes back with "
            "a new sign-in, unless they leave the group or its mapping is ended (Roles by Entra "
            "group)."
        ),
    )
    def revoke_role(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        lost, reason = form.cleaned_data["lost"], form.cleaned_data["reason"]
        done = gettext("{{}} is no longer {role}.").format(role=lost)
        return self.run_verb(request, object_id, services.revoke_role, done, lost=lost, reason=reason)

    @dialog_action(
        label=_("Deactivate"),
        icon="person_off",
        form=ReasonDialog,
        offered=people.may_deactivate,
        explained=_("They cannot sign in any more, their sessions end, and what they were to decide goes to others."),
        variant=ActionVariant.DANGER,
    )
    def deactivate(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(
            request, object_id, people.deactivate, gettext("{} is deactivated."), reason=form.cleaned_data["reason"]
        )

    @dialog_action(
        label=_("Reactivate"),
        icon="person_check",
        form=ReasonDialog,
        offered=people.may_reactivate,
        explained=_("They may sign in again, with the roles they hold."),
    )
    def reactivate(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(
            request, object_id, people.reactivate, gettext("{} may sign in again."), reason=form.cleaned_data["reason"]
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the visible people with their roles, in two queries."""
        return super().get_queryset(request).prefetch_related("groups")

    @display(
        description=_("Account"),
        label=Coloured({"Active": "success", "Deactivated": "danger", "Service principal": "info"}),
    )
    def account(self, user: User) -> str:
        if not user.is_active:
            return gettext("Deactivated")
        return gettext("Service principal") if user.is_service_principal else gettext("Active")

    @display(description=_("Roles"), label=True)
    def roles(self, user: User) -> list[str]:
        return [gettext(group.name.removeprefix("ELM ")) for group in user.groups.all()]

    @display(description=_("Roles"))
    def held_roles(self, user: User) -> str:
        return format_html_join(mark_safe("<br>"), "{}", ((each,) for each in services.roles_of(user))) or "-"


# Roles are one table in code, synchronised after every migration; the framework's own screen could only break that.
admin.site.unregister(Group)
