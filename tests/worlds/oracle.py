"""Who sees what, read off the specification's table of security roles, one row and one person at a time.

| Role | Reads |
|---|---|
| Requester | their own requests, and those requests' log |
| Approver, and every other granted role | what a grant reaches: this unit; it and those below; the organisation |
| anybody | a single request that is shared with them |

Roles add up and nothing subtracts. A role counts while its grant and the membership of its group both hold, for an
active account, in its own tenant. Of another person's roles only those that decide are lent, for a time, and never
further. It looks at nothing of the product, so that both cannot carry the same mistake.
"""

from __future__ import annotations

from uuid import UUID

from tests.worlds.world import NOW, Grant, Loan, Person, Request, World

DECIDE = {"approver", "compliance", "governance"}


def sees(world: World, person: Person, request: Request) -> bool:
    """Say whether a person sees a request, and so the log of it."""
    if not person.is_active or person.tenant not in (None, request.tenant):
        return False
    shared = (person.id, request.id) in world.shares and person.tenant == request.tenant
    return request.requester == person.id or shared or any(holds(world, person, role, request.unit) for role in _ROLES)


def sees_entry(world: World, person: Person, tenant: UUID, request: Request | None) -> bool:
    """Say whether a person sees an entry of the log; one that belongs to no request is for who reaches the tenant."""
    if request is not None:
        return sees(world, person, request)
    return any(holds_everywhere(world, person, role, tenant) for role in _ROLES)


def holds(world: World, person: Person, role: str, unit: UUID) -> bool:
    """Say whether a person holds a role over a unit, by themselves or lent."""
    if not person.is_active:
        return False
    if has(world, person, role, unit):
        return True
    return any(
        (loan.unit is None or loan.unit in _upwards(world, unit))
        and has(world, world.people[loan.delegator], role, unit)
        and world.units[unit].tenant == loan.tenant
        for loan in _lent_to(world, person, role)
    )


def holds_everywhere(world: World, person: Person, role: str, tenant: UUID) -> bool:
    """Say whether a person holds a role over a whole tenant, by themselves or lent."""
    if not person.is_active:
        return False
    if _has_everywhere(world, person, role, tenant):
        return True
    return any(
        loan.unit is None
        and loan.tenant == tenant
        and _has_everywhere(world, world.people[loan.delegator], role, tenant)
        for loan in _lent_to(world, person, role)
    )


_ROLES = ("approver", "compliance", "governance", "admin", "operator", "auditor")


def has(world: World, person: Person, role: str, unit: UUID) -> bool:
    """Say whether a person holds a role over a unit by themselves."""
    return _has_everywhere(world, person, role, world.units[unit].tenant) or any(
        grant.at == unit or (grant.depth == "deep" and grant.at in _upwards(world, unit))
        for grant in _grants_of(world, person, role)
        if grant.depth != "organisation" and person.tenant in (None, world.units[unit].tenant)
    )


def _has_everywhere(world: World, person: Person, role: str, tenant: UUID) -> bool:
    return person.tenant in (None, tenant) and any(
        grant.depth == "organisation" and grant.at == tenant for grant in _grants_of(world, person, role)
    )


def _grants_of(world: World, person: Person, role: str) -> list[Grant]:
    if role not in person.roles:
        return []
    return [each for each in world.grants if each.role == role and each.holder in {person.id, *person.teams}]


def _lent_to(world: World, person: Person, role: str) -> list[Loan]:
    return [
        loan
        for loan in world.loans
        if loan.delegate == person.id
        and role in DECIDE
        and loan.role in ("", role)
        and loan.begins <= NOW < loan.ends
        and not loan.is_revoked
        and world.people[loan.delegator].is_active
        and world.people[loan.delegator].tenant == person.tenant == loan.tenant
    ]


def _upwards(world: World, unit: UUID) -> list[UUID]:
    found, at = [], unit
    while at is not None:
        found.append(at)
        at = world.units[at].parent  # type: ignore[assignment]
    return found
