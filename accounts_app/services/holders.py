"""Who holds a role."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet

from accounts_app.models import (
    BusinessUnit,
    BusinessUnitGroupObjectPermission,
    BusinessUnitUserObjectPermission,
    Tenant,
    TenantGroupObjectPermission,
    TenantUserObjectPermission,
    User,
)
from accounts_app.roles import NAME_OF, Depth, Role
from accounts_app.scope import scope_of


def holders(role: Role, unit: BusinessUnit) -> QuerySet[User]:
    """Return the active people who hold a role over a business unit, in a stable order."""
    name, path = NAME_OF[role], [f"{part}/" for part in unit.path.split("/") if part]
    ancestors = ["".join(path[: index + 1]) for index in range(len(path))]
    on_unit = Q(permission__codename=f"{name}_{Depth.LOCAL}", content_object=unit) | Q(
        permission__codename=f"{name}_{Depth.DEEP}", content_object__path__in=ancestors
    )
    on_tenant = Q(permission__codename=f"{name}_{Depth.ORGANISATION}", content_object=unit.tenant_id)
    # One subquery per table of grants: joined, they would multiply each other's rows
    granted = (
        Q(pk__in=BusinessUnitUserObjectPermission.objects.filter(on_unit).values("user"))
        | Q(pk__in=TenantUserObjectPermission.objects.filter(on_tenant).values("user"))
        | Q(pk__in=_members(BusinessUnitGroupObjectPermission.objects.filter(on_unit).values("group")))
        | Q(pk__in=_members(TenantGroupObjectPermission.objects.filter(on_tenant).values("group")))
    )
    return _who_count(granted, role, unit.tenant_id)


def holders_of_tenant(role: Role, tenant: Tenant) -> QuerySet[User]:
    """Return the active people who hold a role over a whole tenant, in a stable order."""
    grant = Q(permission__codename=f"{NAME_OF[role]}_{Depth.ORGANISATION}", content_object=tenant)
    granted = Q(pk__in=TenantUserObjectPermission.objects.filter(grant).values("user")) | Q(
        pk__in=_members(TenantGroupObjectPermission.objects.filter(grant).values("group"))
    )
    return _who_count(granted, role, tenant.pk)


def _who_count(granted: Q, role: Role, tenant_id: UUID) -> QuerySet[User]:
    """Return whose grant counts: they are active, in the role's group, and at home in the tenant, or nowhere."""
    in_role = Q(pk__in=_members(Group.objects.filter(name=role.value).values("pk")))
    at_home = Q(tenant=tenant_id) | Q(tenant__isnull=True)
    return User.objects.filter(granted, in_role, at_home, is_active=True).order_by("upn")


def _members(groups: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    return User.groups.through.objects.filter(group__in=groups).values("user")


def governs(user: User, tenant: Tenant | None) -> bool:
    """Say whether a person is a Governance Lead of a tenant themselves; this is not lent by a delegation."""
    return tenant is not None and scope_of(user).holds_tenant(tenant.pk, Role.GOVERNANCE_LEAD)
