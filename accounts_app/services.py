"""What can happen to accounts: grants of roles, tenants, and settings that two people agree on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db.models import Max, Q, QuerySet
from guardian.shortcuts import assign_perm, remove_perm

from accounts_app import tenant_settings
from accounts_app.models import (
    BusinessUnit,
    BusinessUnitGroupObjectPermission,
    BusinessUnitUserObjectPermission,
    Tenant,
    TenantGroupObjectPermission,
    TenantSettings,
    TenantUserObjectPermission,
    User,
)
from accounts_app.roles import GRANT_NAMES, Depth, Role
from accounts_app.scope import scope_of
from audit_app.actions import Action
from audit_app.actors import SYSTEM, person
from audit_app.log import record
from core_app import clock
from core_app.errors import DomainError, PermissionRefused
from core_app.transactions import transactional

_NAME_OF = {role: name for name, role in GRANT_NAMES.items()}


@transactional
def create_tenant(
    name: str, entra_tenant_id: UUID, *, settings: Mapping[str, Any] | None = None, **fields: Any
) -> Tenant:
    """Create a tenant with its first settings, which nobody needs to confirm because nothing ran under others before.

    Raises:
        InvalidInputError: when the settings are not valid.
    """
    tenant_settings.parse(1, settings or {})
    tenant = Tenant.objects.create(name=name, entra_tenant_id=entra_tenant_id, **fields)
    now = clock.now()
    TenantSettings.objects.create(
        tenant=tenant, version=1, values=dict(settings or {}), proposed_at=now, confirmed_at=now
    )
    record(
        Action.TENANT_CREATED,
        on=tenant,
        by=SYSTEM,
        details={"settings": dict(settings or {})},
        policy_version="settings-1",
    )
    return tenant


@transactional
def grant(user: User, role: Role, at: BusinessUnit | Tenant, depth: Depth | None = None) -> None:
    """Give a person a role over a business unit (local or deep) or over a whole tenant.

    Args:
        user: Who gets it; they join the role's group too.
        role: Any role but requester, which needs no row.
        at: The business unit or tenant.
        depth: LOCAL or DEEP on a unit; a tenant means ORGANISATION.
    """
    assign_perm(_codename(role, at, depth), user, at)
    user.groups.add(Group.objects.get(name=role.value))


@transactional
def revoke(user: User, role: Role, at: BusinessUnit | Tenant, depth: Depth | None = None) -> None:
    """Take a grant away; it stops counting with the next click."""
    remove_perm(_codename(role, at, depth), user, at)


def _codename(role: Role, at: BusinessUnit | Tenant, depth: Depth | None) -> str:
    if role not in _NAME_OF:
        raise DomainError(
            f"{role.label} sees its own requests and needs no grant; add the person to the group instead."
        )
    reach = Depth.ORGANISATION if isinstance(at, Tenant) else (depth or Depth.LOCAL)
    return f"accounts_app.{_NAME_OF[role]}_{reach}"


def holders(role: Role, unit: BusinessUnit) -> QuerySet[User]:
    """Return the active people who hold a role over a business unit, in a stable order."""
    name, path = _NAME_OF[role], [f"{part}/" for part in unit.path.split("/") if part]
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
    in_role = Q(pk__in=_members(Group.objects.filter(name=role.value).values("pk")))
    return User.objects.filter(granted, in_role, is_active=True).order_by("upn")


def _members(groups: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    return User.groups.through.objects.filter(group__in=groups).values("user")


@transactional
def propose_settings(tenant_id: UUID, *, by: User, values: Mapping[str, Any]) -> TenantSettings:
    """Propose a new version of a tenant's settings; it holds once a second person has confirmed it.

    Raises:
        PermissionRefused: unless the person is a Governance Lead of the tenant.
        InvalidInputError: listing every setting that is unknown or out of range.
    """
    tenant = Tenant.objects.select_for_update(no_key=True).get(pk=tenant_id)
    _require_settings_role(by, tenant)
    version = (tenant.settings.aggregate(last=Max("version"))["last"] or 0) + 1
    tenant_settings.parse(version, values)
    proposal = TenantSettings.objects.create(
        tenant=tenant, version=version, values=dict(values), proposed_by=by, proposed_at=clock.now()
    )
    record(
        Action.SETTINGS_PROPOSED,
        on=tenant,
        by=person(by),
        details={"settings": dict(values)},
        policy_version=f"settings-{version}",
    )
    return proposal


@transactional
def confirm_settings(settings_id: UUID, *, by: User) -> TenantSettings:
    """Put proposed settings in force.

    Raises:
        PermissionRefused: for the proposer, a second account of theirs, or someone who does not govern the tenant.
        DomainError: when the proposal is already confirmed or a newer version is in force.
    """
    tenant_id = TenantSettings.objects.values_list("tenant_id", flat=True).get(pk=settings_id)
    tenant = Tenant.objects.select_for_update(no_key=True).get(pk=tenant_id)
    proposal = TenantSettings.objects.select_for_update(no_key=True).get(pk=settings_id)
    _require_settings_role(by, tenant)
    if proposal.confirmed_at:
        raise DomainError(f"{proposal} is already in force.")
    if proposal.version < tenant.current_settings.version:
        raise DomainError(f"{proposal} is older than the settings in force; propose it again.")
    if proposal.proposed_by and proposal.proposed_by.person_key == by.person_key:
        raise PermissionRefused("Settings are confirmed by a second person, not by who proposed them.")
    proposal.confirmed_by, proposal.confirmed_at = by, clock.now()
    record(
        Action.SETTINGS_CONFIRMED,
        on=tenant,
        by=person(by),
        details={"settings": proposal.values},
        policy_version=f"settings-{proposal.version}",
    )
    proposal.save(update_fields=["confirmed_by", "confirmed_at"])
    return proposal


def _require_settings_role(user: User, tenant: Tenant) -> None:
    reach = scope_of(user).reach.get(Role.GOVERNANCE_LEAD)
    if reach is None or tenant.pk not in reach.tenants:
        raise PermissionRefused(f"Settings of {tenant} are changed by its ELM Governance Leads.")


def settings_of(tenant: Tenant, version: int | None = None) -> tenant_settings.Settings:
    """Return a tenant's settings, typed: the version given, or the one in force."""
    row = tenant.settings.get(version=version) if version else tenant.current_settings
    return tenant_settings.parse(row.version, row.values)
