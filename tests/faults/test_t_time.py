"""T1 to T6 of the fault list: clocks that jump or differ, days that end, deadlines nobody was there for.

T2 against the database's clock, which only PostgreSQL has: tests/provisioning_app/test_clocks.py.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from microsoft_cloud.faults import retry_after_seconds
from microsoft_cloud.fields import moment
from notifications_app.models import OutboxMessage
from provisioning_app import clocks, lease, results, runner, services
from provisioning_app.choices import FindingKind, RunStatus
from provisioning_app.lease import LeaseLostError
from provisioning_app.models import ProvisioningRun
from provisioning_app.plan import step
from provisioning_app.steps.outcome import Done
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.provisioning_app.reconciling import calls, findings_of, let_pass, with_one_clock
from tests.screens import client_of

pytestmark = pytest.mark.simulated

# Simulated time can be compared with the simulator's clock, not with the one of a real PostgreSQL
microsoft_only = pytest.mark.sqlite

CREATE = {"method": "POST", "path": r"BusinessAppPlatform/environments\?"}


def wake(world):
    """Do what one tick does."""
    services.dispatch(world.people.tenant.pk)
    for run_id in services.due_runs():
        services.advance(run_id)


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1), timedelta(seconds=-1)])
def test_t01_a_clock_that_jumps_fires_nothing_twice_and_the_log_never_goes_back(world, jump):
    request = world.approved()
    world.run_until_settled(stop=lambda: request.runs.filter(step="await_creation").exists())
    before = world.clock.at

    world.clock.at += jump
    wake(world)
    world.run_until_settled()

    request.refresh_from_db()
    assert request.state == State.COMPLETED, request.failure_reason
    assert len(world.environments) == 1
    entries = list(request.log_entries.order_by("sequence"))
    assert [entry.timestamp for entry in entries] == sorted(entry.timestamp for entry in entries)
    held = [entry for entry in entries if "clock_behind_microseconds" in entry.action_details]
    assert all(entry.timestamp <= before for entry in held)
    assert [entry.action for entry in entries if entry.action == Action.ENVIRONMENT_CREATED] == [
        Action.ENVIRONMENT_CREATED
    ]


def test_t01_an_entry_written_while_the_clock_is_behind_says_so(world):
    request = world.approved()
    latest = request.log_entries.order_by("sequence").last().timestamp
    world.clock.advance(hours=-1)

    services.dispatch(world.people.tenant.pk)

    entry = request.log_entries.order_by("sequence").last()
    assert (entry.to_state, entry.timestamp) == (State.PROVISIONING, latest)
    assert entry.action_details["clock_behind_microseconds"] == 3600 * 1_000_000


def test_t01_a_lease_that_a_jump_ended_early_has_one_writer(world):
    request = world.approved()
    services.dispatch(world.people.tenant.pk)
    run = request.runs.get()
    first = lease.claim(run.pk)
    _, record, _ = runner._begin(first)
    world.clock.advance(hours=1)

    second = lease.claim(run.pk)

    assert second.token > first.token
    with pytest.raises(LeaseLostError):
        results.done(first, record, step(1, "preflight"), Done())
    second.give_back()
    world.run_until_settled()
    assert len(world.environments) == 1


@microsoft_only
def test_t02_a_host_that_is_five_minutes_off_warns_operators_until_it_is_right_again(world):
    with_one_clock(world)
    clocks.compare_clocks("host-1")
    assert findings_of(world, FindingKind.CLOCKS_DIFFER) == []

    world.clock.advance(minutes=5)
    clocks.compare_clocks("host-1")
    clocks.compare_clocks("host-1")
    world.clock.advance(minutes=-5)
    clocks.compare_clocks("host-2")  # that one is right, which says nothing about the other

    (finding,) = findings_of(world, FindingKind.CLOCKS_DIFFER)
    assert (finding.subject, finding.resolved_at) == ("host-1 and Microsoft", None)
    seconds = int(re.search(r"(\d+) s apart; the host's is ahead", finding.detail)[1])
    assert 270 <= seconds <= 301  # ours stands still in a test, Microsoft's goes on, and tells whole seconds
    assert OutboxMessage.objects.filter(event="finding_opened", recipient=world.people.operator).count() == 1
    page = client_of(world.people.operator).get(reverse("admin:provisioning_app_reconciliationfinding_changelist"))
    assert "host-1 and Microsoft" in page.content.decode()

    clocks.compare_clocks("host-1")
    finding.refresh_from_db()
    assert finding.resolved_at is not None
    log = ProvisioningLog.objects.filter(chain=world.people.tenant.log_chain().key).order_by("sequence")
    assert [entry.action for entry in log][-2:] == [Action.FINDING_OPENED, Action.FINDING_RESOLVED]


@microsoft_only
def test_t02_a_host_that_is_not_heard_of_any_more_is_forgotten_after_a_day(world):
    with_one_clock(world)
    world.clock.advance(minutes=-5)
    clocks.compare_clocks("host-1")
    world.clock.advance(minutes=5)

    let_pass(world, hours=23)
    clocks.compare_clocks("host-2")
    assert len(findings_of(world, FindingKind.CLOCKS_DIFFER, resolved_at__isnull=True)) == 1
    let_pass(world, hours=2)
    clocks.compare_clocks("host-2")
    assert findings_of(world, FindingKind.CLOCKS_DIFFER, resolved_at__isnull=True) == []


@microsoft_only
def test_t02_what_cannot_be_compared_warns_of_nothing_and_forgets_nothing(world):
    with_one_clock(world)
    world.clock.advance(minutes=5)
    clocks.compare_clocks("host-1")
    world.fault(host="bap", path=r"/tenant\?", status=500, count=0)
    clocks.compare_clocks("host-1")
    clocks.compare_clocks("host-2")

    (finding,) = findings_of(world, FindingKind.CLOCKS_DIFFER)
    assert (finding.subject, finding.resolved_at) == ("host-1 and Microsoft", None)


def test_t03_of_five_starts_a_second_before_midnight_utc_two_find_room_and_no_day_has_more_than_fifty(world):
    tenant = world.people.tenant
    world.clock.at = datetime(2026, 3, 2, 23, 40, tzinfo=UTC)
    # Refused by Microsoft, each has used a place of the day all the same
    world.fault(**CREATE, status=400, body={"error": {"code": "InvalidRequestContent"}}, count=48)
    refused = [world.approved(Zone.ZONE_1) for _ in range(48)]
    world.run_until_settled()
    assert states(refused) == {State.FAILED: 48}

    world.clock.at = datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC)
    requests = [world.approved(Zone.ZONE_1) for _ in range(6)]
    assert services.dispatch(tenant.pk) == 2  # the places 49 and 50
    for run_id in services.due_runs():
        services.advance(run_id)
    assert services.dispatch(tenant.pk) == 0

    world.clock.advance(seconds=2)
    assert services.dispatch(tenant.pk) == 3  # which makes five at once
    assert services.dispatch(tenant.pk) == 0
    assert ProvisioningRun.objects.filter(tenant=tenant, status=RunStatus.RUNNING).count() == 5
    world.run_until_settled()

    assert states(requests) == {State.COMPLETED: 6}
    creations = ProvisioningRun.objects.filter(tenant=tenant).values_list("creation_started_at__day", flat=True)
    assert Counter(creations) == {2: 50, 3: 4}
    assert len([call for call in calls(world, "environments?") if call["method"] == "POST"]) == 54


def states(requests):
    """Return how many of these requests are in which state."""
    return Counter(
        EnvironmentRequest.objects.filter(pk__in=[item.pk for item in requests]).values_list("state", flat=True)
    )


def test_t04_at_the_very_end_of_a_lease_there_is_one_winner(world):
    first_request, second_request = world.approved(), world.approved()
    services.dispatch(world.people.tenant.pk)

    in_time = first_request.runs.get()
    mine = lease.claim(in_time.pk)
    _, record, _ = runner._begin(mine)
    world.clock.at = ProvisioningRun.objects.get(pk=in_time.pk).lease_until
    assert lease.claim(in_time.pk) is None  # at the moment itself it still is the holder's
    assert results.done(mine, record, step(1, "preflight"), Done())
    mine.give_back()

    too_late = second_request.runs.get()
    slow = lease.claim(too_late.pk)
    _, record, _ = runner._begin(slow)
    world.clock.at = ProvisioningRun.objects.get(pk=too_late.pk).lease_until + timedelta(microseconds=1)
    quick = lease.claim(too_late.pk)
    with pytest.raises(LeaseLostError):
        results.done(slow, record, step(1, "preflight"), Done())
    quick.give_back()

    world.run_until_settled()
    assert {type(item).objects.get(pk=item.pk).state for item in (first_request, second_request)} == {State.COMPLETED}
    assert len(world.environments) == 2


def test_t05_a_run_after_2038_is_an_ordinary_run_and_times_without_zone_are_utc(make_world, clock):
    clock.at = datetime(2038, 1, 19, 3, 14, 0, tzinfo=UTC)  # eight seconds before 2^31
    world = make_world()

    request = world.provision(Zone.ZONE_2)

    assert request.state == State.COMPLETED, request.failure_reason
    assert request.provisioning_completed > datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC)
    assert all(entry.timestamp.utcoffset() == timedelta(0) for entry in request.log_entries.all())
    naive = {"at": "2040-02-29T12:00:00"}
    assert moment(naive, "at") == datetime(2040, 2, 29, 12, tzinfo=UTC)
    noon = datetime(2040, 2, 29, 12, tzinfo=UTC)
    assert retry_after_seconds("Wed, 29 Feb 2040 12:00:30", noon) == 30


def test_t06_a_deadline_that_passed_while_no_worker_was_there_is_one_timeout(world):
    world.fault(**CREATE, operation="Stuck")
    request = world.approved()
    world.run_until_settled(stop=lambda: request.runs.filter(step="await_creation", waiting_for__gt="").exists())
    asked = len(calls(world, "lifecycleOperations"))
    world.pass_until(world.clock.at + timedelta(hours=6))

    due = services.due_runs()
    assert len(due) == 1
    for run_id in due * 3:  # three doorbells for one run
        services.advance(run_id)
    wake(world)

    request.refresh_from_db()
    assert request.state == State.FAILED
    assert "PollTimeout" in request.failure_reason
    assert len(calls(world, "lifecycleOperations")) == asked + 1  # one last look
    assert OutboxMessage.objects.filter(event="poll_timeout", recipient=world.people.operator).count() == 1
    ends = ProvisioningLog.objects.filter(environment_request=request, to_state=State.FAILED)
    assert ends.count() == 1


def test_t06_what_was_finished_while_no_worker_was_there_is_no_timeout(world):
    request = world.approved()
    world.run_until_settled(stop=lambda: request.runs.filter(step="await_creation").exists())
    world.pass_until(world.clock.at + timedelta(hours=6))

    world.run_until_settled()

    request.refresh_from_db()
    assert request.state == State.COMPLETED, request.failure_reason
