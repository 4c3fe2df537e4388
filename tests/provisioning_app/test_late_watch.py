"""After a creation timed out, the environment may still appear: watched for a day, told, adopted by a retry."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audit_app.actions import Action
from audit_app.verify import verify_log
from notifications_app.models import OutboxMessage
from provisioning_app import services, watch
from provisioning_app.choices import FindingKind, RemoteState
from requests_app.choices import State
from tests.provisioning_app.reconciling import RARE_LOOKS, calls, findings_of, let_pass, where_creation_is_slow

pytestmark = pytest.mark.simulated

CREATIONS = "BusinessAppPlatform/environments?"
CREATE = {"method": "POST", "path": r"BusinessAppPlatform/environments\?"}


@pytest.fixture
def slow(make_world):
    """A tenant whose environments take 75 minutes."""
    return where_creation_is_slow(make_world)


@pytest.fixture
def timed_out(slow):
    request = slow.provision()
    assert request.state == State.FAILED
    assert request.runs.get().remote_state == RemoteState.UNKNOWN
    return request


def look_for(world, *, hours):
    for _ in range(int(hours * 12)):
        let_pass(world, minutes=5)
        watch.look_for_late()


@pytest.mark.walk
def test_c10_an_environment_that_appears_late_is_found_told_and_adopted_by_a_retry(slow, timed_out):
    look_for(slow, hours=1)

    (finding,) = findings_of(slow, FindingKind.ENVIRONMENT_APPEARED)
    (environment,) = slow.environments
    assert (finding.environment_id, finding.request) == (environment["id"], timed_out)
    assert timed_out.log_entries.filter(action=Action.FINDING_OPENED).count() == 1
    assert not timed_out.log_entries.filter(action=Action.ENVIRONMENT_ADOPTED).exists()
    told = OutboxMessage.objects.filter(event="finding_opened", recipient=slow.people.operator)
    assert [timed_out.request_number in message.subject for message in told] == [True]

    services.retry(timed_out.pk, by=slow.people.operator, reason="It appeared.")
    slow.run_until_settled()
    timed_out.refresh_from_db()
    assert timed_out.state == State.COMPLETED, timed_out.failure_reason
    assert timed_out.log_entries.filter(action=Action.ENVIRONMENT_ADOPTED).exists()
    assert len(slow.environments) == 1
    created = timed_out.environments.get().created_at
    assert created < finding.found_at
    assert created == timed_out.runs.get(attempt=1).creation_started_at + timedelta(minutes=75)
    assert verify_log().ok


def test_what_never_appears_is_watched_for_a_day_every_quarter_of_an_hour(make_world):
    world = make_world(**RARE_LOOKS)
    world.fault(**CREATE, operation="Stuck")
    request = world.provision()
    run = request.runs.get()
    world.simulator.control("DELETE", "/journal")

    look_for(world, hours=25)

    run.refresh_from_db()
    assert run.watch_at is None
    ended = request.log_entries.get(action=Action.LATE_WATCH_ENDED)
    assert ended.action_details["result"] == "The environment did not appear."
    assert 90 <= len(calls(world, "scopes/admin/environments")) <= 97
    assert findings_of(world, FindingKind.ENVIRONMENT_APPEARED) == []


def test_a_retry_ends_the_watch(slow, timed_out):
    services.retry(timed_out.pk, by=slow.people.operator, reason="Trying again.")

    assert timed_out.runs.get(attempt=1).watch_at is None
    look_for(slow, hours=0.5)
    assert findings_of(slow, FindingKind.ENVIRONMENT_APPEARED) == []


def hold_a_slot(world):
    return world.people.tenant.slots.filter(run__isnull=False).exists()


def test_a_retry_awaits_the_creation_that_still_runs_and_gives_its_slot_back_when_the_time_is_up(make_world):
    world = make_world(poll_limit=10, propagation_seconds=120)
    world.fault(**CREATE, operation="Stuck")
    request = world.provision()

    services.retry(request.pk, by=world.people.operator, reason="Perhaps it comes.")
    world.run_until_settled()

    request.refresh_from_db()
    again = request.runs.get(attempt=2)
    assert (request.state, again.remote_state, again.step) == (State.FAILED, RemoteState.UNKNOWN, "await_creation")
    assert "PollTimeout" in again.error
    assert again.finished_at - again.started_at < timedelta(minutes=7)
    assert not hold_a_slot(world)
    assert again.watch_at is not None
    assert len(calls(world, CREATIONS)) == 1
    told = OutboxMessage.objects.filter(event="poll_timeout", recipient=world.people.operator)
    assert told.count() == 2


def test_a_lost_creation_that_never_ends_gives_its_slot_back_when_the_time_is_up(make_world):
    world = make_world(poll_limit=10, propagation_seconds=120)
    world.fault(**CREATE, operation="Stuck", drop_after=True)

    request = world.provision()

    run = request.runs.get()
    assert (request.state, run.remote_state, run.step) == (State.FAILED, RemoteState.UNKNOWN, "create")
    assert "PollTimeout" in run.error
    assert run.finished_at - run.started_at < timedelta(minutes=9)
    assert not hold_a_slot(world)
    assert run.watch_at is not None
    assert OutboxMessage.objects.filter(event="poll_timeout", recipient=world.people.operator).count() == 1
    bodies = [call["status"] for call in calls(world, CREATIONS)]
    assert bodies[0] == 0
    assert set(bodies[1:]) == {409}, "asked for again only to be told that the name is taken"


def test_a_retry_after_a_creation_that_failed_meanwhile_creates_anew(make_world):
    world = make_world(poll_limit=10, propagation_seconds=120)
    world.fault(**CREATE, operation="Stuck")
    request = world.provision()
    (run,) = request.runs.all()
    world.fault(method="GET", path="lifecycleOperations/", status=200, body=failed_operation(run), count=0)
    (hanging,) = [item for item in world.environments if not item["is_default"]]
    world.simulator.control("DELETE", f"/tenants/{world.tenant_id}/environments/{hanging['id']}")

    services.retry(request.pk, by=world.people.operator, reason="It failed there.")
    world.run_until_settled(stop=lambda: len(calls(world, CREATIONS)) == 2)
    world.simulator.control("DELETE", "/faults")
    world.run_until_settled()

    request.refresh_from_db()
    assert request.state == State.COMPLETED, request.failure_reason
    assert request.runs.count() == 2


def failed_operation(run):
    return {"id": run.operation_url.rpartition("/")[2], "type": {"id": "Create"}, "state": {"id": "Failed"}}


def test_a_look_that_could_not_see_is_no_answer(slow, timed_out):
    slow.fault(host="bap", method="GET", path="scopes/admin/environments", status=503, count=0)
    look_for(slow, hours=25)
    run = timed_out.runs.get()
    assert run.watch_at is not None
    assert not timed_out.log_entries.filter(action=Action.LATE_WATCH_ENDED).exists()

    slow.simulator.control("DELETE", "/faults")
    look_for(slow, hours=0.5)

    assert len(findings_of(slow, FindingKind.ENVIRONMENT_APPEARED)) == 1


def test_a_failure_that_left_nothing_behind_is_not_watched(world):
    world.fault(**CREATE, operation="Failed")

    request = world.provision()

    assert request.runs.get().watch_at is None
