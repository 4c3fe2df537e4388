"""Q1, Q2, Q4 to Q6 and Q8 to Q10 of the fault list, with a Redis server and a worker of the module's own.

The test is the workers' clock. Unless it asks for ``doorbells``, nobody hears those of its own process.
"""

from __future__ import annotations

import inspect
import json
import os
import pickle
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction

from audit_app.verify import verify_log
from core_app import clock
from core_app.clock import ManualClock
from core_app.ids import new_id
from elm_project.celery import app
from provisioning_app import services
from provisioning_app.choices import FindingKind
from provisioning_app.models import ProvisioningRun, ReconciliationFinding, StepRecord, WorkerTick
from requests_app import services as requests
from requests_app.choices import State, Zone
from tests.faults.brokers import (  # noqa: F401 - fixtures
    ADVANCE,
    CREATION,
    DISPATCH,
    ROOMY,
    SWEEP,
    TICK,
    eventually,
    own_broker,
    own_doorbells,
    own_maker,
    own_signer,
    own_workers,
    quick_world,
)
from tests.faults.invariants import check_invariants
from tests.faults.set_aside import assert_told_once, dead_letters
from tests.provisioning_app.reconciling import calls
from tests.workers import AT_ONCE

pytestmark = [pytest.mark.simulated, pytest.mark.django_db(transaction=True)]

RUNS = int(os.environ.get("ELM_FAULT_RUNS", "4"))  # in flight in Q1; `make assurance` sets 1000
RUNS_OF_A_TENANT = 50
FLUSH_EVERY_SECONDS = max(1.5, RUNS / 30)  # each is followed by a sweep, which leaves the workers time for the runs
SWEEP_INTERVAL = settings.CELERY_BEAT_SCHEDULE["provisioning sweep"]["schedule"].run_every


@pytest.fixture(scope="module", autouse=True)
def first_worker(workers):
    """One worker serves the module; Q8 replaces it."""
    return workers.start()


@pytest.fixture(autouse=True)
def nothing_goes_on_afterwards(transactional_db, broker, workers):
    """The rows of a test outlive what the worker does with them."""
    yield
    eventually(lambda: broker.is_idle, "idle", workers.log)


def begin(world):
    """Begin a run; nobody has taken it yet."""
    request = world.approved(Zone.ZONE_1)
    services.dispatch(world.people.tenant.pk)
    return request.runs.get()


def states(wanted):
    found = type(wanted[0]).objects.filter(pk__in=[request.pk for request in wanted])
    return set(found.values_list("state", flat=True))


def created(world):
    return [call for call in calls(world, CREATION) if call["method"] == "POST"]


def is_untouched(run):
    run.refresh_from_db()
    return run.lease_token == 0 and not run.steps.exists()


def test_q01_flushall_while_runs_are_in_flight_costs_time_only(doorbells, maker, workers, broker, transactional_db):
    sizes = [min(RUNS_OF_A_TENANT, RUNS - done) for done in range(0, RUNS, RUNS_OF_A_TENANT)]
    worlds = [maker(timing=AT_ONCE, **ROOMY) for _ in sizes]
    wanted = [world.approved(Zone.ZONE_1) for world, size in zip(worlds, sizes, strict=True) for _ in range(size)]
    flushes = []

    def completed_between_flushes():
        broker.redis.flushall()
        flushes.append(datetime.now(UTC))
        broker.send(SWEEP, expires=5)
        return states(wanted) == {State.COMPLETED}

    workers.tick_until(completed_between_flushes, "completed", every=FLUSH_EVERY_SECONDS, seconds=60 + 4 * RUNS)

    assert len(flushes) >= 3
    for world, size in zip(worlds, sizes, strict=True):
        assert len(created(world)) == len(world.environments) == size
        check_invariants(world)
    for run in ProvisioningRun.objects.all():
        moments = sorted([run.queued_at, *run.steps.values_list("ended_at", flat=True)])
        assert max(later - first for first, later in pairwise(moments)) <= SWEEP_INTERVAL
    assert not ReconciliationFinding.objects.exists()


def test_q02_people_approve_while_redis_is_down_for_half_an_hour_and_creations_follow(
    doorbells, world, workers, broker, caplog
):
    workers.settle()
    time_of_outage = ManualClock(datetime.now(UTC) - timedelta(minutes=30))
    broker.stop()
    with clock.using(time_of_outage):
        wanted = []
        for _ in range(2):
            wanted.append(world.approved(Zone.ZONE_2))
            time_of_outage.advance(minutes=15)
    assert states(wanted) == {State.APPROVED}
    assert caplog.text.count("doorbell_not_heard") >= len(wanted)
    assert not created(world)

    broker.start()
    broker.send(SWEEP)
    workers.tick_until(lambda: len(world.environments) == len(wanted), "created")

    assert workers.are_alive
    assert len(created(world)) == len(wanted)
    late = ReconciliationFinding.objects.filter(tenant=world.people.tenant)
    assert set(late.values_list("kind", "request_id")) == {(FindingKind.UNDISPATCHED, request.pk) for request in wanted}
    workers.settle()
    check_invariants(world)


def test_q04_messages_about_what_was_rolled_back_do_nothing(doorbells, world, workers, broker):
    request = world.approved(Zone.ZONE_1)
    workers.settle()
    request.runs.get()  # begun by the doorbell
    pending = world.pending(Zone.ZONE_1)
    entries, sent = pending.log_entries.count(), broker.sent

    with transaction.atomic():
        requests.approve_by_policy(pending.pk)
        services.dispatch(world.people.tenant.pk)
        undone = pending.runs.get()
        transaction.set_rollback(True)
    assert broker.sent == sent  # the doorbells were rolled back with it

    for task in tasks_about_a_row():
        broker.send(task, str(undone.pk))
        broker.send(task, str(new_id()))
    workers.settle()

    assert states([pending]) == {State.PENDING_APPROVAL}
    assert not ProvisioningRun.objects.filter(request=pending).exists()
    assert not dead_letters(world)
    assert pending.log_entries.count() == entries
    assert verify_log().ok


def tasks_about_a_row():
    """Return our tasks that take the id of a row; the list grows by itself."""
    app.loader.import_default_modules()
    ours = {name: task for name, task in app.tasks.items() if "_app.tasks." in name}
    about = [name for name, task in ours.items() if len(inspect.signature(task.run).parameters) == 1]
    assert {ADVANCE, DISPATCH} <= set(about)
    return about


def test_q05_a_message_before_its_commit_can_be_seen_does_nothing_and_the_sweep_finds_it(world, workers, broker):
    request = world.pending(Zone.ZONE_1)
    workers.settle()
    with transaction.atomic():
        requests.approve_by_policy(request.pk)
        broker.send(DISPATCH, str(world.people.tenant.pk))
        if connection.vendor == "postgresql":
            workers.settle()  # it has looked and seen nothing
        else:
            eventually(lambda: not broker.waiting, "taken", workers.log)  # and waits for our lock to be released
        assert not ProvisioningRun.objects.exists()
    if connection.vendor == "postgresql":
        workers.settle()
        assert states([request]) == {State.APPROVED}

    broker.send(SWEEP)
    workers.tick_until(lambda: StepRecord.objects.filter(run__request=request).exists(), "begun")

    assert request.runs.count() == 1
    assert not dead_letters(world)


def test_q06_unknown_tasks_and_old_arguments_are_set_aside_and_told_once(world, workers, broker):
    run = begin(world)
    retired = "provisioning_app.tasks.retired"
    private = "person@contoso.example"
    said_before = len(workers.said)
    for _ in range(3):
        broker.send(retired, private)
        broker.send(ADVANCE)
        broker.send(ADVANCE, str(run.pk), private)
        broker.send(ADVANCE, run=str(run.pk))
        broker.send(DISPATCH, 17)
        broker.publish(json.dumps([private]), task=TICK)  # a body of another protocol
        broker.publish(json.dumps([[], {}, {}]), task=SWEEP, id=None)
    broker.publish(json.dumps({"args": [private]}))  # no task at all
    workers.settle()

    assert_told_once(world, {retired, ADVANCE, DISPATCH, TICK, SWEEP, "unnamed task"})
    assert "no worker of this version knows the task" in dead_letters(world)[retired]
    assert "arguments are not those of this version" in dead_letters(world)[ADVANCE]
    assert not any(private in detail for detail in dead_letters(world).values())
    assert workers.are_alive
    assert "Connection to broker lost" not in workers.said[said_before:]  # what Celery does with a KeyError


def test_q08_a_worker_that_lives_but_consumes_nothing_turns_the_probe_red_within_a_minute(
    world, workers, broker, client
):
    workers.settle()
    last = WorkerTick.objects.get().at
    (answer,) = broker.celery.control.cancel_consumer("celery", reply=True)
    assert "ok" in str(answer)

    run = begin(world)
    broker.send(TICK, expires=60)
    assert workers.are_alive
    assert broker.celery.control.ping(timeout=1)
    assert broker.waiting

    for seconds, status in ((59, 200), (61, 503)):
        with clock.using(ManualClock(last + timedelta(seconds=seconds))):
            answers = {probe: client.get(f"/health/{probe}") for probe in ("live", "ready", "work")}
        assert {probe: found.status_code for probe, found in answers.items()} == {
            "live": 200,
            "ready": 200,
            "work": status,
        }
    assert answers["work"].json() == {"work": "red"}
    with clock.using(ManualClock(last + timedelta(seconds=61))), pytest.raises(SystemExit, match="1"):
        call_command("health", "work")

    workers.replace()  # as whoever asks the probe does
    assert is_untouched(run)
    workers.tick_until(lambda: not is_untouched(run), "taken")
    assert client.get("/health/work").json() == {"work": "green"}
    call_command("health", "work")


def test_q09_messages_that_would_run_code_are_rejected_unread(world, workers, broker, tmp_path):
    trace = tmp_path / "trace"
    poison = pickle.dumps(Poison(trace))
    pickle.loads(pickle.dumps(Poison(tmp_path / "works")))
    assert (tmp_path / "works").exists()

    broker.publish(poison, "application/x-python-serialize", "binary", task=TICK)
    broker.publish(f"!!python/object/apply:os.mkdir [{trace}]", "application/x-yaml", task=TICK)
    broker.publish(poison, "application/json", "binary", task=TICK)  # says it is JSON
    broker.publish(poison, "application/x-python-serialize", "binary")
    workers.settle()

    assert not trace.exists()
    assert_told_once(world, {TICK, "unnamed task"})
    assert workers.are_alive


class Poison:
    """Something whose reading does something."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_q10_an_eta_a_year_ahead_delays_nothing(world, workers, broker):
    run = begin(world)
    broker.send(ADVANCE, str(run.pk), eta=datetime.now(UTC) + timedelta(days=365))
    eventually(lambda: broker.redis.hlen("unacked") and not broker.waiting, "kept by the worker", workers.log)
    assert is_untouched(run)

    workers.tick_until(lambda: world.environments, "created")

    assert len(created(world)) == 1
    eventually(lambda: broker.redis.hlen("unacked") == 1, "all but one done", workers.log)  # which waits for its year
    assert ADVANCE in str(broker.redis.hvals("unacked"))
    broker.redis.delete("unacked", "unacked_index")
