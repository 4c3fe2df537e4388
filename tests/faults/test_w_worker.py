"""W1 to W6 and W9 to W12 of the fault list: what becomes of a run whose worker dies, stalls or meets a bug.

Elsewhere: every point of a run (test_crash_points); plans that a release does not know (test_w_plans); W7, W8, W13 and
once more W6 on Celery's workers (test_w_processes); W14 (test_w_fork).
"""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest

from audit_app.actions import Action
from audit_app.verify import verify_log
from provisioning_app import lease, plan, results, runner, services
from provisioning_app.choices import RunStatus
from provisioning_app.lease import LeaseLostError
from provisioning_app.models import ProvisioningRun, Slot, StepRecord
from provisioning_app.steps.outcome import Done
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.faults.crashing import Point, crash
from tests.faults.processes import FORK, forked
from tests.microsoft import Simulator
from tests.provisioning_app.reconciling import calls

CREATION = "BusinessAppPlatform/environments?"
CREATE_CALL = Point("call", "POST /providers/Microsoft.BusinessAppPlatform/environments")
real_commits = pytest.mark.django_db(transaction=True)
BEGIN, DONE = "provisioning_app.runner._begin", "provisioning_app.results.done"


@pytest.fixture
def killed(make_world):
    """Kill a worker, a process of its own, at a point; another one takes over. Returns the request, completed then."""

    def die_and_recover(point, when):
        world = make_world(propagation_seconds=120)
        request = world.approved()
        provision_until_killed(world, point, when)
        run = request.runs.get()
        assert (run.status, run.lease_until is None) == (RunStatus.RUNNING, False)
        assert services.due_runs() == []  # it is nobody else's before its lease has ended

        world.run_until_settled()

        request.refresh_from_db()
        assert request.state == State.COMPLETED, request.failure_reason
        assert len(world.environments) == 1
        assert len([call for call in calls(world, CREATION) if call["method"] == "POST"]) == 1
        assert request.runs.get().lease_token > run.lease_token
        assert set(StepRecord.objects.filter(run=run).values_list("attempt", flat=True)) == {1}
        return request

    return die_and_recover


def provision_until_killed(world, point, when):
    """Let another process provision until it is killed at a point, and go on at the time of its death."""
    times = FORK.SimpleQueue()
    worker = forked(_provision_and_die, world, point, when, times)
    worker.join(60)
    assert worker.exitcode == -signal.SIGKILL, f"{when} {point} was not reached: {worker.exitcode}"
    world.clock.at = times.get()


def _provision_and_die(world, point, when, times):
    own = replace(world, simulator=Simulator(world.simulator.ready_file))  # a socket of its own to the control API

    def die():
        times.put(world.clock.at)
        os.kill(os.getpid(), signal.SIGKILL)

    with crash(point, when, besides=world.simulator.ready["control"], die=die):
        own.run_until_settled()


def was_adopted(request):
    return request.log_entries.filter(action=Action.ENVIRONMENT_ADOPTED).exists()


@real_commits
def test_w01_a_worker_killed_before_its_intent_is_replaced_and_creates_once(killed):
    assert not was_adopted(killed(Point("commit", BEGIN, 2), "before"))


@real_commits
def test_w02_a_worker_killed_between_intent_and_call_is_replaced_by_one_that_finds_nothing_and_creates_once(killed):
    assert not was_adopted(killed(CREATE_CALL, "before"))


@real_commits
def test_w03_a_worker_killed_after_it_sent_the_request_is_replaced_by_one_that_adopts(killed):
    assert was_adopted(killed(CREATE_CALL, "after"))


@real_commits
def test_w04_a_worker_killed_between_response_and_result_is_replaced_by_one_that_adopts(killed):
    assert was_adopted(killed(Point("commit", DONE, 2), "before"))


@real_commits
def test_w05_a_worker_killed_after_the_result_is_replaced_by_one_that_goes_on(killed):
    assert not was_adopted(killed(Point("commit", DONE, 2), "after"))


def test_w06_a_worker_that_slept_through_its_lease_writes_nothing(world):
    request = world.approved()
    services.dispatch(world.people.tenant.pk)
    run = request.runs.get()
    sleeper = lease.claim(run.pk)
    _, record, _ = runner._begin(sleeper)
    world.clock.advance(seconds=2 * 180)

    def is_refused_everything():
        for write in (
            lambda: results.done(sleeper, record, plan.step(1, "preflight"), Done()),
            lambda: results.attempt_failed(sleeper, record, plan.step(1, "preflight"), "too late"),
            lambda: runner._begin(sleeper),
            sleeper.renew,
        ):
            with pytest.raises(LeaseLostError):
                write()
        sleeper.give_back()

    successor = lease.claim(run.pk)  # another worker is in the middle
    is_refused_everything()
    assert ProvisioningRun.objects.get(pk=run.pk).lease_until is not None  # the successor's, still
    assert lease.claim(run.pk) is None

    successor.give_back()
    world.run_until_settled()  # the other worker has finished
    entries = request.log_entries.count()
    records = list(run.steps.values_list("pk", "outcome"))
    is_refused_everything()

    request.refresh_from_db()
    assert request.state == State.COMPLETED
    assert request.log_entries.count() == entries
    assert list(run.steps.values_list("pk", "outcome")) == records
    assert verify_log().ok


def test_w09_after_six_hours_without_a_worker_the_oldest_go_first_within_the_limits(make_world):
    world = make_world(concurrent_runs=2, starts_per_minute=3)
    requests = []
    for _ in range(6):
        requests.append(world.approved(Zone.ZONE_1))
        world.clock.advance(minutes=1)
    world.clock.advance(hours=6)

    assert services.dispatch(world.people.tenant.pk) == 2
    running = ProvisioningRun.objects.filter(tenant=world.people.tenant, status=RunStatus.RUNNING)
    assert set(running.values_list("request_id", flat=True)) == {request.pk for request in requests[:2]}
    world.run_until_settled()

    runs = ProvisioningRun.objects.filter(tenant=world.people.tenant).order_by("started_at", "request__number")
    assert [run.request_id for run in runs] == [request.pk for request in requests]
    starts = [run.started_at for run in runs]
    assert all((later - first).total_seconds() >= 60 for first, later in zip(starts, starts[3:], strict=False))
    assert {run.status for run in runs} == {RunStatus.COMPLETED}


def test_w09_runs_that_failed_together_are_not_tried_again_at_one_moment(make_world):
    world = make_world()
    world.fault(host="bap", method="GET", path=r"/tenant\?", status=500, count=0)
    for _ in range(3):
        world.approved(Zone.ZONE_1)
    services.dispatch(world.people.tenant.pk)

    for run_id in services.due_runs():
        services.advance(run_id)

    waits = [(run.next_at - world.clock.at).total_seconds() for run in ProvisioningRun.objects.filter(step_attempt=2)]
    assert len(set(waits)) == len(waits) >= 2
    assert all(4.5 <= seconds <= 5.5 for seconds in waits)


def test_w10_an_answer_of_fifty_megabytes_fails_its_own_run_only(world):
    world.fault(host="bap", path="/locations", padding_mb=50)

    for _ in range(2):
        world.approved(Zone.ZONE_2)
    world.run_until_settled()

    other, victim = EnvironmentRequest.objects.filter(tenant=world.people.tenant).order_by("state")
    assert (victim.state, other.state) == (State.FAILED, State.COMPLETED)
    assert "larger than 5000000 bytes" in victim.failure_reason


def test_w11_a_step_that_breaks_in_an_unforeseen_way_fails_its_run_in_plain_words(world, monkeypatch):
    def perform(context):
        raise ZeroDivisionError("secret-in-a-traceback")

    broken = plan.Step("preflight", "Preflight", Action.PREFLIGHT_CHECKED, perform)
    with monkeypatch.context() as patch:
        patch.setitem(plan.PLANS, 1, (broken, *plan.PLANS[1][1:]))
        request = world.provision()

    assert request.state == State.FAILED
    assert request.failure_reason == "Unexpected ZeroDivisionError in step Preflight."
    assert not Slot.objects.filter(tenant=world.people.tenant, run__isnull=False).exists()
    assert not request.log_entries.filter(error_message__contains="secret-in").exists()
    following = world.provision()
    assert following.state == State.COMPLETED, following.failure_reason  # the worker has survived


def test_w12_a_run_in_flight_finishes_on_the_plan_it_began_with(monkeypatch, world):
    old = world.approved()
    world.run_until_settled(stop=lambda: old.runs.filter(step="managed").exists())
    renamed = tuple(
        plan.Step("governance", "Governance", item.action, item.perform, item.attempts, item.minutes, item.must_succeed)
        if item.key == "managed"
        else item
        for item in plan.PLANS[1]
    )
    monkeypatch.setitem(plan.PLANS, 2, renamed)
    monkeypatch.setattr(plan, "CURRENT_VERSION", 2)
    new = world.approved()
    world.run_until_settled()

    for request, version, key in ((old, 1, "managed"), (new, 2, "governance")):
        request.refresh_from_db()
        assert request.state == State.COMPLETED, request.failure_reason
        assert request.runs.get().plan_version == version
        assert request.runs.get().steps.filter(step=key).exists()
