"""A Redis server of a test's own, which may be stopped, emptied and misled, and Celery programs that use it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from celery import Celery
from django.conf import settings
from django.db import connection
from kombu import Queue

from elm_project.celery import app
from provisioning_app.models import WorkerTick
from tests.lanes import servers
from tests.microsoft import Simulator, World, WorldMaker
from tests.processes import environment_in
from tests.workers import AT_ONCE

ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS = 120
TICK, SWEEP = "provisioning_app.tasks.tick", "provisioning_app.tasks.sweep"
ADVANCE, DISPATCH = "provisioning_app.tasks.advance", "provisioning_app.tasks.dispatch"
CREATION = "BusinessAppPlatform/environments?"
ROOMY = {"concurrent_runs": 50, "starts_per_minute": 100, "creations_per_day": 1000, "poll_interval_seconds": 1}
BEAT_SECONDS = 0.25  # four times as often as beat, so that nobody waits for it


class Broker:
    """One Redis server, and messages to whoever listens there."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program, self.folder, self.port = program, folder, servers.free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.redis = redis.Redis(port=self.port)
        self.celery = Celery("tests", broker=self.url, set_as_current=False)
        self.celery.conf.update(broker_transport_options={"socket_connect_timeout": 2}, task_ignore_result=True)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [self.program, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", self.folder, "--save", ""]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(self.answers, "Redis")

    def stop(self) -> None:
        """Kill the server; it remembers nothing."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def answers(self) -> bool:
        """Say whether the server can be reached."""
        try:
            return bool(self.redis.ping())
        except redis.ConnectionError:
            return False

    def send(self, task: str, *args: Any, **options: Any) -> None:
        """Send a task by name."""
        self.celery.send_task(task, args=args, retry=False, **options)

    def deliver_to(self, queues: list[Queue]) -> None:
        """Send to the exchange of these queues from now on."""
        exchange = queues[0].exchange
        self.celery.conf.update(
            task_queues=queues,
            task_default_queue=queues[0].name,
            task_default_exchange=exchange.name,
            task_default_exchange_type=exchange.type,
            task_default_routing_key=queues[0].routing_key,
        )
        with self.celery.connection_for_write() as connected:
            for queue in queues:
                queue(connected.default_channel).declare()

    def publish(
        self, body: str | bytes, content_type: str = "application/json", encoding: str = "utf-8", **headers: Any
    ) -> None:
        """Put a message on the queue as any program could; ``id`` is made up unless it is given as None."""
        headers = {"id": str(uuid4()), **headers}
        with self.celery.connection_for_write() as connected, connected.Producer() as producer:
            producer.publish(
                body,
                routing_key="celery",
                content_type=content_type,
                content_encoding=encoding,
                headers={name: value for name, value in headers.items() if value is not None},
            )

    @property
    def sent(self) -> int:
        """Return how many messages were put on a queue since the server started."""
        return int(self.redis.info("commandstats").get("cmdstat_lpush", {}).get("calls", 0))

    @property
    def waiting(self) -> int:
        """Return how many messages no worker has taken yet."""
        return int(self.redis.llen("celery"))

    @property
    def is_idle(self) -> bool:
        """Say whether every message was taken and dealt with; one that is just being taken is nowhere for a moment."""
        for _ in range(2):
            if self.waiting or self.redis.hlen("unacked"):
                return False
            time.sleep(0.05)
        return True


class Workers:
    """Celery programs on this broker and the test's database; the test itself is their clock."""

    def __init__(self, broker: Broker, environment: dict[str, str], log: Path) -> None:
        self.broker, self.environment, self.log = broker, environment, log
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker with two processes, in a session of its own."""
        worker = ("worker", "--concurrency=2", "--without-gossip", "--without-mingle", "--loglevel=WARNING")
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "elm_project", *worker],
                cwd=ROOT,
                env=self.environment | environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a program with its children."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.running.remove(process)

    def stop(self) -> None:
        """Kill what still runs."""
        for process in list(self.running):
            self.kill(process)

    def replace(self) -> None:
        """Kill what runs, and start a new worker."""
        self.stop()
        self.start()

    @property
    def are_alive(self) -> bool:
        """Say whether the worker that was started last still runs."""
        return self.running[-1].poll() is None

    @property
    def said(self) -> str:
        """Return what the programs have written."""
        return self.log.read_text()

    def tick_until(
        self, condition: Callable[[], Any], what: str, every: float = 0, seconds: float = WAIT_SECONDS
    ) -> Any:
        """Send ticks, as beat does, until the answer is true, and return it.

        Args:
            condition: What is asked after each tick.
            what: What it is, for when it never comes.
            every: How many seconds lie between two questions at least; the ticks come all the same.
            seconds: When to give up.
        """
        asked = time.monotonic()

        def tick_and_ask() -> Any:
            nonlocal asked
            self.broker.send(TICK, expires=1)
            time.sleep(BEAT_SECONDS)
            if time.monotonic() - asked < every:
                return None
            asked = time.monotonic()
            return condition()

        return eventually(tick_and_ask, what, self.log, seconds)

    def settle(self) -> None:
        """Wait until a worker has dealt with everything that was sent before."""
        before = self._last_tick
        self.tick_until(lambda: self._last_tick != before, "a tick")
        eventually(lambda: self.broker.is_idle, "idle", self.log)

    @property
    def _last_tick(self) -> datetime | None:
        return WorkerTick.objects.values_list("at", flat=True).first()


def eventually(condition: Callable[[], Any], what: str, log: Path | None = None, seconds: float = WAIT_SECONDS) -> Any:
    """Ask again until the answer is true, and return it; fail with the end of the log when it never is."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"never came: {what}\n{log.read_text()[-3000:] if log else ''}"
        time.sleep(0.1)
        connection.close_if_unusable_or_obsolete()
    return answer


@contextmanager
def running_broker() -> Iterator[Broker]:
    """Yield a running server; the test is skipped where Redis is not installed."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("needs a Redis server of its own, and no redis-server is installed")
    with tempfile.TemporaryDirectory(prefix="elm-broker-") as folder:
        broker = Broker(program, Path(folder))
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()
            broker.redis.close()
            broker.celery.close()


@pytest.fixture(scope="module", name="broker")
def own_broker() -> Iterator[Broker]:
    """A Redis server of this module's own."""
    with running_broker() as running:
        yield running


@pytest.fixture(autouse=True, name="signer")
def own_signer() -> Path:
    """The host that signs for the log is this module's, as its workers are: they sign when they start."""
    return settings.LOG_SIGNER_FOLDER.parent


@pytest.fixture(scope="module", name="maker")
def own_maker(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorldMaker]:
    """Make tenants under the clock on the wall, with one identity of the workers for the whole module."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CLOUD_ENDPOINTS_FILE", "WORKLOAD_CLIENT_ID", "WORKLOAD_SECRET_FILE"):
            patch.setattr(settings, name, "")
        simulator.tell_the_time()
        yield WorldMaker(simulator, lambda: datetime.now(UTC), settings, tmp_path_factory.mktemp("workload"))  # type: ignore[arg-type]


@pytest.fixture(scope="module", name="workers")
def own_workers(
    django_db_setup: None, broker: Broker, maker: WorldMaker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workers]:
    """Celery programs that end with the module."""
    folder = tmp_path_factory.mktemp("workers")
    environment = {
        **environment_in(folder / "state"),
        **maker.environment,
        "CELERY_BROKER_URL": broker.url,
        "ELM_RUN_LEASE_SECONDS": "10",  # a slow machine is no worker that hangs
    }
    started = Workers(broker, environment, folder / "celery.log")
    yield started
    started.stop()


@pytest.fixture(name="doorbells")
def own_doorbells(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the doorbells of this process ring at this broker."""
    monkeypatch.setenv("CELERY_BROKER_URL", broker.url)
    monkeypatch.setattr(app.amqp, "_producer_pool", None)


@pytest.fixture(name="world")
def quick_world(transactional_db: None, maker: WorldMaker) -> World:
    """A tenant on both sides whose environments are created at once."""
    return maker(timing=AT_ONCE, **ROOMY)
