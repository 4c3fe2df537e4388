"""Fills tenants with environments that were there before, so that lists look like those of a large company."""

import itertools
from uuid import UUID, uuid5

from simulator import organization, reference_data
from simulator.environment import Environment, Organization
from simulator.operations import SYSTEM
from simulator.tokens import Principal
from simulator.world import World

_NAMESPACE = UUID("6f0a3c1e-5d1b-4a52-9f7e-2d9c1d0b7a11")
_UNITS = (
    "Claims",
    "Treasury",
    "Payments",
    "Risk",
    "Audit",
    "Lending",
    "Markets",
    "Insurance",
    "Onboarding",
    "Reporting",
)
_KINDS = (("DEV", "Sandbox"), ("TEST", "Sandbox"), ("PROD", "Production"))


def populate(world: World, count: int) -> None:
    """Spread `count` ready environments over all tenants, the same ones each time."""
    if count and not world.tenants:
        raise ValueError("--environments needs a seed with at least one tenant")
    tenants, locations = itertools.cycle(world.tenants.values()), itertools.cycle(list(reference_data.LOCATIONS)[:4])
    for number in range(1, count + 1):
        tenant, location = next(tenants), next(locations)
        unit, (suffix, sku) = _UNITS[number % len(_UNITS)], _KINDS[number % len(_KINDS)]
        owner = SYSTEM | {"tenantId": tenant.id}
        now = world.clock.now()
        environment = Environment(
            id=str(uuid5(_NAMESPACE, f"{tenant.id}/{number}")),
            tenant_id=tenant.id,
            location=location,
            azure_region=reference_data.LOCATIONS[location].regions[0],
            sku=sku,
            display_name=f"{unit}-{number:04}-{suffix}",
            description="",
            created=now,
            created_by=owner,
            modified=now,
            life="Ready",
        )
        nobody = Principal(tenant.id, "", owner["id"], owner["displayName"], owner["id"])
        found = Organization(f"{unit}-{number:04}-{tenant.id[:4]}".lower(), 1033, "USD", now)
        environment.organization = organization.found(found, environment, nobody)
        world.environments[environment.id] = environment
