"""Five at once, ten a minute, fifty a day, per tenant; the rest waits in Approved and can see its place."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts_app.models import TenantIdentity
from provisioning_app import limits, services
from provisioning_app.choices import RunStatus
from provisioning_app.models import ProvisioningRun
from requests_app.choices import State, Zone
from tests.factories import make_people, make_request
from tests.provisioning_app.reconciling import failed_at_managed, let_pass


def running(world):
    return ProvisioningRun.objects.filter(tenant=world.people.tenant, status=RunStatus.RUNNING).count()


def approve_many(world, count):
    return [world.approved(Zone.ZONE_1) for _ in range(count)]


def test_c14_the_sixth_request_waits_in_approved_until_a_slot_is_free(world):
    requests = approve_many(world, 7)

    assert services.dispatch(world.people.tenant.pk) == 5
    assert services.dispatch(world.people.tenant.pk) == 0
    assert running(world) == 5
    waiting = [request for request in requests if type(request).objects.get(pk=request.pk).state == State.APPROVED]
    assert len(waiting) == 2
    assert next(limits.place_in_queue(request.approved_on, request.tenant_id) for request in waiting) == 1

    world.run_until_settled()
    assert {type(request).objects.get(pk=request.pk).state for request in requests} == {State.COMPLETED}
    assert len(world.environments) == 7


def test_a_doorbell_that_finds_nothing_to_start_asks_twice_and_locks_nothing(world, django_assert_num_queries):
    world.provision(Zone.ZONE_1)
    with django_assert_num_queries(2):  # a lock would need a transaction, which counts
        assert services.dispatch(world.people.tenant.pk) == 0


def test_c14_at_most_ten_start_within_a_minute(make_world, clock):
    world = make_world(concurrent_runs=20)
    approve_many(world, 12)

    assert services.dispatch(world.people.tenant.pk) == 10
    clock.advance(seconds=59)
    assert services.dispatch(world.people.tenant.pk) == 0
    clock.advance(seconds=2)
    assert services.dispatch(world.people.tenant.pk) == 2


def test_c14_a_creation_that_finds_the_day_used_up_waits_for_the_next(make_world, clock):
    world = make_world(creations_per_day=1)
    first, second = approve_many(world, 2)
    services.dispatch(world.people.tenant.pk)
    for run_id in services.due_runs():
        services.advance(run_id)
    tenant = world.people.tenant
    later = limits.reserve_creation(second.pk, tenant.pk, services.settings_of(tenant))

    assert later == datetime(2026, 3, 3, tzinfo=UTC)
    world.run_until_settled(hours=0.5)
    first.refresh_from_db()
    second.refresh_from_db()
    assert sorted((first.state, second.state)) == [State.APPROVED, State.COMPLETED]


def test_a_retry_of_an_existing_environment_uses_no_creation_of_the_day(make_world):
    world = make_world(creations_per_day=1)
    world.fault(
        method="POST", path="governanceConfiguration", status=400, body={"error": {"code": "InvalidRequestContent"}}
    )
    request = world.provision(Zone.ZONE_2)
    assert request.state == State.FAILED

    services.retry(request.pk, by=world.people.operator, reason="The platform was mended.")
    world.run_until_settled()

    request.refresh_from_db()
    assert request.state == State.COMPLETED, request.failure_reason
    assert [run.attempt for run in request.runs.order_by("attempt")] == [1, 2]


@pytest.mark.simulated
def test_a_retry_that_needs_no_creation_does_not_wait_behind_one_that_does_until_midnight(make_world):
    world = make_world(creations_per_day=1)
    world.fault(method="GET", path="/locations", status=400, body={"error": {"code": "InvalidRequestContent"}}, count=1)
    absent = world.provision(Zone.ZONE_2)
    existing = failed_at_managed(world)
    world.simulator.control("DELETE", "/faults")
    assert absent.state == State.FAILED
    assert not absent.runs.get().environment_id

    for request in (absent, existing):
        services.retry(request.pk, by=world.people.operator, reason="The platform was mended.")
        let_pass(world, seconds=1)
    world.run_until_settled(stop=lambda: existing.runs.latest("attempt").status == RunStatus.COMPLETED, hours=0.2)

    assert [each.runs.latest("attempt").status for each in (absent, existing)] == [
        RunStatus.QUEUED,
        RunStatus.COMPLETED,
    ]
    let_pass(world, hours=24)
    world.run_until_settled()
    absent.refresh_from_db()
    assert absent.state == State.COMPLETED, absent.failure_reason


@pytest.mark.parametrize("approvals", [3])
def test_what_a_lost_doorbell_left_lying_is_found_by_the_sweep(world, approvals):
    approve_many(world, approvals)

    assert services.tenants_with_work() == [world.people.tenant.pk]


def test_c15_a_tenant_with_a_long_queue_keeps_no_other_tenant_waiting(clock, people):
    busy, quiet, reference = people, make_people(), make_people()
    for each in (busy, quiet, reference):
        TenantIdentity.objects.create(
            tenant=each.tenant, purpose=TenantIdentity.Purpose.PROVISIONING, display_name="ELM", client_id=uuid4()
        )

    def approved(of):
        return make_request(State.APPROVED, people=of, zone=Zone.ZONE_1)

    def queries_to_start(of):
        approved(of)
        with CaptureQueriesContext(connection) as captured:
            assert services.dispatch(of.tenant.pk) == 1
        return len(captured)

    alone = queries_to_start(reference)
    for _ in range(12):
        approved(busy)
    assert services.dispatch(busy.tenant.pk) == 5

    assert queries_to_start(quiet) == alone
    assert ProvisioningRun.objects.filter(tenant=quiet.tenant, status=RunStatus.RUNNING).count() == 1
