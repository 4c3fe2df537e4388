"""Pauses between attempts: spread by a tenth, and always the same for one attempt of one run."""

from __future__ import annotations

import pytest

from core_app.ids import new_id
from provisioning_app import backoff
from provisioning_app.models import ProvisioningRun


def run_at(attempt, **columns):
    return ProvisioningRun(id=new_id(), step="managed", step_attempt=attempt, **columns)


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 5), (2, 15), (3, 45), (9, 300)])
def test_pauses_grow_and_differ_by_at_most_a_tenth(attempt, seconds):
    pauses = [backoff.pause_after(run_at(attempt)) for _ in range(200)]

    assert all(0.9 * seconds <= pause <= 1.1 * seconds for pause in pauses)
    assert len(set(pauses)) > 190


def test_one_attempt_of_one_run_always_waits_as_long():
    run = run_at(2)

    assert backoff.pause_after(run) == backoff.pause_after(ProvisioningRun(id=run.pk, step="managed", step_attempt=2))
    assert backoff.spread(15, run) != backoff.spread(15, ProvisioningRun(id=run.pk, step="managed", step_attempt=3))
