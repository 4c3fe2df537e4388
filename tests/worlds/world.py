"""One small random world as plain values: the same seed always makes the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
GRANTED = ("approver", "compliance", "governance", "admin", "operator", "auditor")
ROLE_NAMES = {
    "approver": "ELM Approver",
    "compliance": "ELM Compliance Officer",
    "governance": "ELM Governance Lead",
    "admin": "ELM Admin",
    "operator": "ELM Operator",
    "auditor": "ELM Auditor",
}


@dataclass(frozen=True, slots=True)
class Unit:
    id: UUID
    tenant: UUID
    parent: UUID | None


@dataclass(frozen=True, slots=True)
class Person:
    id: UUID
    tenant: UUID | None
    unit: UUID | None
    is_active: bool
    roles: frozenset[str]  # of whose groups they are a member
    teams: frozenset[int]


@dataclass(frozen=True, slots=True)
class Grant:
    """A role at a depth, to a person or a team, over a unit or a tenant."""

    holder: UUID | int
    role: str
    depth: str  # local, deep, organisation
    at: UUID


@dataclass(frozen=True, slots=True)
class Loan:
    id: UUID
    tenant: UUID
    delegator: UUID
    delegate: UUID
    role: str  # empty: every role that decides
    unit: UUID | None
    begins: datetime
    ends: datetime
    is_revoked: bool


@dataclass(frozen=True, slots=True)
class Request:
    id: UUID
    tenant: UUID
    unit: UUID
    requester: UUID


@dataclass(slots=True)
class World:
    seed: int
    tenants: list[UUID] = field(default_factory=list)
    units: dict[UUID, Unit] = field(default_factory=dict)
    people: dict[UUID, Person] = field(default_factory=dict)
    grants: set[Grant] = field(default_factory=set)
    loans: list[Loan] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    shares: set[tuple[UUID, UUID]] = field(default_factory=set)  # person, request
    entries: list[tuple[UUID, UUID, UUID | None]] = field(default_factory=list)  # id, tenant, request


def make(seed: int) -> World:
    """Make the world of a seed."""
    random = Random(seed)
    world = World(seed)
    _tenants_and_units(world, random)
    _people(world, random)
    _grants(world, random)
    _loans(world, random)
    _requests(world, random)
    return world


def _id(random: Random) -> UUID:
    return UUID(int=random.getrandbits(128), version=4)


def _tenants_and_units(world: World, random: Random) -> None:
    for _ in range(random.randint(1, 3)):
        world.tenants.append(tenant := _id(random))
        mine: list[UUID] = []
        for _ in range(random.randint(1, 6)):
            unit = Unit(_id(random), tenant, random.choice([None, *mine, *mine]) if mine else None)
            world.units[unit.id] = unit
            mine.append(unit.id)


def _people(world: World, random: Random) -> None:
    for _ in range(random.randint(2, 6)):
        unit = random.choice(list(world.units.values()))
        tenant = None if random.random() < 0.08 else unit.tenant
        person = Person(
            _id(random),
            tenant,
            unit.id if tenant else None,
            random.random() > 0.12,
            frozenset(role for role in GRANTED if random.random() < 0.4),
            frozenset(team for team in range(2) if random.random() < 0.25),
        )
        world.people[person.id] = person


def _grants(world: World, random: Random) -> None:
    for _ in range(random.randint(0, 9)):
        holder = random.choice([*world.people, *world.people, *world.people, 0, 1])
        role = random.choice(GRANTED)
        if random.random() < 0.3:
            world.grants.add(Grant(holder, role, "organisation", random.choice(world.tenants)))
        else:
            depth = random.choice(("local", "deep"))
            world.grants.add(Grant(holder, role, depth, random.choice(list(world.units))))


def _loans(world: World, random: Random) -> None:
    for _ in range(random.choice((0, 0, 1, 2, 3))):
        delegator, delegate = random.sample(list(world.people), 2)
        begins = NOW + timedelta(hours=random.choice((-48, -1, 0, 1)))
        tenant = world.people[delegator].tenant or random.choice(world.tenants)
        role = random.choice(("", "", "approver", "compliance", "governance"))
        unit = random.choice([None, *(unit.id for unit in world.units.values() if unit.tenant == tenant)])
        ends = begins + timedelta(hours=random.choice((1, 47, 48, 72)))
        world.loans.append(
            Loan(_id(random), tenant, delegator, delegate, role, unit, begins, ends, random.random() < 0.15)
        )


def _requests(world: World, random: Random) -> None:
    for _ in range(random.randint(1, 6)):
        unit = random.choice(list(world.units.values()))
        request = Request(_id(random), unit.tenant, unit.id, random.choice(list(world.people)))
        world.requests.append(request)
        world.entries.append((_id(random), unit.tenant, request.id))
        if random.random() < 0.35:
            world.shares.add((random.choice(list(world.people)), request.id))
    world.entries.extend((_id(random), tenant, None) for tenant in world.tenants)
