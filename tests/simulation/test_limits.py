"""The limits of a tenant as the platform saw them: from its journal, not from our rows.

``make assurance`` chooses the size by ELM_SIMULATION_REQUESTS and ELM_SIMULATION_TENANTS; ELM_SIMULATION_PROGRESS names
a file that says how far a long run has come.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from audit_app.verify import verify_log
from requests_app.choices import State
from requests_app.models import EnvironmentRequest
from tests.simulation.figures import figures_of, report
from tests.simulation.history import history
from tests.simulation.invariants import CONCURRENT, PER_DAY, PER_MINUTE, JournalLimits
from tests.simulation.world import World

REQUESTS = int(os.environ.get("ELM_SIMULATION_REQUESTS", "12"))
TENANTS = int(os.environ.get("ELM_SIMULATION_TENANTS", "2"))
KINDS = ("creation: response lost", "creation: throttled", "worker: none for hours", "worker: killed after a call")


class Progress:
    """Writes the figures so far to a file, for a run that takes minutes."""

    def __init__(self, path: Path, journal: JournalLimits) -> None:
        self._path, self._journal, self._moments = path, journal, 0

    def __call__(self, world: World) -> None:
        """Write now and then."""
        self._moments += 1
        if self._moments % 500 == 0:
            figures = self._journal.figures(world)
            self._path.write_text(f"{world.clock.at}: {len(world.under_way())} under way, {figures}\n")


@pytest.mark.simulated
@pytest.mark.sqlite
@pytest.mark.django_db
def test_a_rush_never_exceeds_what_a_tenant_may_start_run_and_create(tmp_path: Path) -> None:
    journal, progress, began = JournalLimits(), os.environ.get("ELM_SIMULATION_PROGRESS"), time.monotonic()
    with history(11, tmp_path, tenants=TENANTS) as world:
        world.observers.append(journal)
        world.rush(REQUESTS, faults=max(4, REQUESTS // 50), kinds=KINDS)
        if progress:
            world.observers.append(Progress(Path(progress), journal))
        world.run()
        figures = journal.figures(world)
        completed = EnvironmentRequest.objects.filter(state=State.COMPLETED).count()
        report("limits", **figures_of(world) | figures, seconds=round(time.monotonic() - began))
        assert not world.under_way()
        assert verify_log().findings == []
    assert completed == figures["creations"] == REQUESTS
    assert figures["most flows at once"] <= CONCURRENT
    assert figures["most starts in 60 s"] <= PER_MINUTE
    assert figures["most in a UTC day"] <= PER_DAY
