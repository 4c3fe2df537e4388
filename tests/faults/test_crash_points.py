"""Every commit and every call of a Zone 3 run, the process killed before and after it: one environment, nothing lost.

``ELM_CRASH_POINTS=all`` takes every point, a number every so many-th (20 unless given).
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from requests_app.choices import State, Zone
from tests.faults.invariants import check_invariants, check_nothing_is_overdue
from tests.faults.mortal import Mortals
from tests.provisioning_app.reconciling import calls
from tests.simulation.figures import report

pytestmark = [
    pytest.mark.flow,
    pytest.mark.crash_points,
    pytest.mark.simulated,
    pytest.mark.django_db(transaction=True),
]

SHARES = 2
WANTED = os.environ.get("ELM_CRASH_POINTS", "30")
ROOMY = {"concurrent_runs": 50, "starts_per_minute": 100, "creations_per_day": 1000, "propagation_seconds": 120}
QUESTIONS = ("validateEnvironmentDetails", "checkMemberGroups", "/token")  # asked by POST, and change nothing


@pytest.fixture
def roomy(make_world):
    return make_world(seed={"capacity_gb": 5000}, reduce_principal_roles=True, **ROOMY)


def state_of(request):
    request.refresh_from_db()
    return request.state


def owned(world, request):
    return [item for item in world.environments if str(request.pk) in item["description"]]


@pytest.fixture
def mortals(roomy, make_world, process_environment):
    with Mortals(process_environment | make_world.environment) as mortals:
        yield mortals


@pytest.mark.parametrize("share", range(SHARES))
def test_a_worker_killed_at_any_point_is_replaced_and_one_environment_exists(roomy, mortals, share):
    undisturbed = roomy.approved(Zone.ZONE_3)
    points = mortals.trace(roomy)
    assert state_of(undisturbed) == State.COMPLETED
    kinds = {kind: sum(point.kind == kind for point in points) for kind in ("commit", "call")}
    assert min(kinds.values()) > 20
    every = 1 if WANTED == "all" else int(WANTED)
    chosen = [(point, when) for point in points for when in ("before", "after")][::every]
    of_a_run = {"commits of a run": kinds["commit"], "calls of a run": kinds["call"]} if share == 0 else {}
    report("crash points", **of_a_run, deaths=len(chosen[share::SHARES]))

    for point, when in chosen[share::SHARES]:
        request = roomy.approved(Zone.ZONE_3)
        mortals.die(roomy, point, when)
        roomy.run_until_settled()

        assert state_of(request) == State.COMPLETED, f"{when} {point}: {request.failure_reason}"
        assert len(owned(roomy, request)) == 1, f"{when} {point}"
        check_invariants(roomy)
        check_nothing_is_overdue()


@pytest.mark.parametrize("zone", [Zone.ZONE_1, Zone.ZONE_3])
def test_no_mutation_whose_response_is_lost_is_done_twice(roomy, zone):
    roomy.provision(zone)
    undisturbed = Counter(mutation(call) for call in calls(roomy) if is_mutation(call))
    assert len(undisturbed) >= 6

    for (method, place), times in sorted(undisturbed.items()):
        earlier = len(calls(roomy))
        roomy.fault(name="lost", method=method, path=place, drop_after=True)
        request = roomy.provision(zone)

        assert state_of(request) == State.COMPLETED, f"{method} {place}: {request.failure_reason}"
        assert not request.gaps.exists(), f"{method} {place}"
        assert len(owned(roomy, request)) == 1
        made = [call for call in calls(roomy)[earlier:] if is_mutation(call) and mutation(call) == (method, place)]
        assert [call["processed"] for call in made if call["fault"] == "lost"] == [True], f"{method} {place}"
        # A join that is under way shows nowhere, so it may be asked for again: it names a state, it adds nothing
        assert len(made) == times or place == "addEnvironment", f"{method} {place} was sent {len(made)} times"


def is_mutation(call):
    return call["method"] != "GET" and not any(part in call["url"] for part in QUESTIONS)


def mutation(call):
    """Return method and last word of the path: what tells one mutation from another."""
    path = call["url"].split("?")[0].rstrip("/")
    words = [word for word in path.split("/") if "-" not in word and word != "$ref"]
    return call["method"], words[-1].split("(")[0]
