"""The policy gap: seconds between "exists" and "governed", per control."""

from __future__ import annotations

from provisioning_app import policy_gap, services
from provisioning_app.models import GovernedControl
from requests_app.choices import State, Zone
from tests.provisioning_app.reconciling import let_pass


def test_every_control_has_a_clock_that_stopped_when_it_was_proved(world):
    request = world.provision(Zone.ZONE_3)

    row = request.environments.get()
    clocks = policy_gap.clocks_of(row)
    assert [clock.control for clock in clocks] == list(policy_gap.CONTROLS.values())
    assert all(clock.is_governed for clock in clocks)
    run = request.runs.get()
    for control in row.controls.all():
        assert row.created_at <= control.governed_at <= run.finished_at
        assert control.seconds == round((control.governed_at - row.created_at).total_seconds())
    assert max(clock.seconds for clock in clocks) == round((row.governed_at - row.created_at).total_seconds())


def test_the_clock_of_an_open_gap_runs_until_the_gap_is_closed(world):
    world.fault(
        host="power_platform", method="POST", path="addEnvironment", status=500, body={"error": {"code": "x"}}, count=3
    )
    request = world.provision(Zone.ZONE_3)
    row = request.environments.get()
    assert request.state == State.COMPLETED

    def group():
        return next(clock for clock in policy_gap.clocks_of(row) if clock.control == "Environment group")

    before = group()
    let_pass(world, minutes=6)
    assert not before.is_governed
    assert group().seconds - before.seconds >= 360

    for _ in range(6):
        services.retry_gaps()
        let_pass(world, minutes=6)
    assert group().is_governed
    assert group().seconds >= 360
    assert [clock.control for clock in policy_gap.clocks_of(row) if not clock.is_governed] == []


def test_the_first_proof_counts(world):
    request = world.provision(Zone.ZONE_2)
    row = request.environments.get()
    before = {control.control: control.seconds for control in row.controls.all()}
    step = next(entry for entry in policy_gap.CONTROLS)
    world.clock.advance(hours=1)

    policy_gap.stop_clocks(request.runs.get(), [policy_gap.Entry(step)])

    assert {control.control: control.seconds for control in row.controls.all()} == before


def test_the_dashboard_gets_mean_and_longest_per_control(world):
    for _ in range(2):
        world.provision(Zone.ZONE_1)

    figures = policy_gap.summary(GovernedControl.objects.filter(environment__tenant=world.people.tenant))

    assert {figure["control"] for figure in figures} == set(policy_gap.CONTROLS.values())
    for figure in figures:
        assert figure["count"] == 2
        assert 0 <= figure["mean_seconds"] <= figure["longest_seconds"]


def test_the_clocks_also_count_the_time_in_which_nobody_was_there_to_look(make_world):
    world = make_world(timing={"create_polls": None, "create_seconds": 300})
    request = world.approved(Zone.ZONE_2)
    world.run_until_settled(stop=lambda: request.runs.filter(step="await_creation").exists())
    let_pass(world, hours=1)  # every worker is down

    world.run_until_settled()

    request.refresh_from_db()
    assert request.state == State.COMPLETED, request.failure_reason
    row, run = request.environments.get(), request.runs.get()
    assert round((row.created_at - run.creation_started_at).total_seconds()) == 300
    assert min(clock.seconds for clock in policy_gap.clocks_of(row)) >= 3300
