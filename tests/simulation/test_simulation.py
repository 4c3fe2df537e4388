"""Months of a portfolio per seed; what never may happen, does not.

The size is chosen by ELM_SIMULATION_SEEDS (of the many small histories), _REQUESTS, _TENANTS and _DAYS; with
ELM_ASSURANCE that for each of 200 seeds, and 5,000 requests in 50 tenants
over three months for the large one. A seed that fails is replayed under the same size, for example by ``-k seed-17``.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.simulation.faults import KINDS
from tests.simulation.figures import figures_of, report
from tests.simulation.history import history
from tests.simulation.invariants import Observer, check_end

pytestmark = [pytest.mark.simulated, pytest.mark.sqlite, pytest.mark.django_db]
ENOUGH_FOR_EVERY_KIND = 50 * len(KINDS)
LOOKS = 12


@dataclass(frozen=True, slots=True)
class Size:
    """How large a history is."""

    requests: int
    tenants: int
    days: float

    @classmethod
    def chosen(cls, requests: int, tenants: int, days: float) -> Size:
        """Return this size, or what the environment says instead."""
        found = [float(os.environ.get(f"ELM_SIMULATION_{word}", 0)) for word in ("REQUESTS", "TENANTS", "DAYS")]
        return cls(int(found[0]) or requests, int(found[1]) or tenants, found[2] or days)


IS_ASSURANCE = bool(os.environ.get("ELM_ASSURANCE"))
SEEDS = int(os.environ.get("ELM_SIMULATION_SEEDS", "200" if IS_ASSURANCE else "1"))
SMALL = Size.chosen(12, 2, 30)
LARGE = Size.chosen(5000, 50, 90)


def live_through(seed: int, folder: Path, size: Size) -> str:
    """Live through one history and return its fingerprint."""
    sys.stdout.write(f"seed {seed}, {size}\n")  # pytest shows it when the test fails
    began, observer = time.monotonic(), Observer(timedelta(days=max(5, size.days / LOOKS)))
    # A creation that hangs is given up after 20 minutes, so that polling it does not become most of the work
    with history(seed, folder, tenants=size.tenants, undo_window_seconds=3600, poll_limit=40) as world:
        world.observers += [observer, lambda world: world.microsoft.journal.clear()]  # nobody reads it here
        world.expect(size.requests, size.days, faults=size.requests)
        world.run()
        observer.look(world)
        check_end(world)
        report(
            "simulation",
            **figures_of(world),
            **{"invariant checks": observer.checks, "violations": 0, "seconds": round(time.monotonic() - began)},
        )
        if size.requests >= ENOUGH_FOR_EVERY_KIND:
            assert set(world.trouble.injected) >= set(KINDS), "a kind of fault never hit anything"
        return world.fingerprint()


@pytest.mark.parametrize("seed", range(1, SEEDS + 1), ids=lambda seed: f"seed-{seed}")
def test_nothing_that_may_never_happen_happens_in_months_of_faults(seed: int, tmp_path: Path) -> None:
    live_through(seed, tmp_path, SMALL)


@pytest.mark.skipif(not IS_ASSURANCE, reason="lives through months of 50 tenants; make assurance does")
def test_a_large_portfolio_over_months(tmp_path: Path) -> None:
    live_through(2026, tmp_path, LARGE)


def test_a_seed_repeats_itself_to_the_last_hash_of_the_log(tmp_path: Path) -> None:
    size = Size(requests=5, tenants=2, days=5)
    assert live_through(7, tmp_path, size) == live_through(7, tmp_path, size)
