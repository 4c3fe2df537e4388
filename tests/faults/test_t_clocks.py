"""T1 of the fault list on hosts whose clocks differ by an hour: the database's clock decides on leases and timers."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from core_app import database_clock
from microsoft_cloud.errors import ThrottledError
from provisioning_app import breaker, lease, results, runner, services
from provisioning_app.models import CircuitBreaker, ProvisioningRun, StepRecord
from provisioning_app.steps.outcome import Wait
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.faults.invariants import check_invariants
from tests.faults.skewed import clock_is_off
from tests.provisioning_app.reconciling import calls
from tests.workers import ROOT, make_real_world, real_world  # noqa: F401 - fixtures

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

HOUR = timedelta(hours=1)
FAST, SLOW = HOUR / 2, -HOUR / 2  # an hour between them


@pytest.fixture
def run(real_world):  # noqa: F811
    request = real_world.approved(Zone.ZONE_1)
    services.dispatch(real_world.people.tenant.pk)
    return request.runs.get()


def seconds_until(moment):
    return (moment - datetime.now(UTC)).total_seconds()


@pytest.mark.parametrize(("mine", "theirs"), [(SLOW, FAST), (FAST, SLOW)], ids=["slow holds it", "fast holds it"])
def test_t01_a_lease_ends_when_the_database_says_so_whatever_the_hosts_believe(run, settings, mine, theirs):
    with clock_is_off(mine):
        assert services.due_runs() == [run.pk]
        held = lease.claim(run.pk)
    assert 170 < seconds_until(ProvisioningRun.objects.get().lease_until) <= 180

    with clock_is_off(theirs):
        assert services.due_runs() == []
        assert lease.claim(run.pk) is None
    with clock_is_off(mine):
        held.renew()
    with clock_is_off(theirs):
        assert lease.claim(run.pk) is None

    settings.RUN_LEASE_SECONDS = -1  # the database's clock has passed the end of the next one
    with clock_is_off(mine):
        held.renew()
    with clock_is_off(theirs):
        assert services.due_runs() == [run.pk]
        assert lease.claim(run.pk).token == held.token + 1


@pytest.mark.parametrize("off", [FAST, SLOW], ids=["fast", "slow"])
def test_t01_due_times_deadlines_and_pauses_are_the_databases(run, off):
    with clock_is_off(off):
        held = lease.claim(run.pk)
        _, record, _ = runner._begin(held)
        assert 0 < seconds_until(ProvisioningRun.objects.get().step_deadline) <= 600
        results.wait(held, record, Wait("the platform", 30))
        breaker.failed(run.tenant_id, ThrottledError("Slow down.", service="bap", status=429, retry_after=120))
    assert 25 < seconds_until(ProvisioningRun.objects.get().next_at) <= 30
    assert 100 < seconds_until(CircuitBreaker.objects.get().opened_until) <= 120
    assert abs(seconds_until(StepRecord.objects.get().began_at)) < 10
    assert abs(seconds_until(ProvisioningRun.objects.get().started_at)) < 20


def test_t01_an_injected_clock_is_the_databases_too(run, clock):
    run.next_at = clock.at
    run.save()

    assert database_clock.now() == clock.at
    assert lease.claim(run.pk)
    assert ProvisioningRun.objects.get().lease_until == clock.at + timedelta(seconds=180)


def test_t01_two_workers_whose_clocks_differ_by_an_hour_provision_together(
    real_world,  # noqa: F811
    make_real_world,  # noqa: F811
    process_environment,
):
    requests = [real_world.approved(Zone.ZONE_1) for _ in range(4)]
    work = f"from tests.faults import skewed; skewed.work('{real_world.people.tenant.pk}')"
    workers = [
        subprocess.Popen(
            [sys.executable, "manage.py", "shell", "--no-imports", "-c", work],
            cwd=ROOT,
            env={
                **process_environment,
                **make_real_world.environment,
                "ELM_TEST_CLOCK_SECONDS": str(off.total_seconds()),
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        for off in (FAST, SLOW)
    ]
    logs = [worker.communicate(timeout=120)[1] for worker in workers]

    assert [worker.returncode for worker in workers] == [0, 0], logs
    assert not any("lease_lost" in log or "lease_taken_over" in log for log in logs), logs
    done = EnvironmentRequest.objects.filter(pk__in=[request.pk for request in requests])
    assert {request.state for request in done} == {State.COMPLETED}, [request.failure_reason for request in done]
    assert set(StepRecord.objects.values_list("attempt", flat=True)) == {1}
    created = calls(real_world, "POST ")
    created = [call for call in created if httpx.URL(call["url"]).path.endswith("BusinessAppPlatform/environments")]
    assert len(real_world.environments) == len(created) == 4
    for request in done:
        stamps = list(request.log_entries.order_by("sequence").values_list("timestamp", flat=True))
        assert stamps == sorted(stamps)
    check_invariants(real_world)
