"""W7, W8 and W13 of the fault list on real Celery workers: drained by a deployment, doubled, blocked by a call, frozen.

``ELM_FAULT_RUNS`` says how many runs a deployment meets (12 unless given).
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from contextlib import suppress

import httpx
import pytest

from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from audit_app.verify import verify_log
from notifications_app.models import OutboxMessage
from provisioning_app import services
from provisioning_app.choices import FindingKind, RunStatus, StepOutcome
from provisioning_app.models import ProvisioningRun, Slot, StepRecord
from provisioning_app.plan import PLANS
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.faults.crashing import place_of
from tests.faults.invariants import check_invariants
from tests.provisioning_app.reconciling import calls, findings_of
from tests.workers import AT_ONCE, QUICK, make_real_world, real_world, wait_for, workers  # noqa: F401 - fixtures

pytestmark = [pytest.mark.broker, pytest.mark.flow, pytest.mark.django_db(transaction=True)]

RUNS = int(os.environ.get("ELM_FAULT_RUNS", "12"))
MOST_OF_A_TENANT = 50
DRAIN_SECONDS = 30
MANAGED = {"method": "POST", "path": "governanceConfiguration"}


def completed(requests):
    return EnvironmentRequest.objects.filter(pk__in=[request.pk for request in requests], state=State.COMPLETED).count()


def test_w07_a_deployment_drains_its_workers_and_no_run_fails_or_repeats_a_step(make_real_world, workers):  # noqa: F811
    tenants = -(-RUNS // MOST_OF_A_TENANT)
    roomy = {**QUICK, "concurrent_runs": MOST_OF_A_TENANT, "starts_per_minute": 100, "creations_per_day": 1000}
    worlds = [make_real_world(timing=AT_ONCE, seed={"capacity_gb": 50_000}, **roomy) for _ in range(tenants)]
    requests = [worlds[number % tenants].approved(Zone.ZONE_1) for number in range(RUNS)]
    for world in worlds:
        services.dispatch(world.people.tenant.pk)
    workers.environment["ELM_RUN_LEASE_SECONDS"] = "30"  # a slow machine is no worker that left its turn unfinished
    old = workers.worker()
    workers.beat()
    begun = ProvisioningRun.objects.exclude(step__in=("preflight", "create"))
    wait_for(lambda: begun.count() >= RUNS // 2, "half of them are not created", workers.log, seconds=60 + RUNS)
    in_flight = ProvisioningRun.objects.filter(status=RunStatus.RUNNING).count()

    new = workers.worker()
    began = time.monotonic()
    code = workers.drain(old, DRAIN_SECONDS)

    drained = time.monotonic() - began
    print(f"{in_flight} of {RUNS} runs in flight, drained in {drained:.1f} s")  # noqa: T201
    assert (code, new.poll()) == (0, None)
    assert in_flight >= RUNS // 4
    wait_for(lambda: completed(requests) == RUNS, "not all completed", workers.log, seconds=60 + 4 * RUNS)
    assert "lease_taken_over" not in workers.log.read_text()  # nothing was left behind unfinished
    for world in worlds:
        nothing_was_done_twice(world)
        check_invariants(world)


def test_w08_two_workers_and_two_clocks_claim_nothing_twice_and_hold_the_limits(make_real_world, workers, tmp_path):  # noqa: F811
    world = make_real_world(timing=AT_ONCE, **QUICK, concurrent_runs=2)
    requests = [world.approved(Zone.ZONE_1) for _ in range(5)]
    workers.environment["ELM_RUN_LEASE_SECONDS"] = "30"  # a slow machine is no worker that left its turn unfinished
    for number in range(2):
        workers.worker()
        workers.start("beat", "--loglevel=WARNING", f"--schedule={tmp_path / f'schedule-{number}'}")

    def all_completed_and_never_more_than_two():
        assert Slot.objects.filter(tenant=world.people.tenant, run__isnull=False).count() <= 2
        return completed(requests) == len(requests)

    wait_for(all_completed_and_never_more_than_two, "not all completed", workers.log, seconds=180, every=0.1)

    assert [program.poll() for program in workers.running] == [None] * 4
    nothing_was_done_twice(world)
    check_invariants(world)


def nothing_was_done_twice(world):
    """Every step was tried once, and at Microsoft every environment was changed as often as every other."""
    runs = ProvisioningRun.objects.filter(tenant=world.people.tenant)
    records = StepRecord.objects.filter(run__in=runs).values_list("run", "step", "attempt", "outcome")
    steps = [step.key for step in PLANS[1]]
    assert sorted(records) == sorted((run.pk, step, 1, StepOutcome.DONE) for run in runs for step in steps)
    state = world.simulator.control("GET", "/state", tenant=str(world.tenant_id))
    operations = Counter((item["environment"], item["type"]["id"]) for item in state["operations"])
    assert set(operations.values()) == {1}, operations.most_common(3)
    changes = Counter(place_of(call["method"], httpx.URL(call["url"]).path) for call in calls(world))
    writes = {place: count for place, count in changes.items() if not place.startswith("GET") and "/token" not in place}
    assert len(writes) > 3
    assert all(count % len(runs) == 0 for count in writes.values()), writes
    assert len(world.environments) == len(runs)


def test_w13_a_call_that_outlasts_its_lease_is_ended_and_told_and_a_late_write_changes_nothing(
    real_world,  # noqa: F811
    workers,  # noqa: F811
):
    workers.worker()
    workers.beat()
    real_world.fault(**MANAGED, delay=25)
    blocked = real_world.approved(Zone.ZONE_1)
    services.dispatch(blocked.tenant_id)

    wait_for(lambda: completed([blocked]), "nobody went on", workers.log)
    # On a slow machine another worker has taken the run over before the watchdog bites; it tells all the same
    wait_for(lambda: findings_of(real_world, FindingKind.BLOCKED_WORKER), "the watchdog did not bite", workers.log)
    # Once more when a later turn of it starved on a slow machine; nobody else's was ended
    assert set(events(workers.log, "worker_blocked")) == {str(blocked.runs.get().pk)}
    (finding,) = findings_of(real_world, FindingKind.BLOCKED_WORKER)
    assert (finding.run.request_id, finding.resolved_at) == (blocked.pk, None)
    assert "at step managed" in finding.detail
    told = OutboxMessage.objects.filter(event="finding_opened", recipient=real_world.people.operator)
    assert told.filter(body__contains="was blocked at step managed").count() == 1

    real_world.fault(name="frozen", **MANAGED, delay=5)
    frozen = real_world.approved(Zone.ZONE_1)
    services.dispatch(frozen.tenant_id)
    wait_for(lambda: was_hit(real_world, "frozen"), "it does not stand at the call", workers.log)
    run = frozen.runs.get()
    process = int(run.lease_owner.rpartition(":")[2])
    os.kill(process, signal.SIGSTOP)  # nothing of ours runs in it, not even the watchdog
    wait_for(lambda: completed([frozen]), "nobody took over", workers.log)
    assert str(run.pk) in events(workers.log, "lease_taken_over")
    before = everything_about(run)

    def says_so():
        return str(run.pk) in events(workers.log, "worker_blocked") + events(workers.log, "lease_lost")

    with suppress(ProcessLookupError):  # a slow machine has met the hard time limit
        os.kill(process, signal.SIGCONT)
    wait_for(lambda: "Hard time limit" in workers.log.read_text() or says_so(), "it is not heard of", workers.log)

    assert everything_about(run) == before
    assert frozen.runs.get().lease_token > run.lease_token
    assert len(real_world.environments) == 2
    assert verify_log().ok


def everything_about(run):
    """Return the rows of a run and its log; that somebody was told of a finding is no change."""
    log = ProvisioningLog.objects.filter(environment_request=run.request_id).exclude(action=Action.FINDING_OPENED)
    rows = (EnvironmentRequest.objects.filter(pk=run.request_id), ProvisioningRun.objects.filter(pk=run.pk))
    return [list(found.values()) for found in (*rows, StepRecord.objects.filter(run=run), log.order_by("sequence"))]


def events(log, name):
    """Return the runs of which the workers' log says this."""
    lines = (json.loads(line) for line in log.read_text().splitlines() if line.startswith("{"))
    return [line.get("run") for line in lines if line["event"] == name]


def was_hit(world, fault):
    return any(
        "hits" in rule for rule in world.simulator.control("GET", "/faults")["faults"] if rule.get("name") == fault
    )
