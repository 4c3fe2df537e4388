"""The scope that every screen's rows go through."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from accounts_app.models import BusinessUnit
from accounts_app.roles import PERMISSIONS, Role
from accounts_app.scope import Reach, Scope, prefixed, scope_of
from core_app.admin import GovernedAdmin, HistoryAdmin, ReadOnlyAdmin


def scope_for(request: HttpRequest) -> Scope:
    """Return the signed-in person's scope, compiled once per request."""
    if not hasattr(request, "elm_scope"):
        request.elm_scope = scope_of(request.user)  # type: ignore[attr-defined, arg-type]
    return request.elm_scope  # type: ignore[attr-defined]


def governed_tenants(request: HttpRequest) -> set[UUID]:
    """Return the tenants that the signed-in person governs themselves."""
    reach = scope_for(request).own.get(Role.GOVERNANCE_LEAD)
    return reach.tenants if reach else set()


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
        units = Q(pk__in=[])
        for each in held:
            units |= each.of_units()
        in_units = BusinessUnit.objects.filter(units).values("tenant")
        return Q(**{f"{self.scope_path}__in": organisation}) | Q(**{f"{self.scope_path}__in": in_units})


class TenantScoped(TenantReach, ReadOnlyHistory):
    """A table of tenants that is read, with its history."""
