"""Real Celery workers, killed and stopped: the outcome is the same, only later."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from audit_app.verify import verify_log
from provisioning_app import services
from requests_app.choices import State, Zone
from tests.workers import ROOT, make_real_world, real_world, wait_for, workers  # noqa: F401 - fixtures

pytestmark = [pytest.mark.broker, pytest.mark.flow, pytest.mark.django_db(transaction=True)]


def state_of(request: Any) -> int:
    return int(type(request).objects.values_list("state", flat=True).get(pk=request.pk))


def test_a_worker_killed_in_the_middle_of_a_provisioning_is_replaced_and_one_environment_exists(real_world, workers):  # noqa: F811 - fixtures
    request = real_world.approved(Zone.ZONE_3)
    first = workers.worker()
    workers.beat()
    services.dispatch(request.tenant_id)
    wait_for(
        lambda: request.runs.filter(step__in=("await_creation", "readiness", "managed")).exists(),
        "not begun",
        workers.log,
    )

    workers.kill(first)
    workers.worker()

    wait_for(lambda: state_of(request) == State.COMPLETED, "not completed", workers.log)
    assert len(real_world.environments) == 1
    assert verify_log().ok


def test_approving_with_the_broker_stopped_succeeds_and_is_provisioned_later(real_world, workers):  # noqa: F811 - fixtures
    request = real_world.pending(Zone.ZONE_1)
    approve = f"from requests_app import services; services.approve_by_policy('{request.pk}')"
    nowhere = {**workers.environment, "CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}
    approval = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", approve],
        cwd=ROOT,
        env=nowhere,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "doorbell_not_heard" in approval.stderr
    assert state_of(request) == State.APPROVED

    workers.worker()
    workers.beat()
    workers.start("call", "provisioning_app.tasks.sweep")  # comes by itself every five minutes

    wait_for(lambda: state_of(request) == State.COMPLETED, "not completed", workers.log)
    assert len(real_world.environments) == 1
