"""Months of a portfolio per seed; what never may happen, does not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.simulation.history import history
from tests.simulation.invariants import Observer, check_end

SEEDS = int(os.environ.get("ELM_SIMULATION_SEEDS", "1"))
REQUESTS = int(os.environ.get("ELM_SIMULATION_REQUESTS", "20"))
TENANTS = int(os.environ.get("ELM_SIMULATION_TENANTS", "2"))
DAYS = float(os.environ.get("ELM_SIMULATION_DAYS", "30"))
pytestmark = [pytest.mark.simulated, pytest.mark.django_db]


def live_through(seed: int, folder: Path, number: int = REQUESTS, days: float = DAYS) -> str:
    """Live through one history and return its fingerprint."""
    sys.stdout.write(f"seed {seed}, {number} requests, {TENANTS} tenants\n")  # pytest shows it when the test fails
    with history(seed, folder, tenants=TENANTS, undo_window_seconds=3600) as world:
        world.observers.append(Observer())
        world.expect(number, days, faults=number)
        world.run()
        check_end(world)
        sys.stdout.write(
            f"{world.wire.calls} calls, faults {dict(world.trouble.injected)}, refused {dict(world.refused)}\n"
        )
        return world.fingerprint()


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_nothing_that_may_never_happen_happens_in_months_of_faults(seed: int, tmp_path: Path) -> None:
    live_through(seed, tmp_path)


def test_a_seed_repeats_itself_to_the_last_hash_of_the_log(tmp_path: Path) -> None:
    assert live_through(7, tmp_path, 8, 6) == live_through(7, tmp_path, 8, 6)
