"""Workers that really die: a process that has imported everything and holds nothing open forks one child per death.

It gets orders and answers them, one JSON object a line: a child lives through a run and tells every point of it, or
dies at one of them with status 137, as the kernel's memory killer would end it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import traceback
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

from django.conf import settings
from django.db import connection

from accounts_app.models import Tenant
from core_app import clock
from microsoft_cloud import pool
from tests.faults.crashing import Point, crash, watching
from tests.microsoft import Simulator, World

ROOT = Path(__file__).resolve().parents[2]
KILLED = 137


class Mortals:
    """The process, as the test that starts it sees it."""

    def __init__(self, environment: dict[str, str]) -> None:
        serve = "from tests.faults import mortal; mortal.serve()"
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "shell", "--no-imports", "-c", serve],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.communicate(timeout=10)

    def trace(self, world: World) -> list[Point]:
        """Let a child provision what is approved; return every commit and call that it made, in order."""
        found = self._order(world, {})
        assert found["status"] == 0, found
        return [Point(*item) for item in found["points"]]

    def die(self, world: World, point: Point, when: str) -> None:
        """Let a child provision what is approved until it dies, and go on at the time of its death."""
        found = self._order(world, {"point": [point.kind, point.place, point.occurrence], "when": when})
        assert found["status"] == KILLED, f"{when} {point} was not reached: {found}"

    def _order(self, world: World, order: dict[str, Any]) -> dict[str, Any]:
        where = {"tenant": str(world.people.tenant.pk), "at": world.clock.at.isoformat()}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(where | order) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = {}
        while "status" not in answer:
            line = self.process.stdout.readline()
            assert line, f"the process of the mortals ended: {answer}"
            answer |= json.loads(line)
        world.clock.at = datetime.fromisoformat(answer.get("at", where["at"]))
        return answer


def serve() -> None:
    """Fork a child for each order until there are no more."""
    for line in sys.stdin:
        assert connection.connection is None, "a child would share this connection"
        assert not pool._clients, "a child would share these sockets"
        assert threading.active_count() == 1, "a child would lack these threads"
        child = os.fork()
        if child == 0:
            _live(json.loads(line))
        _, status = os.waitpid(child, 0)
        _tell(status=os.waitstatus_to_exitcode(status))


def _live(order: dict[str, Any]) -> None:
    """Provision the tenant's requests in this process, which never returns."""
    try:
        then = clock.ManualClock(datetime.fromisoformat(order["at"]))
        with clock.using(then):
            _provision(order, then)
    except BaseException:  # noqa: BLE001 - nothing may get back into the loop of the parent
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _provision(order: dict[str, Any], then: clock.ManualClock) -> None:
    people: Any = SimpleNamespace(tenant=Tenant.objects.get(pk=order["tenant"]))
    world = World(Simulator(Path(settings.CLOUD_ENDPOINTS_FILE)), people, "", then)
    control = world.simulator.ready["control"]

    def die() -> None:
        _tell(at=then.at.isoformat())
        os._exit(KILLED)

    if "point" in order:
        with crash(Point(*order["point"]), order["when"], besides=control, die=die):
            world.run_until_settled()
    points: list[Point] = []
    with watching(lambda point, when: points.append(point) if when == "before" else None, control):
        world.run_until_settled()
    _tell(at=then.at.isoformat(), points=[[point.kind, point.place, point.occurrence] for point in points])


def _tell(**answer: Any) -> None:
    os.write(1, (json.dumps(answer) + "\n").encode())
