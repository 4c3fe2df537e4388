"""What needs the directory is tested against the simulator, as a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core_app.clock import ManualClock
from tests.microsoft import Simulator, WorldMaker


@pytest.fixture
def make_world(
    db: None,
    simulator: Simulator,
    clock: ManualClock,
    settings: Any,
    tmp_path: Path,
) -> WorldMaker:
    """Return a maker of tenants that exist on both sides; nothing here works in other processes, so it rolls back."""
    return WorldMaker(simulator, clock, settings, tmp_path)
