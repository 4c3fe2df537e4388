"""Real Celery workers and a scheduler, on a test's database and on a broker of their own."""

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

from tests.microsoft import Simulator, World, WorldMaker

ROOT = Path(__file__).resolve().parents[1]
QUICK = {"poll_interval_seconds": 1}
# A platform that is ready when it is first asked: what it is like when it is not has tests of its own
AT_ONCE = {
    **dict.fromkeys(("create_polls", "operation_polls", "system_polls", "metadata_reads", "management_reads"), 1),
    **dict.fromkeys(("token_denials", "dataverse_denials"), 0),
}


def real_time() -> datetime:
    """Return the time on the wall."""
    return datetime.now(UTC)


class Workers:
    """Celery processes on this test's database and broker."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.environment, self.log = environment, log
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str, app: str = "elm_project", log: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a Celery program in a session of its own; without a log of its own it writes the common one."""
        with (log or self.log).open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", app, *arguments],
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.running.append(process)
        return process

    def worker(self, **options: Any) -> subprocess.Popen[bytes]:
        """Start a worker with two processes."""
        return self.start(
            "worker", "--concurrency=2", "--without-gossip", "--without-mingle", "--loglevel=WARNING", **options
        )

    def beat(self) -> subprocess.Popen[bytes]:
        """Start the scheduler."""
        return self.start("beat", "--loglevel=WARNING")

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a program and its children at once, as a crash would."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.running.remove(process)

    def drain(self, process: subprocess.Popen[bytes], seconds: float) -> int:
        """Ask a program to finish what it does and to end, as a deployment does; return its exit code."""
        process.terminate()
        code = process.wait(seconds)
        self.running.remove(process)
        return code

    def stop(self) -> None:
        """Kill whatever still runs."""
        for process in list(self.running):
            self.kill(process)


def wait_for(condition: Callable[[], Any], what: str, log: Path, seconds: int = 120, every: float = 0.25) -> Any:
    """Ask again until the condition holds and return it; fail with the workers' log when it never does.

    Each look (``every`` so many seconds) costs as much computing time as a step of what it waits for: look more often
    only for what may have passed by the next time.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}\n{log.read_text()[-3000:]}"
        time.sleep(every)
        connection.close_if_unusable_or_obsolete()
    return found


@pytest.fixture
def make_real_world(
    transactional_db: None, simulator: Simulator, settings: Any, tmp_path: Path
) -> Iterator[WorldMaker]:
    """Make tenants on both sides, under the clock on the wall."""
    simulator.tell_the_time()
    maker = WorldMaker(simulator, real_time, settings, tmp_path)  # type: ignore[arg-type]
    os.environ.update(maker.environment)
    yield maker
    for name in maker.environment:
        del os.environ[name]


@pytest.fixture
def real_world(make_real_world: WorldMaker) -> World:
    """A tenant on both sides, under the clock on the wall."""
    return make_real_world(timing=AT_ONCE, **QUICK)


@pytest.fixture
def workers(make_real_world: WorldMaker, process_environment: dict[str, str], tmp_path: Path) -> Iterator[Workers]:
    """Celery programs that end with the test."""
    environment = {**process_environment, **make_real_world.environment, "ELM_RUN_LEASE_SECONDS": "6"}
    started = Workers(environment, tmp_path / "celery.log")
    yield started
    started.stop()
