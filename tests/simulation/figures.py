"""What a simulation amounts to, as one line of JSON for the assurance report."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from audit_app.models import ProvisioningLog
from requests_app.choices import State
from requests_app.models import EnvironmentRequest
from tests.simulation.world import World

FILE = "ELM_ASSURANCE_FIGURES"


def figures_of(world: World) -> dict[str, Any]:
    """Return what happened in a world that has come to its end."""
    states = Counter(EnvironmentRequest.objects.values_list("state", flat=True))
    return {
        "seed": world.seed,
        "tenants": len(world.tenants),
        "requests": sum(states.values()),
        **{state.label.lower(): states[state] for state in State if states[state]},
        "simulated days": world.simulated_days,
        "calls": world.wire.calls,
        "log entries": ProvisioningLog.objects.count(),
        "faults": sum(world.trouble.injected.values()),
        "faults by kind": dict(sorted(world.trouble.injected.items())),
    }


def report(test: str, **figures: Any) -> None:
    """Write a line to the file that ELM_ASSURANCE_FIGURES names, and to the output, which a failing test shows."""
    line = json.dumps({"test": test, **figures}) + "\n"
    sys.stdout.write(line)
    if path := os.environ.get(FILE):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(line)
