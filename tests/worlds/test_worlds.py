"""The compiled scope against the oracle: in random worlds everybody sees exactly what the table of roles gives them.

One world again: ``ELM_WORLD=1234 pytest tests/worlds``. Each world is met among others, whose rows nobody may see.
"""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from django.contrib import admin

from accounts_app.models import BusinessUnit, User
from accounts_app.roles import Role
from accounts_app.scope import scopes_of
from accounts_app.services import holders
from audit_app.models import ProvisioningLog
from requests_app.models import EnvironmentRequest
from requests_app.visibility import shared_with, visible_requests
from tests.worlds import oracle
from tests.worlds.stored import store
from tests.worlds.world import GRANTED, NOW, ROLE_NAMES, make

BATCH = 50
FEW, MANY = 150, 10_000
FIRST = int(os.environ.get("ELM_WORLD", "0"))


BATCHES = range(FIRST, FIRST + (1 if FIRST else FEW), BATCH)


# The same filters on both databases: one batch is enough to see that PostgreSQL reads them alike
@pytest.mark.parametrize("batch", [FIRST, *(pytest.param(each, marks=pytest.mark.sqlite) for each in BATCHES[1:])])
def test_everybody_sees_what_the_roles_give_them_and_nothing_else(batch, db, clock):
    assert clock.at == NOW
    meet(batch, 1 if FIRST else BATCH)


@pytest.mark.sqlite
@pytest.mark.assurance
@pytest.mark.parametrize("batch", range(FEW, MANY + FEW, BATCH))
def test_everybody_sees_what_the_roles_give_them_in_ten_thousand_worlds(batch, db, clock):
    assert clock.at == NOW
    meet(batch, BATCH)


def meet(first, count):
    """Compare code and oracle for everybody in some worlds."""
    worlds = [make(seed) for seed in range(first, first + count)]
    store(worlds)
    users = User.objects.in_bulk([pk for world in worlds for pk in world.people])
    units = BusinessUnit.objects.in_bulk([pk for world in worlds for pk in world.units])
    scopes = scopes_of(list(users.values()))
    log = admin.site._registry[ProvisioningLog]
    for world in worlds:
        requests = {request.id: request for request in world.requests}
        for person in world.people.values():
            said = f"world {world.seed}, person {person.id}: run ELM_WORLD={world.seed} pytest tests/worlds"
            scope, user = scopes[person.id], users[person.id]
            shared = shared_with(person.id)

            found = set(EnvironmentRequest.objects.filter(visible_requests(scope, shared)).values_list("pk", flat=True))
            assert found == {pk for pk, each in requests.items() if oracle.sees(world, person, each)}, said

            asked = log.reached(SimpleNamespace(user=user, elm_scope=scope, elm_shared=shared))
            entries = set(ProvisioningLog.objects.filter(asked).values_list("pk", flat=True))
            assert entries == {
                pk
                for pk, tenant, request in world.entries
                if oracle.sees_entry(world, person, tenant, requests.get(request))
            }, said

            for role in GRANTED:
                held = {pk for pk in world.units if scope.holds(Role(ROLE_NAMES[role]), units[pk])}
                assert held == {pk for pk in world.units if oracle.holds(world, person, role, pk)}, (role, said)
        unit, role = units[sorted(world.units)[0]], GRANTED[world.seed % len(GRANTED)]
        assert set(holders(Role(ROLE_NAMES[role]), unit).values_list("pk", flat=True)) == {
            pk for pk, person in world.people.items() if person.is_active and oracle.has(world, person, role, unit.pk)
        }, f"world {world.seed}: holders"
