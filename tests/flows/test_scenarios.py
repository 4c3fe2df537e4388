"""The sample scenarios of the simulator, as people rehearse them: what runs do while one is on, and afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
import stamina

from provisioning_app import services
from requests_app.choices import State, Zone
from tests.microsoft import World

pytestmark = pytest.mark.flow
Switch = Callable[[str], None]


@pytest.fixture
def switch(world: World) -> Iterator[Switch]:
    """Turn a scenario on for the tenant of this test, whose clock tells Microsoft's time: Retry-After may be a date."""
    tenant_id = str(world.tenant_id)
    now = world.simulator.control("GET", "/state", tenant=tenant_id)["now"]
    world.clock.advance(seconds=(datetime.fromisoformat(f"{now[:26]}Z") - world.clock.at).total_seconds())
    with stamina.set_testing(True, attempts=3, cap=True):  # retries happen, pauses do not
        yield lambda name: world.simulator.control("POST", "/scenarios", {"name": name, "tenant": tenant_id})
    world.simulator.control("DELETE", "/scenarios")


@pytest.mark.parametrize("name", ["throttling-storm", "lost-responses", "busy-conflicts"])
def test_a_run_survives_the_scenario_with_exactly_one_environment(world: World, switch: Switch, name: str) -> None:
    switch(name)
    request = world.provision(Zone.ZONE_3)
    hits = [rule.get("hits", 0) for rule in world.simulator.control("GET", "/faults")["faults"]]
    assert (request.state, len(world.environments), sum(hits) > 0) == (State.COMPLETED, 1, True)


def test_an_outage_leaves_nothing_behind_and_a_retry_completes(world: World, switch: Switch) -> None:
    switch("outage")
    request = world.provision(Zone.ZONE_2)
    assert (request.state, world.environments) == (State.FAILED, [])
    world.simulator.control("DELETE", "/scenarios")
    services.retry(request.pk, by=world.people.operator, reason="The outage is over.")
    world.run_until_settled()
    request.refresh_from_db()
    assert (request.state, len(world.environments)) == (State.COMPLETED, 1)


def test_an_expired_secret_halts_the_tenant_and_nothing_is_created(world: World, switch: Switch) -> None:
    switch("expired-secret")
    world.provision(Zone.ZONE_2)
    assert world.halted
    assert world.environments == []
