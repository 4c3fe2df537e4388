"""D12, D13 and D17 of the fault list: too few connections, a lock that is not let go of, a pooler in between.

D12 speaks of heartbeats with a connection of their own. Here a worker's sign of life is its run's lease, which it
renews with the statements that write what the run came to, over the one connection that its process has and keeps
while it works: that connection is the reserved one. A task that gets none never had a lease, so that it cannot lose
one; and a lease that did end, because its holder's connection was lost, is fenced off (W6).
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest
from django.core.checks import run_checks
from django.db import OperationalError, connection, connections, transaction

from accounts_app.models import Tenant
from core_app import tenancy
from core_app.outage import Outage
from provisioning_app import services
from provisioning_app.choices import RunStatus
from provisioning_app.models import ProvisioningRun, StepRecord
from requests_app.choices import State, Zone
from tests.factories import make_people, make_request
from tests.faults.clusters import connected
from tests.faults.labour import ROOMY, SWIFT
from tests.faults.poolers import pooler, read_by_the_next_client
from tests.faults.sessions import head_locked, in_background
from tests.faults.web import approve, browser, in_words
from tests.faults.wholeness import approvals_of, assert_whole, settle
from tests.microsoft import WorldMaker

CONNECTIONS, TASKS, RUNS = 5, 50, 6
RESCUES = """
    CREATE TABLE rescues (run uuid); GRANT INSERT ON rescues TO elm_app;
    CREATE FUNCTION rescued() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO rescues VALUES (NEW.id); RETURN NULL; END $$;
    CREATE TRIGGER rescued AFTER UPDATE ON provisioning_app_provisioningrun FOR EACH ROW
        WHEN (NEW.lease_token > OLD.lease_token AND OLD.lease_until IS NOT NULL) EXECUTE FUNCTION rescued();
"""
NO_RESCUES = "DROP FUNCTION rescued CASCADE; DROP TABLE rescues;"
LIMITS = ("lock_timeout = '10s'", "statement_timeout = '60s'", "idle_in_transaction_session_timeout = '60s'")


@pytest.fixture
def simulated_world(cluster, simulator, clock, settings, tmp_path):
    """A tenant on both sides, in simulated time."""
    return WorldMaker(simulator, clock, settings, tmp_path)(SWIFT, **ROOMY)


def test_d12_no_run_is_taken_from_its_worker_while_fifty_tasks_share_five_connections(
    cluster, make_real_world, settings
):
    settings.RUN_LEASE_SECONDS = 10
    world = make_real_world(SWIFT, **ROOMY | {"poll_interval_seconds": 1})
    requests = [world.approved(Zone.ZONE_1) for _ in range(RUNS)]
    services.dispatch(world.people.tenant.pk)
    runs = list(ProvisioningRun.objects.filter(request__in=requests).values_list("pk", flat=True))
    connection.close()

    @tenancy.everywhere("as every task does")
    def task(number):
        try:
            services.advance(runs[number % RUNS])
        except OperationalError as error:
            return "too many connections" in str(error)
        finally:
            connections.close_all()
        return False

    with cluster.admin() as session, ThreadPoolExecutor(TASKS) as workers:
        session.execute(RESCUES)
        session.execute(f"ALTER ROLE elm_app CONNECTION LIMIT {CONNECTIONS}")
        refused = 0
        try:
            # Whether one is due; null when all have come to an end
            following = """SELECT min(next_at) <= now() FROM provisioning_app_provisioningrun
                           WHERE status = %s AND id = ANY(%s)"""
            while (is_due := session.execute(following, [RunStatus.RUNNING, runs]).fetchone()[0]) is not None:
                refused += sum(workers.map(task, range(TASKS))) if is_due else 0
                time.sleep(0.02)
            assert session.execute("SELECT count(*) FROM rescues").fetchone() == (0,)
        finally:
            session.execute("ALTER ROLE elm_app CONNECTION LIMIT -1")
            session.execute(NO_RESCUES)

    assert refused > TASKS - CONNECTIONS
    assert set(ProvisioningRun.objects.filter(pk__in=runs).values_list("status", flat=True)) == {RunStatus.COMPLETED}
    assert set(StepRecord.objects.filter(run__in=runs).values_list("attempt", flat=True)) == {1}
    assert len(world.environments) == RUNS
    settle(world)
    assert_whole(world.people.tenant, settled=True)


def test_d13_an_append_that_waits_for_a_strangers_lock_fails_and_the_transition_with_it(cluster, monkeypatch):
    people = make_people()
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    monkeypatch.setenv("ELM_LOCK_TIMEOUT_SECONDS", "1")
    with connected(cluster.url()):
        person = browser(people.approver)
        with head_locked(cluster, request.log_chain().key):
            began = time.monotonic()
            page = approve(person, request, "The data inventory agrees.")
            waited = time.monotonic() - began
            dialog = approve(person, request, "The data inventory agrees.", **{"HX-Request": "true"})
            assert approvals_of(request) == (0, 0, 0)
            assert_whole(people.tenant)

        assert 1 <= waited < 6
        assert (page.status_code, in_words(page, Outage.BUSY, "The data inventory agrees.")) == (503, True)
        assert (dialog.status_code, in_words(dialog, Outage.BUSY)) == (200, True)
        approve(person, request, "The data inventory agrees.")
    assert approvals_of(request) == (1, 1, 1)
    assert_whole(people.tenant)


def test_d13_a_run_whose_append_waits_for_a_strangers_lock_does_not_fail_but_goes_on_later(
    cluster, simulated_world, monkeypatch
):
    world = simulated_world
    request = world.approved(Zone.ZONE_1)
    monkeypatch.setenv("ELM_LOCK_TIMEOUT_SECONDS", "1")
    with connected(cluster.url()):
        services.dispatch(world.people.tenant.pk)
        entries = request.log_entries.count()
        with head_locked(cluster, request.log_chain().key):
            with pytest.raises(OperationalError, match="lock timeout"):
                services.advance(request.runs.get().pk)
            assert request.runs.get().status == RunStatus.RUNNING
            assert request.log_entries.count() == entries
            assert_whole(world.people.tenant)

        world.run_until_settled()
    assert len(world.environments) == 1
    settle(world)
    assert_whole(world.people.tenant, settled=True)


@pytest.fixture
def pooled(cluster, monkeypatch):
    """Work through PgBouncer with the documented settings, as two processes of the application would."""
    with pooler(cluster) as port, cluster.admin() as session:
        with pytest.raises(OperationalError, match="unsupported startup parameter"), connected(cluster.url(port=port)):
            connection.ensure_connection()  # without them it fails at once, not some day
        for limit in LIMITS:
            session.execute(f"ALTER ROLE elm_app SET {limit}")
        monkeypatch.setenv("ELM_BEHIND_PGBOUNCER", "true")
        with connected(cluster.url(port=port)):
            yield
        session.execute("ALTER ROLE elm_app RESET ALL")


def test_d17_two_tenants_share_a_session_through_pgbouncer_and_both_get_their_environment(
    cluster, pooled, simulator, clock, settings, tmp_path
):
    make_world = WorldMaker(simulator, clock, settings, tmp_path)
    first, second = make_world(SWIFT, **ROOMY), make_world(SWIFT, **ROOMY)

    def both_advance():
        others = in_background(partial(_take_as_far_as_it_goes, second))
        _take_as_far_as_it_goes(first)
        others.result(timeout=60)
        return False

    requests = [world.approved(zone) for world, zone in ((first, Zone.ZONE_3), (second, Zone.ZONE_1))]
    for world in (first, second):
        world.run_until_settled(stop=both_advance)

    for world, request in zip((first, second), requests, strict=True):
        request.refresh_from_db()
        assert request.state == State.COMPLETED, request.failure_reason
        assert len(world.environments) == 1
        settle(world)
        assert_whole(world.people.tenant, settled=True)
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'elm_app'"
    assert cluster.ask(sessions) == 1
    assert not [found for found in run_checks(tags=["database"], databases=["default"]) if found.id == "elm.W004"]


def test_d17_whose_rows_a_transaction_shows_is_not_seen_by_the_next_client(pooled):
    people, others = make_people(), make_people()

    def seen():
        return set(Tenant.objects.filter(pk__in=(people.tenant.pk, others.tenant.pk)))

    with tenancy.of(people.tenant.pk):
        with transaction.atomic():
            assert seen() == {people.tenant}
        assert seen() == {people.tenant}  # a statement of its own
        assert read_by_the_next_client(tenancy.VARIABLE) == (None, 0)
        with transaction.atomic(), suppress(ZeroDivisionError):
            seen()
            raise ZeroDivisionError
    assert read_by_the_next_client(tenancy.VARIABLE) == (None, 0)
    with tenancy.of():
        assert seen() == set()


def _take_as_far_as_it_goes(world):
    services.dispatch(world.people.tenant.pk)
    runs = ProvisioningRun.objects.filter(tenant=world.people.tenant, status=RunStatus.RUNNING)
    for run_id in runs.values_list("pk", flat=True):
        services.advance(run_id)
