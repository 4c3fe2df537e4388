"""Circuit breakers: while Microsoft does not answer a tenant, its runs wait and burn no attempt."""

from __future__ import annotations

import json
import socket
from copy import deepcopy
from datetime import timedelta

import pytest
import stamina

from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from microsoft_cloud.errors import NotReadyError, ThrottledError, TransientError
from provisioning_app import breaker, services
from provisioning_app.models import CircuitBreaker, Gap
from requests_app.choices import State, Zone
from tests.provisioning_app.reconciling import let_pass

DOWN = TransientError("no connection", service="bap")
BROKEN = TransientError("500", service="bap", status=500)


def entries(world, action):
    return ProvisioningLog.objects.filter(tenant=world.people.tenant, action=action)


def fail(people, error, times=1):
    for _ in range(times):
        breaker.failed(people.tenant.pk, error)


def test_one_answer_that_is_an_error_opens_nothing_and_three_do(people, clock):
    fail(people, BROKEN, 2)
    assert breaker.admit(people.tenant.pk).until is None

    fail(people, BROKEN)

    assert breaker.admit(people.tenant.pk).until == clock.at + timedelta(seconds=30)


def test_failures_with_an_answer_of_the_service_in_between_open_nothing(people):
    for _ in range(5):
        fail(people, BROKEN, 2)
        breaker.answered(breaker.admit(people.tenant.pk), {"bap"})

    assert not breaker.is_open(people.tenant.pk)


def test_an_answer_of_another_service_ends_no_row_of_failures(people):
    for _ in range(3):
        fail(people, BROKEN)
        breaker.answered(breaker.admit(people.tenant.pk), {"graph"})

    assert breaker.is_open(people.tenant.pk)


def test_a_service_that_answers_again_has_three_failures_to_go_once_more(people, clock):
    fail(people, BROKEN, 3)
    clock.advance(seconds=30)
    breaker.answered(breaker.admit(people.tenant.pk), {"bap"})

    fail(people, BROKEN, 2)

    assert not breaker.is_open(people.tenant.pk)


def test_answers_while_nothing_has_failed_write_nothing(people, django_assert_num_queries):
    permit = breaker.admit(people.tenant.pk)

    with django_assert_num_queries(0):
        breaker.answered(permit, {"bap", "graph"})


@pytest.mark.simulated
def test_a_run_with_an_error_now_and_then_opens_nothing(world):
    for path in ("/tenant", "/environmentGroups", "policies"):
        world.fault(host="bap", method="GET", path=path, status=500, count=3)

    assert world.provision(Zone.ZONE_2).state == State.COMPLETED

    assert not entries(world, Action.CIRCUIT_OPENED).exists()


def test_failures_far_apart_open_nothing(people, clock):
    for _ in range(5):
        fail(people, BROKEN, 2)
        clock.advance(minutes=11)

    assert not breaker.is_open(people.tenant.pk)


def test_no_connection_at_all_opens_at_once(people):
    fail(people, DOWN)

    assert breaker.is_open(people.tenant.pk)


def test_something_fresh_that_is_not_ready_is_no_failure(people):
    fail(people, NotReadyError("not yet", service="dataverse"), 9)

    assert not CircuitBreaker.objects.exists()


def test_a_long_throttle_pauses_the_tenant_and_a_short_one_does_not(people, clock):
    fail(people, ThrottledError("slow down", service="bap", retry_after=60))
    assert not breaker.is_open(people.tenant.pk)

    fail(people, ThrottledError("slow down", service="bap", retry_after=240))

    assert breaker.admit(people.tenant.pk).until == clock.at + timedelta(seconds=240)


def test_after_the_pause_one_run_tries_and_the_others_wait(people, clock):
    fail(people, DOWN)
    clock.advance(seconds=30)

    first, second = breaker.admit(people.tenant.pk), breaker.admit(people.tenant.pk)

    assert first.tried
    assert first.until is None
    assert second.until == clock.at + timedelta(seconds=30)
    breaker.answered(first, {"bap"})
    assert breaker.admit(people.tenant.pk) == breaker.Permit()


def test_each_pause_is_twice_as_long_up_to_five_minutes(people, clock):
    pauses = []
    for _ in range(6):
        fail(people, DOWN)
        until = breaker.admit(people.tenant.pk).until
        pauses.append((until - clock.at).total_seconds())
        clock.at = until
        assert breaker.admit(people.tenant.pk).tried

    assert pauses == [30, 60, 120, 240, 300, 300]


def test_opening_and_closing_are_logged_once_each(clock, people):
    for _ in range(3):
        fail(people, DOWN)
        clock.advance(minutes=5)
    breaker.answered(breaker.admit(people.tenant.pk), {"bap"})

    opened, closed = ProvisioningLog.objects.filter(action__in=(Action.CIRCUIT_OPENED, Action.CIRCUIT_CLOSED)).order_by(
        "sequence"
    )
    assert opened.action_details == {"service": "bap", "failures": 1}
    assert closed.action_details == {"service": "bap", "open_seconds": 900}


def test_tenants_do_not_share_a_breaker(make_world):
    silent, healthy = make_world(), make_world()
    waiting = silent.approved(Zone.ZONE_1)
    fail(silent.people, ThrottledError("slow down", service="bap", retry_after=300))

    assert healthy.provision(Zone.ZONE_1).state == State.COMPLETED
    services.dispatch(silent.people.tenant.pk)
    for run_id in services.due_runs():
        services.advance(run_id)
    run = waiting.runs.get()
    assert not run.steps.exists()
    assert run.waiting_for == "Microsoft to answer again"


@pytest.fixture
def outage(world, settings, tmp_path):
    """A table of addresses at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    ready = deepcopy(world.simulator.ready)
    ready["endpoints"] |= dict.fromkeys(("bap", "power_platform", "graph"), f"https://localhost:{port}")
    ready["trusted_hosts"] = [*ready["trusted_hosts"], f"localhost:{port}"]
    nowhere = tmp_path / "nowhere.json"
    nowhere.write_text(json.dumps(ready))
    with stamina.set_testing(True, attempts=3):
        yield lambda: setattr(settings, "CLOUD_ENDPOINTS_FILE", str(nowhere))


def test_an_outage_longer_than_a_steps_deadline_burns_no_attempt_and_the_run_completes(world, settings, outage):
    request = world.approved(Zone.ZONE_3)
    world.run_until_settled(stop=lambda: request.runs.filter(step="managed").exists())
    back_at = world.clock.at + timedelta(minutes=45)

    outage()
    world.run_until_settled(stop=lambda: world.clock.at >= back_at)
    assert request.runs.get().waiting_for == "Microsoft to answer again"
    settings.CLOUD_ENDPOINTS_FILE = str(world.simulator.ready_file)
    world.run_until_settled()

    request.refresh_from_db()
    assert request.state == State.COMPLETED, request.failure_reason
    run = request.runs.get()
    assert set(run.steps.values_list("attempt", flat=True)) == {1}
    assert not Gap.objects.filter(request=request).exists()
    assert not request.log_entries.filter(success=False).exists()
    assert entries(world, Action.CIRCUIT_OPENED).count() == 1
    assert entries(world, Action.CIRCUIT_CLOSED).count() == 1


def test_gaps_are_not_retried_while_a_breaker_is_open(world):
    world.fault(
        host="power_platform", method="POST", path="addEnvironment", status=400, body={"error": {"code": "x"}}, count=1
    )
    request = world.provision(Zone.ZONE_2)
    gap = Gap.objects.get(request=request)
    let_pass(world, minutes=6)
    fail(world.people, ThrottledError("slow down", service="bap", retry_after=240))

    services.retry_gaps(limit=1)

    gap.refresh_from_db()
    assert gap.attempts == 0


def test_gaps_behind_an_open_breaker_do_not_keep_those_of_another_tenant_waiting(make_world):
    stopped, free = make_world(), make_world()
    for each in (stopped, free):
        refused = {"status": 400, "body": {"error": {"code": "x"}}}
        each.fault(host="power_platform", method="POST", path="addEnvironment", count=1, **refused)
        each.provision(Zone.ZONE_2)
    let_pass(free, minutes=6)
    fail(stopped.people, ThrottledError("slow down", service="bap", retry_after=240))

    services.retry_gaps(limit=1)

    assert Gap.objects.get(run__tenant=stopped.people.tenant).attempts == 0
    assert Gap.objects.get(run__tenant=free.people.tenant).attempts == 1
