"""Pauses between attempts: runs that failed together do not come back together, and a run always does the same."""

from __future__ import annotations

from random import Random
from typing import Final

from provisioning_app.models import ProvisioningRun

FIRST_PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 300.0
_SPREAD: Final = 0.1


def pause_after(run: ProvisioningRun) -> float:
    """Return how many seconds a run waits after its step's current attempt: three times as long after each."""
    grown = FIRST_PAUSE_SECONDS * 3 ** (run.step_attempt - 1)
    return spread(min(grown, LONGEST_PAUSE_SECONDS), run)


def spread(seconds: float, run: ProvisioningRun) -> float:
    """Return a pause of our own choice, a tenth shorter to a tenth longer, by run and attempt.

    What Microsoft asks to wait, and the polls of a creation, are kept to as they are.
    """
    chance = Random(f"{run.pk} {run.step} {run.step_attempt}")  # noqa: S311 - no secret: it has to be repeatable
    return seconds * chance.uniform(1 - _SPREAD, 1 + _SPREAD)
