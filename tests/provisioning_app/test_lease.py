"""Leases: who may work on a run; a worker that comes back too late is W6 of tests/faults."""

from __future__ import annotations

import pytest

from provisioning_app import lease, services
from requests_app.choices import Zone


@pytest.fixture
def run(world):
    request = world.approved(Zone.ZONE_3)
    services.dispatch(world.people.tenant.pk)
    return request.runs.get()


def test_a_run_has_one_owner_at_a_time_and_its_token_only_grows(run, clock):
    first = lease.claim(run.pk)
    assert lease.claim(run.pk) is None

    clock.advance(seconds=181)
    second = lease.claim(run.pk)

    assert second.token > first.token


def test_a_run_that_is_not_due_cannot_be_claimed(run, clock):
    run.next_at = clock.advance(seconds=0).replace(year=2027)
    run.save()

    assert lease.claim(run.pk) is None
