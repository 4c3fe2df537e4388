"""What a person may see: their grants, and those lent to them, compiled once into one ``Q`` for every list, form and
export (elm.md §5).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import F, Model, Q, QuerySet, Value

from accounts_app.models import (
    BusinessUnit,
    BusinessUnitGroupObjectPermission,
    BusinessUnitUserObjectPermission,
    Delegation,
    TenantGroupObjectPermission,
    TenantUserObjectPermission,
    User,
)
from accounts_app.roles import DECIDING_ROLES, GRANT_NAMES, NAME_OF, Depth, Role
from core_app import clock
from core_app.read_once import once


@dataclass(slots=True)
class Reach:
    """The rows one role reaches: single units (with their paths), trees of units, whole tenants."""

    units: dict[UUID, str] = field(default_factory=dict)
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
            q |= Q(business_unit__in=list(self.units))
        if self.tenants:
            q |= Q(tenant__in=self.tenants)
        for tree in self.trees:
            q |= Q(business_unit__path__startswith=tree)
        return q

    def of_units(self) -> Q:
        """Return the filter on business units themselves."""
        q = Q(pk__in=list(self.units)) | Q(tenant__in=self.tenants)
        for tree in self.trees:
            q |= Q(path__startswith=tree)
        return q

    def below(self, unit: BusinessUnit | None) -> Reach:
        """Return the part of it that lies in a unit and those below it; all of it when no unit is given."""
        if unit is None:
            return self
        whole = unit.tenant_id in self.tenants or any(unit.path.startswith(tree) for tree in self.trees)
        return Reach(
            units={pk: path for pk, path in self.units.items() if path.startswith(unit.path)},
            trees={unit.path} if whole else {tree for tree in self.trees if tree.startswith(unit.path)},
        )

    def add(self, other: Reach) -> None:
        """Add what another one reaches."""
        self.units |= other.units
        self.trees |= other.trees
        self.tenants |= other.tenants


@dataclass(frozen=True, slots=True)
class Loan:
    """What another person lends for a time.

    Attributes:
        delegation: The delegation behind it.
        reach: What each lent role reaches, as far as the delegator reaches it now.
    """

    delegation: Delegation
    reach: dict[Role, Reach]


@dataclass(frozen=True, slots=True)
class Scope:
    """A person's reach per role; a role counts only while its grant *and* its group membership both hold.

    Attributes:
        user_id: Whose it is; None of a disabled account, which reaches nothing, its own requests neither.
        own: What each role of their own reaches.
        loans: What others lend to them now.
        tenant_id: The tenant they belong to, in which alone their grants, loans and own requests count; None for a
            break-glass account, which belongs to none.
        reach: Both together: what they may see.
    """

    user_id: UUID | None
    own: dict[Role, Reach] = field(default_factory=dict)
    loans: tuple[Loan, ...] = ()
    tenant_id: UUID | None = None
    reach: dict[Role, Reach] = field(init=False)

    def __post_init__(self) -> None:
        """Put own and lent reach together."""
        together: dict[Role, Reach] = defaultdict(Reach)
        for reach in (self.own, *(loan.reach for loan in self.loans)):
            for role, part in reach.items():
                together[role].add(part)
        object.__setattr__(self, "reach", dict(together))

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

    def holds_tenant(self, tenant_id: UUID | None, *roles: Role) -> bool:
        """Say whether the person holds any of some roles over a whole tenant themselves; a loan does not count."""
        return any(role in self.own and tenant_id in self.own[role].tenants for role in roles)

    def requests(self) -> Q:
        """Return the filter on a person's own requests and those any of their roles reaches; shares come on top."""
        if self.user_id is None:
            return Q(pk__in=[])
        within = {"tenant": self.tenant_id} if self.tenant_id else {}
        return Q(requester=self.user_id, **within) | self.of(*self.reach)

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
    """Compile a person's scope in two queries, three where anything may be granted to them; a loan takes one more."""
    return once(("scope", user.pk), lambda: scopes_of([user])[user.pk])


def scopes_of(users: Collection[User]) -> dict[UUID, Scope]:
    """Compile the scopes of several people, in the same queries; a disabled account reaches nothing."""
    active = [user.pk for user in users if user.is_active]
    loans = _loans_to(active)
    reach = _reach_of({*active, *(loan.delegator_id for each in loans.values() for loan in each)})
    scopes = {}
    for user in users:
        lent = tuple(Loan(loan, _lent(loan, reach[loan.delegator_id])) for loan in loans.get(user.pk, ()))
        scopes[user.pk] = Scope(user.pk if user.is_active else None, reach.get(user.pk, {}), lent, user.tenant_id)
    return scopes


def granted_tenants(user_id: UUID) -> set[UUID]:
    """Return the tenants in which an account holds any grant that counts."""
    return {grant.tenant for grant in _grants_to(_memberships([user_id]))}


def _loans_to(people: Collection[UUID]) -> dict[UUID, list[Delegation]]:
    current = Delegation.objects.active_at(clock.now())
    loans: dict[UUID, list[Delegation]] = defaultdict(list)
    # Hardly ever does anybody lend anything: who is asked first, what only then
    lent = list(current.filter(delegate__in=people).values_list("pk", flat=True))
    if lent:
        valid = current.filter(
            pk__in=lent, delegator__is_active=True, delegator__tenant=F("tenant"), delegate__tenant=F("tenant")
        )
        for loan in valid.select_related("delegator", "business_unit").order_by("begins_at", "id"):
            loans[loan.delegate_id].append(loan)
    return loans


def _lent(delegation: Delegation, reach: dict[Role, Reach]) -> dict[Role, Reach]:
    """Return what a delegation lends: never more than the delegator has, nor more than was said."""
    roles = (Role(delegation.role),) if delegation.role else DECIDING_ROLES
    return {role: reach[role].below(delegation.business_unit) for role in roles if role in reach}


def _reach_of(people: Collection[UUID]) -> dict[UUID, dict[Role, Reach]]:
    memberships = _memberships(people)
    roles = {(each.user, each.name) for each in memberships}
    found: dict[UUID, dict[Role, Reach]] = defaultdict(lambda: defaultdict(Reach))
    # Most people only ask for environments, which needs no grant: of nobody, the database is not asked
    granted = {user for user, name in roles if name in NAME_OF}
    for grant in _grants_to([each for each in memberships if each.user in granted]):
        name, depth = _split(grant.codename)
        target = found[grant.user][GRANT_NAMES[name]]
        if depth == Depth.ORGANISATION:
            target.tenants.add(grant.on)
        elif depth == Depth.DEEP:
            target.trees.add(grant.path)
        else:
            target.units[grant.on] = grant.path
    return {user: {role: reach for role, reach in found[user].items() if (user, role) in roles} for user in people}


_ON_A_UNIT: Final = ("content_object__path", "content_object__tenant")
_ON_A_TENANT: Final = (Value(""), "content_object")
# The tables of grants: the way to the people who hold them, and what is read of that which they are on
_GRANTS: Final = (
    (BusinessUnitUserObjectPermission, "user", _ON_A_UNIT),
    (BusinessUnitGroupObjectPermission, "group__user", _ON_A_UNIT),
    (TenantUserObjectPermission, "user", _ON_A_TENANT),
    (TenantGroupObjectPermission, "group__user", _ON_A_TENANT),
)


class _Membership(NamedTuple):
    user: UUID
    home: UUID | None  # their tenant
    name: str


class _Grant(NamedTuple):
    user: UUID
    codename: str
    on: UUID  # a business unit, or a tenant
    path: str  # of the unit
    tenant: UUID


def _memberships(people: Collection[UUID]) -> list[_Membership]:
    rows = User.groups.through.objects.filter(user__in=people)
    return [_Membership(*row) for row in rows.values_list("user", "user__tenant", "group__name")]


def _grants_to(memberships: Collection[_Membership]) -> Iterator[_Grant]:
    """Yield the grants that count of people and their groups, in one query.

    A grant counts in the holder's own tenant alone; a break-glass account has none and may be granted any.
    """
    homes = {each.user: each.home for each in memberships}
    if homes:
        first, *others = (_granted(homes, *table) for table in _GRANTS)
        for grant in map(_Grant._make, first.union(*others, all=True)):
            if homes[grant.user] in (None, grant.tenant):
                yield grant


def _granted(people: Collection[UUID], table: type[Model], holder: str, on: tuple[Any, Any]) -> QuerySet[Any, Any]:
    rows = table._base_manager.filter(**{f"{holder}__in": people})
    return rows.values_list(holder, "permission__codename", "content_object", *on)


def _split(codename: str) -> tuple[str, str]:
    name, _, depth = codename.rpartition("_")
    return name, depth
