"""W14 of the fault list: a worker that opens everything and forks then, as real processes."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from provisioning_app import services
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.faults.descriptors import children_of, open_to_database, open_to_microsoft
from tests.workers import make_real_world, real_world, wait_for, workers  # noqa: F401 - fixtures

pytestmark = [
    pytest.mark.broker,
    pytest.mark.flow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="looks for open descriptors in /proc"),
]


def test_w14_a_worker_that_forks_after_it_connected_shares_no_connection_with_its_children(
    real_world,  # noqa: F811
    workers,  # noqa: F811
):
    requests = [real_world.approved(Zone.ZONE_1) for _ in range(3)]
    real_world.fault(method="GET", path="lifecycleOperations|governanceConfiguration|/locations", delay=0.3, count=0)
    parent = workers.worker(app="tests.faults.forked").pid
    workers.beat()
    services.dispatch(requests[0].tenant_id)

    def all_are_connected():
        family = [parent, *children_of(parent)]
        try:
            found = [(open_to_database(pid), open_to_microsoft(pid, real_world.simulator.ready)) for pid in family]
        except FileNotFoundError:
            return None  # a child has ended meanwhile, and another one takes its place
        return found if len(family) == 3 and all(database and remote for database, remote in found) else None

    found = wait_for(all_are_connected, "not all of them are connected at once", workers.log, every=0.05)

    for (database, remote), (other_database, other_remote) in combinations(found, 2):
        for mine, theirs in ((database, other_database), (remote, other_remote)):
            shared = [(one, other) for one in mine for other in theirs if one.is_shared_with(other)]
            assert not shared, shared
    pks = [request.pk for request in requests]
    done = EnvironmentRequest.objects.filter(pk__in=pks, state=State.COMPLETED)
    wait_for(lambda: done.count() == 3, "not completed", workers.log)
    assert len(real_world.environments) == 3
