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
from core_app.doorbell import ring
from core_app.errors import DomainError, InvalidInputError, PermissionRefused
from core_app.text import clean, has_content
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
    at_home = Q(tenant=unit.tenant_id) | Q(tenant__isnull=True)
    return User.objects.filter(granted, in_role, at_home, is_active=True).order_by("upn")


def holders_of_tenant(role: Role, tenant: Tenant) -> QuerySet[User]:
    """Return the active people who hold a role over a whole tenant, in a stable order."""
    grant = Q(permission__codename=f"{_NAME_OF[role]}_{Depth.ORGANISATION}", content_object=tenant)
    granted = Q(pk__in=TenantUserObjectPermission.objects.filter(grant).values("user")) | Q(
        pk__in=_members(TenantGroupObjectPermission.objects.filter(grant).values("group"))
    )
    in_role = Q(pk__in=_members(Group.objects.filter(name=role.value).values("pk")))
    return User.objects.filter(granted, in_role, is_active=True).order_by("upn")


def _members(groups: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    return User.groups.through.objects.filter(group__in=groups).values("user")


@transactional
def propose_settings(
    tenant_id: UUID, *, by: User, values: Mapping[str, Any], based_on: int | None = None
) -> TenantSettings:
    """Propose a new version of a tenant's settings; it holds once a second person has confirmed it.

    Args:
        tenant_id: Whose settings.
        by: Who proposes them.
        values: All that shall differ from the defaults, not only what changes.
        based_on: The version in force that the person was shown; None when they were shown none.

    Raises:
        PermissionRefused: unless the person is a Governance Lead of the tenant.
        InvalidInputError: listing every setting that is unknown or out of range; or another proposal is open, nothing
            would change, or other settings are in force by now.
    """
    tenant = Tenant.objects.select_for_update(no_key=True).get(pk=tenant_id)
    require_settings_role(by, tenant)
    version = (tenant.settings.aggregate(last=Max("version"))["last"] or 0) + 1
    proposed = tenant_settings.parse(version, values)
    if problem := _why_not_now(tenant, proposed, based_on):
        raise InvalidInputError([("", problem)])
    stored = tenant_settings.differences(tenant_settings.by_path(proposed))
    proposal = TenantSettings.objects.create(
        tenant=tenant, version=version, values=stored, proposed_by=by, proposed_at=clock.now()
    )
    _record_settings(Action.SETTINGS_PROPOSED, proposal, by)
    ring("notifications_app.tasks.deliver")  # it tells those who may confirm them
    return proposal


def _why_not_now(tenant: Tenant, proposed: tenant_settings.Settings, based_on: int | None) -> str:
    in_force = settings_of(tenant)
    if waiting := tenant.settings.awaiting_a_second_person().first():
        return f"{waiting} already wait for a second person; confirm or refuse them first."
    if based_on not in (None, in_force.version):
        return "Other settings have come into force meanwhile; open this form anew and change those."
    if not tenant_settings.changes(in_force, proposed):
        return "Nothing differs from the settings in force."
    return ""


def confirm_settings(settings_id: UUID, *, by: User) -> TenantSettings:
    """Put proposed settings in force.

    Raises:
        PermissionRefused: for the proposer, a second account of theirs, or someone who does not govern the tenant;
            logged as DecisionRefused.
        DomainError: when the proposal is already confirmed or refused.
    """
    try:
        return _confirm_settings(settings_id, by=by)
    except PermissionRefused as refused:
        _record_refusal(settings_id, by, refused)
        raise


@transactional
def _record_refusal(settings_id: UUID, by: User, refused: PermissionRefused) -> None:
    """The verb rolled back; that it was refused is recorded all the same."""
    proposal = TenantSettings.objects.select_related("tenant").get(pk=settings_id)
    Tenant.objects.select_for_update(no_key=True).get(pk=proposal.tenant_id)
    details = {"confirm": str(proposal)}
    record(
        Action.DECISION_REFUSED, on=proposal.tenant, by=person(by), details=details, error=str(refused), success=False
    )


@transactional
def _confirm_settings(settings_id: UUID, *, by: User) -> TenantSettings:
    proposal = _locked_proposal(settings_id, by)
    if _is_same_person(proposal, by):
        raise PermissionRefused("Settings are confirmed by a second person, not by who proposed them.")
    proposal.confirmed_by, proposal.confirmed_at = by, clock.now()
    _record_settings(Action.SETTINGS_CONFIRMED, proposal, by)
    proposal.save(update_fields=["confirmed_by", "confirmed_at"])
    return proposal


@transactional
def reject_settings(settings_id: UUID, *, by: User, reason: str) -> TenantSettings:
    """Refuse proposed settings, or take one's own proposal back.

    Raises:
        PermissionRefused: for someone who does not govern the tenant.
        InvalidInputError: when the reason says nothing.
        DomainError: when the proposal is already confirmed or refused.
    """
    if not has_content(reason):
        raise InvalidInputError([("reason", "Say why; the log keeps it.")])
    proposal = _locked_proposal(settings_id, by)
    proposal.rejected_by, proposal.rejected_at, proposal.rejection_reason = by, clock.now(), clean(reason)
    _record_settings(Action.SETTINGS_REJECTED, proposal, by, reason=proposal.rejection_reason)
    proposal.save(update_fields=["rejected_by", "rejected_at", "rejection_reason"])
    return proposal


def _locked_proposal(settings_id: UUID, by: User) -> TenantSettings:
    tenant_id = TenantSettings.objects.values_list("tenant_id", flat=True).get(pk=settings_id)
    tenant = Tenant.objects.select_for_update(no_key=True).get(pk=tenant_id)
    require_settings_role(by, tenant)
    proposal = TenantSettings.objects.select_for_update(no_key=True).get(pk=settings_id)
    if proposal.confirmed_at:
        raise DomainError(f"{proposal} are already confirmed.")
    if proposal.rejected_at:
        raise DomainError(f"{proposal} are already refused; propose them again.")
    return proposal


def _record_settings(action: Action, proposal: TenantSettings, by: User, **details: Any) -> None:
    record(
        action,
        on=proposal.tenant,
        by=person(by),
        details={"settings": proposal.values, **details},
        policy_version=f"settings-{proposal.version}",
    )


def governs(user: User, tenant: Tenant) -> bool:
    """Say whether a person is a Governance Lead of a tenant themselves; this is not lent by a delegation."""
    reach = scope_of(user).own.get(Role.GOVERNANCE_LEAD)
    return reach is not None and tenant.pk in reach.tenants


def require_settings_role(user: User, tenant: Tenant) -> None:
    """Raise PermissionRefused unless the person governs the tenant."""
    if not governs(user, tenant):
        raise PermissionRefused(f"Settings of {tenant} are changed by its ELM Governance Leads.")


def may_confirm_settings(user: User, proposal: TenantSettings) -> bool:
    """Say whether a person may put proposed settings in force."""
    return may_reject_settings(user, proposal) and not _is_same_person(proposal, user)


def may_reject_settings(user: User, proposal: TenantSettings) -> bool:
    """Say whether a person may refuse proposed settings, or take them back."""
    return proposal.is_open and governs(user, proposal.tenant)


def _is_same_person(proposal: TenantSettings, user: User) -> bool:
    return proposal.proposed_by is not None and proposal.proposed_by.person_key == user.person_key


def settings_of(tenant: Tenant, version: int | None = None) -> tenant_settings.Settings:
    """Return a tenant's settings, typed: the version given, or the one in force."""
    row = tenant.settings.get(version=version) if version else tenant.current_settings
    return tenant_settings.parse(row.version, row.values)


def settings_changes(row: TenantSettings) -> list[dict[str, str]]:
    """Return what a version changes, or would change, in the settings that were in force when it was proposed."""
    earlier = row.tenant.settings.filter(confirmed_at__isnull=False, version__lt=row.version).order_by("-version")
    before = earlier.first()
    in_force = tenant_settings.parse(before.version, before.values) if before else tenant_settings.Settings()
    return tenant_settings.changes(in_force, tenant_settings.parse(row.version, row.values))
