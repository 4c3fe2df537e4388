"""The screens of tenants, units and people, and the scope that every other screen's rows go through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from unfold.decorators import display

from accounts_app.models import BusinessUnit, Tenant, TenantIdentity, TenantSettings, User
from accounts_app.roles import PERMISSIONS, Role
from accounts_app.scope import Reach, Scope, prefixed, scope_of
from accounts_app.tenant_settings import parse
from audit_app.actions import ActorType
from audit_app.admin import ProvisioningLogScreen
from audit_app.models import ProvisioningLog
from core_app.admin import GovernedAdmin, HistoryAdmin, ReadOnlyAdmin, readable


def scope_for(request: HttpRequest) -> Scope:
    """Return the signed-in person's scope, compiled once per request."""
    if not hasattr(request, "elm_scope"):
        request.elm_scope = scope_of(request.user)  # type: ignore[attr-defined, arg-type]
    return request.elm_scope  # type: ignore[attr-defined]


class RoleScoped(GovernedAdmin):
    """Shows the rows that are reached by a role which may view this table.

    A superuser has every permission but reaches only what their grants reach, like everyone.
    """

    scope_path: ClassVar[str] = ""  # from the row to the one that has ``tenant`` and ``business_unit``

    def scoped(self, queryset: QuerySet[Any], request: HttpRequest) -> QuerySet[Any]:
        """Return the visible rows."""
        return queryset.filter(self.reached(request))

    def reached(self, request: HttpRequest) -> Q:
        """Return the filter on visible rows."""
        q = scope_for(request).of(*self.viewing_roles())
        return prefixed(q, self.scope_path) if self.scope_path else q

    def held(self, request: HttpRequest) -> list[Reach]:
        """Return what each of the person's viewing roles reaches."""
        reach = scope_for(request).reach
        return [reach[role] for role in self.viewing_roles() if role in reach]

    def viewing_roles(self) -> list[Role]:
        """Return the roles that may view this table."""
        permission = f"{self.opts.app_label}.view_{self.opts.model_name}"
        return [role for role, granted in PERMISSIONS.items() if permission in granted]


class ReadOnlyHistory(RoleScoped, ReadOnlyAdmin, HistoryAdmin):
    """A scoped table that is read, with its history."""


class TenantReach(RoleScoped):
    """Shows the rows of tenants in which the person holds a viewing role, be it over one unit."""

    scope_path = "tenant"

    def reached(self, request: HttpRequest) -> Q:
        """Return the filter on visible rows."""
        held = self.held(request)
        organisation = {tenant for each in held for tenant in each.tenants}
        units = Q(pk__in=set().union(*(each.units for each in held)))
        for tree in set().union(*(each.trees for each in held)):
            units |= Q(path__startswith=tree)
        in_units = BusinessUnit.objects.filter(units).values("tenant")
        return Q(**{f"{self.scope_path}__in": organisation}) | Q(**{f"{self.scope_path}__in": in_units})


class TenantScoped(TenantReach, ReadOnlyHistory):
    """A table of tenants that is read, with its history."""


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


@admin.register(TenantSettings)
class TenantSettingsAdmin(TenantScoped):
    list_display = ("__str__", "proposed_by", "proposed_at", "confirmed_by", "confirmed_at")
    list_select_related = ("tenant", "proposed_by", "confirmed_by")
    list_filter = (("tenant", admin.RelatedOnlyFieldListFilter),)
    readonly_fields = ("differences", "together", "by_zone")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "tenant",
                    "version",
                    "differences",
                    "proposed_by",
                    "proposed_at",
                    "confirmed_by",
                    "confirmed_at",
                )
            },
        ),
        ("In force with this version, defaults included", {"fields": ("together", "by_zone")}),
    )

    @display(description="Set here, unlike the defaults")
    def differences(self, settings: TenantSettings) -> str:
        return readable(settings.values)

    @display(description="For the whole tenant")
    def together(self, settings: TenantSettings) -> str:
        parsed = asdict(parse(settings.version, settings.values))
        del parsed["version"]
        return readable({name: value for name, value in parsed.items() if not isinstance(value, dict)})

    @display(description="For each zone")
    def by_zone(self, settings: TenantSettings) -> str:
        parsed = parse(settings.version, settings.values)
        zones = {
            f"zone {zone}": {
                "stages": ", ".join(parsed.stages[zone]) or "none: approved by policy",
                "escalation_hours": parsed.escalation_hours.get(zone),
                **asdict(baseline),
            }
            for zone, baseline in parsed.baselines.items()
        }
        names = list(zones["zone 1"])
        return readable([{"setting": _words(name), **{zone: zones[zone][name] for zone in zones}} for name in names])


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
            q |= Q(pk__in=held.units) | Q(tenant__in=held.tenants)
            for tree in held.trees:
                q |= Q(path__startswith=tree)
        return q


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

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the visible people with their roles, in two queries."""
        return super().get_queryset(request).prefetch_related("groups")

    @display(description="Roles", label=True)
    def roles(self, user: User) -> list[str]:
        return [group.name.removeprefix("ELM ") for group in user.groups.all()]

    @display(description="Roles")
    def role_names(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all())


def _words(setting: str) -> str:
    return capfirst(setting.replace("_", " "))


def name_actors(entries: Iterable[ProvisioningLog]) -> None:
    """Give each entry ``actor_name``: an application is logged by its client id, which no person knows by heart."""
    acting = [entry for entry in entries if entry.actor_type == ActorType.SERVICE_PRINCIPAL]
    known = TenantIdentity.objects.filter(tenant__in={entry.tenant_id for entry in acting}) if acting else ()
    names = {str(identity.client_id): identity.display_name for identity in known}
    for entry in entries:
        entry.actor_name = names.get(entry.actor, entry.actor)  # type: ignore[attr-defined]


@admin.register(ProvisioningLog)
class ProvisioningLogAdmin(RoleScoped, ProvisioningLogScreen):
    """The log's screen, with its rows scoped: of visible requests and of one's tenants; applications have names."""

    def reached(self, request: HttpRequest) -> Q:
        """Return the filter on visible entries."""
        scope = scope_for(request)
        of_tenant = Q(environment_request__isnull=True, tenant__in=scope.tenants())
        return scope.below("environment_request") | of_tenant

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list, with every actor of the page named at once."""
        listed = super().get_changelist_instance(request)
        listed.result_list = list(listed.result_list)
        name_actors(listed.result_list)
        return listed

    @display(description="Actor", ordering="actor")
    def acted_by(self, entry: ProvisioningLog) -> str:
        return str(entry.actor_name)  # type: ignore[attr-defined]

    @display(description="Actor")
    def acted_by_in_full(self, entry: ProvisioningLog) -> str:
        name_actors([entry])
        name = str(entry.actor_name)  # type: ignore[attr-defined]
        return name if name == entry.actor else f"{name} ({entry.actor})"


# Roles are one table in code, synchronised after every migration; the framework's own screen could only break that.
admin.site.unregister(Group)
