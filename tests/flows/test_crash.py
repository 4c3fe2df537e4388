"""Real Celery workers, killed and stopped: the outcome is the same, only later."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from audit_app.verify import verify_log
from provisioning_app import services
from requests_app.choices import State, Zone
from tests.microsoft import Simulator, World, WorldMaker

pytestmark = [pytest.mark.broker, pytest.mark.flow, pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"poll_interval_seconds": 1}


def real_time() -> datetime:
    return datetime.now(UTC)


class Workers:
    """Celery processes on this test's database and broker."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.environment, self.log = environment, log
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a Celery program in a session of its own."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "elm_project", *arguments],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running.append(process)
        return process

    def worker(self) -> subprocess.Popen[bytes]:
        """Start a worker with two processes."""
        return self.start("worker", "--concurrency=2", "--without-gossip", "--without-mingle", "--loglevel=WARNING")

    def beat(self) -> subprocess.Popen[bytes]:
        """Start the scheduler."""
        return self.start("beat", "--loglevel=WARNING")

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a program and its children at once, as a crash would."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.running.remove(process)

    def stop(self) -> None:
        """Kill whatever still runs."""
        for process in list(self.running):
            self.kill(process)


def wait_for(condition: Callable[[], bool], what: str, log: Path, seconds: int = 180) -> None:
    """Ask again until the condition holds; fail with the workers' log when it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}\n{log.read_text()[-3000:]}"
        time.sleep(0.05)
        connection.close_if_unusable_or_obsolete()


@pytest.fixture
def real_world(transactional_db: None, simulator: Simulator, settings: Any, tmp_path: Path) -> Iterator[World]:
    """A tenant on both sides, under the clock on the wall."""
    maker = WorldMaker(simulator, real_time, settings, tmp_path)  # type: ignore[arg-type]
    os.environ.update(maker.environment)
    yield maker(**QUICK)
    for name in maker.environment:
        del os.environ[name]


@pytest.fixture
def workers(real_world: World, process_environment: dict[str, str], tmp_path: Path) -> Iterator[Workers]:
    """Celery programs that end with the test."""
    environment = {**process_environment, "ELM_RUN_LEASE_SECONDS": "4"}
    started = Workers(environment, tmp_path / "celery.log")
    yield started
    started.stop()


def state_of(request: Any) -> int:
    return int(type(request).objects.values_list("state", flat=True).get(pk=request.pk))


def test_a_worker_killed_in_the_middle_of_a_provisioning_is_replaced_and_one_environment_exists(real_world, workers):
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


def test_approving_with_the_broker_stopped_succeeds_and_is_provisioned_later(real_world, workers):
    request = real_world.pending(Zone.ZONE_1)
    approve = f"from requests_app import services; services.approve_by_policy('{request.pk}')"
    nowhere = {**workers.environment, "CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}
    approval = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", approve],
        cwd=ROOT,
        env=nowhere,
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    assert "doorbell_not_heard" in approval.stderr
    assert state_of(request) == State.APPROVED

    workers.worker()
    workers.beat()
    workers.start("call", "provisioning_app.tasks.sweep")  # comes by itself every five minutes

    wait_for(lambda: state_of(request) == State.COMPLETED, "not completed", workers.log)
    assert len(real_world.environments) == 1
