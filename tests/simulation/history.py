"""Begins a simulated history, in a database of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from random import Random
from shutil import rmtree
from typing import Any
from uuid import UUID

import pytest
import stamina
from django.conf import settings
from django.test import override_settings

from accounts_app import cloud as our_cloud
from core_app import clock as core_clock
from core_app import ids
from core_app.clock import ManualClock
from elm_project.celery import app as celery_app
from simulator import control
from simulator.calls import Call
from simulator.world import World as Microsoft
from tests import factories
from tests.microsoft import WorldMaker
from tests.simulation.cloud import ORIGINS, Wire, connected
from tests.simulation.memory import database_in_memory
from tests.simulation.world import BEGIN, World


class InProcess:
    """The simulator as ``tests.microsoft`` knows it, without a process."""

    def __init__(self, microsoft: Microsoft) -> None:
        self.microsoft = microsoft
        self.ready = {"endpoints": {"key_vault": ORIGINS.key_vault}}
        self.ready_file = Path()

    def control(self, method: str, path: str, body: Any = None, **params: str) -> Any:
        """Call the control API."""
        content = b"" if body is None else json.dumps(body).encode()
        call = Call(self.microsoft, ORIGINS.control, method, path, params, {}, content, None)
        reply = control.SERVICE.answer(call)
        assert reply.status < 400, reply.body
        return json.loads(reply.body) if reply.body else None


@contextmanager
def history(seed: int, folder: Path, *, tenants: int, **tenant_settings: Any) -> Iterator[World]:
    """Yield a world of this seed, in a database of its own that is afterwards gone."""
    rng, clock, microsoft = Random(f"{seed}-ids"), ManualClock(BEGIN), Microsoft(ORIGINS)
    microsoft.clock.freeze(True)
    microsoft.clock.set(BEGIN)
    wire = Wire(microsoft)
    with ExitStack() as stack:
        stack.enter_context(database_in_memory())
        stack.enter_context(core_clock.using(clock))
        stack.enter_context(ids.using(lambda: UUID(int=rng.getrandbits(128), version=4)))
        stack.enter_context(stamina.set_testing(True, attempts=3))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        # The simulator and the factories make their ids with uuid4, which reads the system's randomness
        platform = Random(f"{seed}-platform")
        patch.setattr(os, "urandom", platform.randbytes)
        patch.setattr(factories, "_numbers", count(1))
        patch.setattr(our_cloud, "_kept", {})
        patch.setattr(celery_app, "send_task", lambda *_args, **_options: None)  # every doorbell is lost
        endpoints = stack.enter_context(connected(wire, folder))
        stack.enter_context(override_settings(CLOUD_ENDPOINTS_FILE=str(endpoints), DOMAIN_NAME_KEY=b"simulation"))
        stack.enter_context(override_settings(SIMPLE_HISTORY_ENABLED=False))  # for operators only; half of the writes
        host = folder / "host"  # it has signed for no other history; the log names it
        stack.callback(rmtree, host, ignore_errors=True)  # a short history signs nothing
        stack.enter_context(override_settings(LOG_SIGNING_KEY_FILE=host / "log_key.pem", LOG_SIGNER_FOLDER=host))
        stack.enter_context(override_settings(LOG_ANCHOR_FOLDER=host / "anchors"))
        simulator = InProcess(microsoft)
        simulator.ready_file = endpoints
        maker = WorldMaker(simulator, clock, settings, folder)  # type: ignore[arg-type]
        world = World(seed, wire, microsoft, clock)
        for _ in range(tenants):
            world.add_tenant(maker, **tenant_settings)
        yield world
