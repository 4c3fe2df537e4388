"""What a person may see: their grants, compiled once into one ``Q`` for every list, form and export (elm.md §5)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Q

from accounts_app.models import (
    BusinessUnit,
    BusinessUnitGroupObjectPermission,
    BusinessUnitUserObjectPermission,
    TenantGroupObjectPermission,
    TenantUserObjectPermission,
    User,
)
from accounts_app.roles import GRANT_NAMES, Depth, Role


@dataclass(slots=True)
class Reach:
    """The rows one role reaches."""

    units: set[UUID] = field(default_factory=set)
    trees: set[str] = field(default_factory=set)
    tenants: set[UUID] = field(default_factory=set)

    def covers(self, unit: BusinessUnit) -> bool:
        """Say whether a business unit lies within reach."""
        return (
            unit.pk in self.units
            or unit.tenant_id in self.tenants
            or any(unit.path.startswith(tree) for tree in self.trees)
        )

    def q(self) -> Q:
        """Return the filter on rows that have ``tenant`` and ``business_unit``."""
        q = Q(pk__in=[])
        if self.units:
            q |= Q(business_unit__in=self.units)
        if self.tenants:
            q |= Q(tenant__in=self.tenants)
        for tree in self.trees:
            q |= Q(business_unit__path__startswith=tree)
        return q


@dataclass(frozen=True, slots=True)
class Scope:
    """A person's reach per role; a role counts only while its grant *and* its group membership both hold."""

    user_id: UUID
    reach: dict[Role, Reach]

    def of(self, *roles: Role) -> Q:
        """Return the filter on rows that any of the given roles reaches."""
        q = Q(pk__in=[])
        for role in roles:
            if role in self.reach:
                q |= self.reach[role].q()
        return q

    def holds(self, role: Role, unit: BusinessUnit) -> bool:
        """Say whether the person holds a role over a business unit."""
        return role in self.reach and self.reach[role].covers(unit)

    def requests(self) -> Q:
        """Return the filter on requests the person may see: their own, and those any of their roles reaches."""
        return Q(requester=self.user_id) | self.of(*self.reach)

    def below(self, path: str) -> Q:
        """Return the same filter for rows that point at a request through ``path`` (``environment_request``)."""
        return prefixed(self.requests(), path)

    def tenants(self) -> set[UUID]:
        """Return the tenants the person has any organisation-wide role in."""
        return set().union(*(reach.tenants for reach in self.reach.values()))


def prefixed(q: Q, path: str) -> Q:
    """Return ``q`` with every lookup moved behind ``path__``."""
    moved = Q(*(_moved(child, path) for child in q.children), _connector=q.connector)
    return ~moved if q.negated else moved


def _moved(child: Any, path: str) -> Any:
    if isinstance(child, Q):
        return prefixed(child, path)
    lookup, value = child
    return f"{path}__{lookup}", value


def scope_of(user: User) -> Scope:
    """Compile a person's scope: three queries, whatever they may see."""
    roles = {Role(name) for name in user.groups.values_list("name", flat=True) if name in Role}
    reach: dict[Role, Reach] = defaultdict(Reach)
    if not user.is_active:
        return Scope(user.pk, {})
    for name, depth, unit, path in _unit_grants(user):
        target = reach[GRANT_NAMES[name]]
        if depth == Depth.DEEP:
            target.trees.add(path)
        else:
            target.units.add(unit)
    for name, _depth, tenant in _tenant_grants(user):
        reach[GRANT_NAMES[name]].tenants.add(tenant)
    return Scope(user.pk, {role: reach[role] for role in reach if role in roles})


def _unit_grants(user: User) -> list[tuple[str, str, UUID, str]]:
    columns = ("permission__codename", "content_object_id", "content_object__path")
    own = BusinessUnitUserObjectPermission.objects.filter(user=user).values_list(*columns)
    shared = BusinessUnitGroupObjectPermission.objects.filter(group__user=user).values_list(*columns)
    return [(*_split(codename), unit, path) for codename, unit, path in own.union(shared)]


def _tenant_grants(user: User) -> list[tuple[str, str, UUID]]:
    columns = ("permission__codename", "content_object_id")
    own = TenantUserObjectPermission.objects.filter(user=user).values_list(*columns)
    shared = TenantGroupObjectPermission.objects.filter(group__user=user).values_list(*columns)
    return [(*_split(codename), tenant) for codename, tenant in own.union(shared)]


def _split(codename: str) -> tuple[str, str]:
    name, _, depth = codename.rpartition("_")
    return name, depth
