"""What can happen to roles: a person is granted one over a unit or a tenant, and it is taken away; both are logged.

What the log's entries add up to is what ``verify_privileges`` expects to find.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.contrib.auth.models import Group
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as noop
from guardian.shortcuts import assign_perm, remove_perm

from accounts_app.locks import locked_tenant
from accounts_app.models import BusinessUnit, BusinessUnitUserObjectPermission, Tenant, TenantUserObjectPermission, User
from accounts_app.roles import GRANT_NAMES, NAME_OF, OWN, Depth, Role
from accounts_app.services.holders import governs, holders_of_tenant
from accounts_app.two_persons import refusals_recorded
from audit_app.actions import Action
from audit_app.actors import SYSTEM, Actor, person
from audit_app.log import record
from core_app.doorbell import ring
from core_app.errors import DomainError, PermissionRefused
from core_app.recorded import told
from core_app.text import reason_given
from core_app.transactions import transactional

REASSIGN: Final = "requests_app.tasks.reassign_departed"


@dataclass(frozen=True, slots=True)
class HeldRole:
    """A role over a unit, a unit and those below it, or a tenant.

    Attributes:
        role: The role.
        at: The unit or tenant; of a requester the tenant.
        depth: local, deep, organisation; own of a requester.
    """

    role: Role
    at: BusinessUnit | Tenant
    depth: str

    @classmethod
    def of(cls, role: Role, at: BusinessUnit | Tenant, depth: str | None = None) -> HeldRole:
        """Return what a role over a unit or a tenant means; only a unit has depths, LOCAL unless one is given."""
        if role == Role.REQUESTER:
            return cls(role, at if isinstance(at, Tenant) else at.tenant, OWN)
        if isinstance(at, Tenant):
            return cls(role, at, Depth.ORGANISATION.value)
        return cls(role, at, Depth(depth or Depth.LOCAL).value)

    def __str__(self) -> str:
        if self.depth == OWN:
            return self.role.value
        below = " and the units below it" if self.depth == Depth.DEEP else ""
        return f"{self.role.value} over {self.at}{below}"

    @property
    def permission(self) -> str:
        """Return the object permission that gives the role its rows; empty for a requester, who needs none."""
        return "" if self.depth == OWN else f"accounts_app.{NAME_OF[self.role]}_{self.depth}"

    @property
    def key(self) -> str:
        """Return what tells it from the other roles of a person."""
        return f"{self.role}:{self.depth}:{self.at.pk}"

    @property
    def tenant(self) -> Tenant:
        """Return the tenant whose rows it reaches."""
        return self.at if isinstance(self.at, Tenant) else self.at.tenant


def roles_of(user: User) -> list[HeldRole]:
    """Return the roles that a person holds themselves, in a stable order."""
    in_groups = set(user.groups.values_list("name", flat=True))
    held = [HeldRole.of(Role.REQUESTER, user.tenant)] if Role.REQUESTER in in_groups and user.tenant else []
    for model in (BusinessUnitUserObjectPermission, TenantUserObjectPermission):
        for row in model.objects.filter(user=user).select_related("permission", "content_object"):
            name, _, depth = row.permission.codename.rpartition("_")
            if GRANT_NAMES.get(name) in in_groups:
                held.append(HeldRole(GRANT_NAMES[name], row.content_object, depth))
    return sorted(held, key=str)


def grant(
    user: User,
    role: Role,
    at: BusinessUnit | Tenant,
    depth: Depth | None = None,
    *,
    by: Actor = SYSTEM,
    because: str = "",
) -> bool:
    """Give a person a role; whoever calls this has decided that they may have it.

    Args:
        user: Who gets it; they join the role's group too.
        role: Any role.
        at: The business unit or tenant.
        depth: LOCAL or DEEP on a unit; a tenant means ORGANISATION.
        by: Who gives it, as the log says.
        because: Why, as the log says.

    Returns:
        Whether they did not hold it before: only then there is an entry.

    Raises:
        DomainError: the person is of another tenant, or no person.
    """
    return _give(user, HeldRole.of(role, at, depth), by, because)


def revoke(
    user: User,
    role: Role,
    at: BusinessUnit | Tenant,
    depth: Depth | None = None,
    *,
    by: Actor = SYSTEM,
    because: str = "",
) -> bool:
    """Take a role away; it stops counting with the next click.

    Returns:
        Whether they held it: only then there is an entry.
    """
    return _take(user, HeldRole.of(role, at, depth), by, because)


def grant_role(user_id: UUID, wanted: HeldRole, *, by: User | None, reason: str) -> User:
    """Give a person a role by hand. Only the host does: one person runs the command, another one answers for it.

    Args:
        user_id: Who gets it.
        wanted: Which role, over what.
        by: A Governance Lead of the tenant other than that person; None while the tenant has none and gets its first.
        reason: Why.

    Raises:
        PermissionRefused: unless the person governs the tenant, or it is for themselves; logged as DecisionRefused.
        InvalidInputError: the reason says nothing.
        DomainError: they hold it already, or may not hold it at all.
    """
    said, user = reason_given(reason), User.objects.get(pk=user_id)
    if by is None:
        return _grant_by_hand(user, wanted, None, said)
    with refusals_recorded(wanted.tenant, by, grant=str(wanted), person=user.upn):
        return _grant_by_hand(user, wanted, by, said)


@transactional
def _grant_by_hand(user: User, wanted: HeldRole, by: User | None, said: str) -> User:
    tenant = _locked(wanted)
    if by is not None:
        _require_another_lead(by, user, tenant)
    elif wanted.role != Role.GOVERNANCE_LEAD or holders_of_tenant(wanted.role, tenant).exists():
        raise PermissionRefused(
            told(
                noop("Name the %(governance_lead)s of %(tenant)s who answers for it."),
                governance_lead=Role.GOVERNANCE_LEAD,
                tenant=tenant,
            )
        )
    if not _give(user, wanted, person(by) if by else SYSTEM, said):
        raise DomainError(gettext("%(user)s is %(wanted)s already.") % {"user": user, "wanted": wanted})
    return user


def revoke_role(user_id: UUID, lost: HeldRole, *, by: User, reason: str) -> User:
    """Take a role away by hand; it stops counting with the next click. What an Entra group gives comes back by it.

    Raises:
        PermissionRefused: unless the person governs the tenant, or it is their own role; logged as DecisionRefused.
        InvalidInputError: the reason says nothing.
        DomainError: they do not hold it.
    """
    said, user = reason_given(reason), User.objects.get(pk=user_id)
    with refusals_recorded(lost.tenant, by, revoke=str(lost), person=user.upn):
        return _revoke_by_hand(user, lost, by, said)


@transactional
def _revoke_by_hand(user: User, lost: HeldRole, by: User, said: str) -> User:
    _require_another_lead(by, user, _locked(lost))
    if not _take(user, lost, person(by), said):
        raise DomainError(gettext("%(user)s is not %(lost)s.") % {"user": user, "lost": lost})
    return user


def may_revoke_role(by: User, user: User) -> bool:
    """Say whether a person may take a role of another one away."""
    return user.person_key != by.person_key and governs(by, user.tenant) and bool(roles_of(user))


def _require_another_lead(by: User, user: User, tenant: Tenant) -> None:
    if not governs(by, tenant):
        raise PermissionRefused(
            told(
                noop("Roles in %(tenant)s are given and taken away by its %(governance_lead)ss."),
                tenant=tenant,
                governance_lead=Role.GOVERNANCE_LEAD,
            )
        )
    if by.person_key == user.person_key:
        raise PermissionRefused(
            told(noop("Another %(governance_lead)s has to change your roles."), governance_lead=Role.GOVERNANCE_LEAD)
        )


@transactional
def _give(user: User, wanted: HeldRole, by: Actor, because: str) -> bool:
    tenant = _locked(wanted)
    user = User.objects.get(pk=user.pk)
    if user.tenant_id not in (None, tenant.pk):
        raise DomainError(
            gettext("%(user)s belongs to another tenant, and a role counts in one's own alone.") % {"user": user}
        )
    if user.is_service_principal and wanted.role != Role.ADMIN:
        raise DomainError(gettext("%(user)s is a service principal, which holds no role of people.") % {"user": user})
    if _holds(user, wanted):
        return False
    if wanted.permission:
        assign_perm(wanted.permission, user, wanted.at)
    user.groups.add(Group.objects.get(name=wanted.role.value))
    _record(Action.ROLE_GRANTED, user, wanted, tenant, by, because)
    return True


@transactional
def _take(user: User, lost: HeldRole, by: Actor, because: str) -> bool:
    tenant = _locked(lost)
    if not _holds(user, lost):
        return False
    if lost.permission:
        remove_perm(lost.permission, user, lost.at)
    if lost.depth == OWN or not any(each.role == lost.role for each in roles_of(user)):
        user.groups.remove(Group.objects.get(name=lost.role.value))  # which gives the permissions
    _record(Action.ROLE_REVOKED, user, lost, tenant, by, because)
    ring(REASSIGN)  # what they were to decide with it
    return True


def _locked(held: HeldRole) -> Tenant:
    return locked_tenant(held.tenant.pk)


def _holds(user: User, held: HeldRole) -> bool:
    """Say whether a role is held whole: the membership, and the row where it needs one."""
    in_group = user.groups.filter(name=held.role.value).exists()
    if not in_group or not held.permission:
        return in_group
    model = TenantUserObjectPermission if isinstance(held.at, Tenant) else BusinessUnitUserObjectPermission
    codename = held.permission.partition(".")[2]
    return model.objects.filter(user=user, content_object=held.at, permission__codename=codename).exists()


def _record(action: Action, user: User, held: HeldRole, tenant: Tenant, by: Actor, because: str) -> None:
    details = {
        "person": user.upn,
        "person_id": str(user.pk),
        "role": held.role.value,
        "depth": held.depth,
        "over": str(held.at),
        "over_id": str(held.at.pk),
        "because": because,
    }
    record(action, on=tenant, by=by, details=details)
