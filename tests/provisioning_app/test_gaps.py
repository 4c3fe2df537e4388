"""Open gaps: each is retried by one sweep at a time and closed once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit_app.actions import Action
from audit_app.verify import verify_log
from provisioning_app import gaps, services
from provisioning_app.models import Gap
from provisioning_app.plan import PLANS, step
from provisioning_app.progress import Standing, progress_of
from provisioning_app.steps.outcome import Done
from requests_app.choices import State
from tests.provisioning_app.reconciling import calls, reconcile_now, vanish

GROUP = {"host": "power_platform", "method": "POST", "path": "addEnvironment", "status": 500, "count": 0}
POLICIES = {"host": "bap", "method": "GET", "path": "/policies", "status": 500, "count": 0}


@pytest.fixture
def completed(world):
    """A completed request whose environment group and data policy are still missing."""
    world.fault(**GROUP)
    world.fault(**POLICIES)
    request = world.provision()
    assert request.state == State.COMPLETED
    assert set(request.gaps.values_list("step", flat=True)) == {"environment_group", "dlp"}
    return request


def sweep(world):
    world.clock.advance(minutes=61)
    return services.retry_gaps()


def test_an_environment_is_governed_when_its_last_gap_is_closed(world, completed):
    world.simulator.control("DELETE", "/faults")
    world.fault(**GROUP)
    environment = completed.environments.get()

    assert sweep(world) == 1
    environment.refresh_from_db()
    assert environment.governed_at is None

    world.simulator.control("DELETE", "/faults")
    for _ in range(4):
        sweep(world)
    environment.refresh_from_db()
    assert environment.governed_at is not None
    assert completed.log_entries.filter(action=Action.GAP_CLOSED).count() == 2
    assert verify_log().ok


def test_two_sweeps_that_see_the_same_gap_retry_it_once(world, completed):
    world.clock.advance(minutes=61)
    seen = Gap.objects.select_related("run", "request").get(request=completed, step="dlp")

    assert services._retry_gap(seen) is False  # Microsoft still refuses
    attempts = Gap.objects.get(pk=seen.pk).attempts
    assert services._retry_gap(seen) is False  # another sweep was first

    assert Gap.objects.get(pk=seen.pk).attempts == attempts == 1


def test_a_gap_that_another_sweep_has_closed_is_not_closed_again(world, completed):
    world.simulator.control("DELETE", "/faults")
    seen = Gap.objects.select_related("run", "request").get(request=completed, step="dlp")
    sweep(world)

    services._close(seen, step(1, "dlp"), Done())

    assert completed.log_entries.filter(action=Action.GAP_CLOSED, action_details__step="dlp").count() == 1


def test_a_gap_that_breaks_in_an_unforeseen_way_never_stops_the_others(world, completed, monkeypatch):
    world.simulator.control("DELETE", "/faults")
    plan_step = step(1, "environment_group")
    broken = replace(plan_step, perform=lambda _context: {}["no such key"])
    monkeypatch.setitem(PLANS, 1, tuple(broken if each is plan_step else each for each in PLANS[1]))

    assert sweep(world) == 1

    assert list(completed.gaps.filter(closed_at=None).values_list("step", "attempts")) == [("environment_group", 1)]


def test_gaps_of_a_halted_tenant_wait_until_it_is_resumed(world, completed):
    world.simulator.control("DELETE", "/faults")
    services.halt(world.people.tenant.pk, "AADSTS7000222: the secret expired")
    assert sweep(world) == 0
    assert set(completed.gaps.values_list("attempts", flat=True)) == {0}

    services.resume(world.people.tenant.pk, by=world.people.operator, reason="A new secret is in the vault.")
    assert sweep(world) >= 1


def test_gaps_of_an_environment_that_is_gone_are_closed_with_the_reason_and_tried_no_more(world, completed):
    world.simulator.control("DELETE", "/faults")
    environment = completed.environments.get()
    vanish(world, environment.environment_id)
    assert step(1, "dlp").key in completed.gaps.filter(closed_at=None).values_list("step", flat=True)

    reconcile_now()

    assert not completed.gaps.filter(closed_at=None).exists()
    entries = completed.log_entries.filter(action=Action.GAP_CLOSED)
    assert [entry.action_details["reason"] for entry in entries] == [gaps.GONE] * 2
    before = len(calls(world))
    assert sweep(world) == 0
    assert len(calls(world)) == before
    environment.refresh_from_db()
    assert environment.governed_at is None
    lines = progress_of(completed, completed.runs.get()).lines
    assert [line.note for line in lines if line.standing == Standing.NEVER] == [gaps.GONE] * 2
    assert verify_log().ok


@pytest.mark.simulated
def test_no_data_policy_is_said_to_cover_an_environment_that_is_gone(world, completed):
    world.simulator.control("DELETE", "/faults")
    vanish(world, completed.environments.get().environment_id)

    assert sweep(world) == 0

    gap = completed.gaps.get(step="dlp")
    assert (gap.closed_at, gap.attempts) == (None, 1)
    assert "no longer exists" in gap.reason
    assert "no longer exists" in gap.history.first().reason
