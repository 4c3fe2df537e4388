"""Every commit and every call of a Zone 3 run, killed before and after it: one environment, Completed, nothing lost.

``ELM_CRASH_POINTS=all`` takes every point, a number every so many-th (15 unless given).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from django.db import connection

from accounts_app.cloud import forget_secret
from requests_app.choices import State, Zone
from tests.faults.crashing import KILLED, Point, crash, watching
from tests.faults.invariants import check_invariants
from tests.provisioning_app.reconciling import calls, with_one_clock

pytestmark = [pytest.mark.flow, pytest.mark.simulated, pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).resolve().parents[2]
SHARES = 2
ROOMY = {"concurrent_runs": 50, "starts_per_minute": 100, "creations_per_day": 1000, "propagation_seconds": 120}
QUESTIONS = ("validateEnvironmentDetails", "checkMemberGroups", "/token")  # asked by POST, and change nothing


@pytest.fixture
def roomy(make_world):
    return make_world(seed={"capacity_gb": 5000}, reduce_principal_roles=True, **ROOMY)


def start_afresh(world):
    """Approve a request and forget the secrets, so that every run makes the same calls."""
    for identity in world.people.tenant.identities.all():
        forget_secret(identity)
    return world.approved(Zone.ZONE_3)


def trace(world):
    """Return every point of one undisturbed run."""
    points = []
    request = start_afresh(world)
    with watching(lambda point, when: points.append(point) if when == "before" else None, control(world)):
        world.run_until_settled()
    assert state_of(request) == State.COMPLETED
    return points


def control(world):
    return world.simulator.ready["control"]


def state_of(request):
    request.refresh_from_db()
    return request.state


def owned(world, request):
    return [item for item in world.environments if str(request.pk) in item["description"]]


@pytest.mark.parametrize("share", range(SHARES))
def test_a_worker_killed_at_any_point_is_replaced_and_one_environment_exists(roomy, share):
    points = trace(roomy)
    kinds = {kind: sum(point.kind == kind for point in points) for kind in ("commit", "call")}
    print(f"{len(points)} crash points ({kinds['commit']} commits, {kinds['call']} calls), each before and after")  # noqa: T201
    assert min(kinds.values()) > 20
    wanted = os.environ.get("ELM_CRASH_POINTS", "15")
    every = 1 if wanted == "all" else int(wanted)
    chosen = [(point, when) for point in points for when in ("before", "after")][::every]

    for point, when in chosen[share::SHARES]:
        request = start_afresh(roomy)
        with crash(point, when, besides=control(roomy)):
            roomy.run_until_settled()
        roomy.run_until_settled()

        assert state_of(request) == State.COMPLETED, f"{when} {point}: {request.failure_reason}"
        assert len(owned(roomy, request)) == 1, f"{when} {point}"
        check_invariants(roomy)


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


DEADLY = [
    (Point("commit", "provisioning_app.results.done"), "before"),
    (Point("call", "POST /providers/Microsoft.BusinessAppPlatform/environments"), "after"),
]


@pytest.mark.parametrize(("point", "when"), DEADLY, ids=["commit", "call"])
def test_a_process_that_really_dies_is_replaced(roomy, make_world, process_environment, point, when):
    with_one_clock(roomy)
    request = start_afresh(roomy)
    where = [str(roomy.people.tenant.pk), roomy.clock.at.isoformat(), point.kind, point.place, "1", when]
    connection.close()

    dead = subprocess.run(
        [sys.executable, "-m", "tests.faults.crashing", *where],
        cwd=ROOT,
        env=process_environment | make_world.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert dead.returncode == KILLED, dead.stderr
    roomy.run_until_settled()

    assert state_of(request) == State.COMPLETED, request.failure_reason
    assert len(owned(roomy, request)) == 1
    assert request.runs.get().lease_token > 1
