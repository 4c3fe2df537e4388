"""Q3 and Q7 of the fault list: a Redis that delivers too much, and one that may throw messages away."""

from __future__ import annotations

import pytest

from audit_app.verify import verify_log
from elm_project import checks
from provisioning_app.models import ProvisioningRun, ReconciliationFinding
from requests_app.choices import State, Zone
from tests.faults import fivefold
from tests.faults.brokers import (  # noqa: F401 - fixtures
    CREATION,
    DISPATCH,
    eventually,
    own_broker,
    own_doorbells,
    own_maker,
    own_signer,
    own_workers,
    quick_world,
)
from tests.faults.invariants import check_invariants
from tests.provisioning_app.reconciling import calls

pytestmark = [pytest.mark.simulated, pytest.mark.django_db(transaction=True)]


def test_q03_every_message_delivered_five_times_has_its_effect_once(world, workers, broker):
    wanted = [world.approved(Zone.ZONE_1) for _ in range(3)]
    broker.deliver_to(fivefold.CELERY_TASK_QUEUES)
    broker.send(DISPATCH, str(world.people.tenant.pk))
    assert [broker.redis.llen(queue.name) for queue in fivefold.CELERY_TASK_QUEUES] == [1] * fivefold.TIMES
    worker = workers.start(DJANGO_SETTINGS_MODULE=fivefold.__name__)

    def all_completed():
        return {type(request).objects.get(pk=request.pk).state for request in wanted} == {State.COMPLETED}

    workers.tick_until(all_completed, "completed")
    workers.kill(worker)

    creations = [call for call in calls(world, CREATION) if call["method"] == "POST"]
    assert len(creations) == len(world.environments) == len(wanted)
    for run in ProvisioningRun.objects.all():
        steps = list(run.steps.values_list("step", "attempt"))
        assert len(steps) == len(set(steps)) == len({step for step, _ in steps})  # each step once, at the first attempt
    assert not ReconciliationFinding.objects.exists()
    assert verify_log().ok
    check_invariants(world)


def test_q07_a_redis_that_may_evict_keys_stops_the_worker_and_fails_the_deploy_check(broker, workers, doorbells):
    assert checks.broker_keeps_messages(databases=["default"]) == []
    broker.redis.config_set("maxmemory-policy", "allkeys-lru")

    (error,) = checks.broker_keeps_messages(databases=["default"])
    assert error.id == "elm.E008"
    assert "allkeys-lru" in error.msg
    assert "noeviction" in error.hint

    worker = workers.start()
    assert eventually(lambda: worker.poll() is not None, "ended", workers.log)
    workers.running.remove(worker)
    assert worker.returncode == 1
    assert "Redis has maxmemory-policy allkeys-lru: when memory is short it throws messages away" in workers.said
    broker.redis.config_set("maxmemory-policy", "noeviction")


def test_q07_a_redis_that_does_not_answer_is_no_reason_to_pass(broker, doorbells):
    broker.stop()
    (warning,) = checks.broker_keeps_messages(databases=["default"])
    broker.start()
    assert warning.id == "elm.W003"
    assert checks.broker_keeps_messages() == []  # servers are asked with --database only
