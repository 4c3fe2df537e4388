"""Faults meet the real runner against the simulator in simulated time; the invariants hold after each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina

from core_app.clock import ManualClock
from tests.faults.clusters import cluster, make_real_world, pending, private_cluster  # noqa: F401 - fixtures
from tests.faults.invariants import check_invariants
from tests.faults.tampered import Built, build
from tests.microsoft import Simulator, World, WorldMaker


class WatchedWorldMaker(WorldMaker):
    """Remembers every tenant it made."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.made: list[World] = []

    def __call__(self, *arguments: Any, **options: Any) -> World:
        """Make a tenant that exists on both sides."""
        self.made.append(super().__call__(*arguments, **options))
        return self.made[-1]


@pytest.fixture
def make_world(
    db: None,
    simulator: Simulator,
    clock: ManualClock,
    settings: Any,
    tmp_path: Path,
) -> Iterator[WatchedWorldMaker]:
    """Return a maker of tenants whose invariants are checked when the test has ended."""
    maker = WatchedWorldMaker(simulator, clock, settings, tmp_path)
    yield maker
    simulator.control("DELETE", "/faults")
    for made in maker.made:
        check_invariants(made)


@pytest.fixture(autouse=True)
def reads_are_repeated_at_once() -> Iterator[None]:
    """A read is repeated as often as ever, only nobody waits in between."""
    with stamina.set_testing(True, attempts=3):
        yield


@pytest.fixture
def brief(make_world: WatchedWorldMaker) -> World:
    """A tenant that probes two minutes for what may have been created."""
    return make_world(propagation_seconds=120)


@pytest.fixture(scope="session")
def built(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A small signed log; every attack works on a copy of its own."""
    with django_db_blocker.unblock():
        return build(tmp_path_factory.mktemp("log"))
