"""D1 to D4 of the fault list, on a PostgreSQL server of the test's own that is stopped and cut off."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection

from audit_app.actions import Action
from core_app.outage import Outage
from core_app.transactions import ATTEMPTS
from requests_app.choices import State, Zone
from requests_app.intake import receive
from tests.factories import decide, make_people, make_request
from tests.faults.clusters import connected, eventually
from tests.faults.labour import ROOMY, SWIFT, Labourer
from tests.faults.sessions import head_locked, held_at, in_background, retries_scheduled, wait_until_somebody_waits
from tests.faults.web import approve, browser, in_words, web
from tests.faults.wholeness import approvals_of, assert_whole, settle
from tests.faults.wire import wire_to
from tests.microsoft import World, WorldMaker
from tests.requests_app.payloads import payload_of
from tests.screens import told

# D1 and D2 do it so often; `make assurance` sets 20
ROUNDS = int(os.environ.get("ELM_FAULT_ROUNDS", "3"))
# Where a transaction is when the server dies: before, at and after its log entry, in each of the packages
PLACES = (
    "audit_app_chainhead",
    "notifications_app_outboxmessage",
    "provisioning_app_historicalsteprecord",
    "requests_app_historicalenvironmentrequest",
    "audit_app_provisioninglog",
    "provisioning_app_historicalprovisioningrun",
    "gates_app_historicalgate",
    "requests_app_environmentrequest",
)

ALWAYS_CONFLICTS = """
    CREATE SEQUENCE tries; GRANT USAGE ON SEQUENCE tries TO elm_app;
    CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM nextval('tries'); RAISE 'a conflict' USING ERRCODE = 'serialization_failure'; END $$;
    CREATE TRIGGER conflict BEFORE INSERT ON audit_app_provisioninglog EXECUTE FUNCTION conflict();
"""  # a sequence counts what is rolled back, too


@pytest.fixture
def busy(make_real_world: WorldMaker, settings: Any) -> Iterator[tuple[World, list[Labourer]]]:
    """A tenant on which two processes work without end."""
    settings.RUN_LEASE_SECONDS = 2
    world = make_real_world(SWIFT, **ROOMY)
    workers = [Labourer(world.people.tenant.pk) for _ in range(2)]
    yield world, workers
    for worker in workers:
        worker.kill()


def test_d01_a_server_that_dies_within_transactions_leaves_every_transition_whole_or_undone(cluster, busy):
    world, workers = busy

    for number in range(ROUNDS):
        place = PLACES[number % len(PLACES)]
        with held_at(cluster, place):
            cluster.stop("immediate")
        cluster.start()

        assert_whole(world.people.tenant)
    trouble = sum((worker.end() for worker in workers), Counter())
    settle(world)

    assert trouble["OperationalError"] >= ROUNDS
    assert_whole(world.people.tenant, settled=True)


def test_d02_whoever_loses_a_connection_gets_a_new_one_and_nothing_is_done_twice(cluster, busy, settings, tmp_path):
    world, workers = busy
    with web(world, settings, tmp_path) as application:
        for _ in range(ROUNDS):
            read, taken = application.read[200], len(application.payloads)
            eventually(
                lambda: application.read[200] >= read + 3 and len(application.payloads) > taken,  # noqa: B023
                f"answers after the connections were cut: {application.read}, {application.delivered}",
            )
            assert cluster.terminate_everyone() >= 2
    trouble = sum((worker.end() for worker in workers), Counter())
    settle(world)

    assert set(application.read) <= {200, 503}, application.read  # never an error page
    assert set(application.delivered) <= {200, 201, 429, 503}, application.delivered
    assert trouble["verbs"] > trouble["OperationalError"] > 0
    numbers = {row["requestId"]: 0 for row in application.payloads[:-1]}
    entries = world.people.tenant.environment_requests.filter(log_entries__action=Action.INTAKE_RECEIVED)
    for given in entries.values_list("log_entries__action_details__external_id", flat=True):
        numbers[given] = numbers.get(given, 0) + 1
    assert set(numbers.values()) == {1}
    assert_whole(world.people.tenant, settled=True)


def test_d02_a_verb_whose_connection_was_cut_is_not_repeated_by_itself(cluster):
    people = make_people()
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)

    def approval():
        return in_background(lambda: decide(request, people.approver))

    verbs = []
    with retries_scheduled() as pauses:
        with held_at(cluster, "audit_app_provisioninglog", lambda: verbs.append(approval())) as process:
            cluster.ask("SELECT pg_terminate_backend(%s)", process)
        with pytest.raises(OperationalError):
            verbs[0].result(timeout=30)

    assert pauses == []
    assert_whole(request.tenant)
    decide(request, people.approver)
    assert request.log_entries.filter(action=Action.APPROVED).count() == 1
    assert_whole(request.tenant)


def test_d03_a_person_whose_commit_was_not_acknowledged_finds_out_and_approves_once(cluster, pending):
    request, people = pending
    with wire_to(cluster.port) as wire, connected(cluster.url(port=wire.port)):
        person = browser(people.approver)
        wire.lose_the_next()

        first = approve(person, request, "The data inventory agrees.")
        again = approve(person, request, "The data inventory agrees.")

        assert (first.status_code, wire.lost) == (503, 1)
        assert in_words(first, Outage.UNREACHABLE, "The data inventory agrees.")
        assert told(again, people.approver) == [f"{request} is Approved; there is nothing left to decide."]
    assert approvals_of(request) == (1, 1, 1)
    assert_whole(people.tenant)


def test_d03_a_payload_whose_commit_was_not_acknowledged_is_taken_once(make_real_world, cluster):
    world = make_real_world(SWIFT)
    payload, another = (payload_of(world.people, environment__name=f"FIN-{word}-DEV") for word in ("First", "Second"))
    with wire_to(cluster.port) as wire, connected(cluster.url(port=wire.port)):
        receive(another, by=None)
        wire.cut_at = 2 * wire.commits  # the last of as many, the one that stores it
        with pytest.raises(OperationalError):
            receive(payload, by=None)
        connection.close()

        known = receive(payload, by=None)

        assert (wire.lost, known.created) == (1, False)
        assert world.people.tenant.environment_requests.count() == 2
        assert known.request.log_entries.filter(action=Action.INTAKE_RECEIVED).count() == 1
    assert_whole(world.people.tenant)


def test_d03_a_worker_whose_commit_was_not_acknowledged_goes_on_where_it_stands(
    cluster, simulator, clock, settings, tmp_path
):
    world = WorldMaker(simulator, clock, settings, tmp_path)(SWIFT, **ROOMY)

    def entries_of(request):
        return Counter(request.log_entries.filter(success=True).values_list("action", flat=True))

    with wire_to(cluster.port) as wire, connected(cluster.url(port=wire.port)):
        world.provision(Zone.ZONE_1)  # the first one fetches secrets
        request = world.approved(Zone.ZONE_1)
        before = wire.commits
        world.run_until_settled()
        undisturbed, commits = entries_of(request), wire.commits - before
        for place in range(ROUNDS):
            request = world.approved(Zone.ZONE_1)
            wire.cut_at = wire.commits + 1 + place * commits // ROUNDS
            with pytest.raises(OperationalError):
                world.run_until_settled()
            connection.close()
            world.run_until_settled()

            request.refresh_from_db()
            assert (request.state, wire.lost) == (State.COMPLETED, place + 1), request.failure_reason
            assert entries_of(request) - undisturbed <= Counter({Action.ENVIRONMENT_ADOPTED: 1})
            assert not undisturbed - entries_of(request)
            owned = [item for item in world.environments if str(request.pk) in item["description"]]
            assert len(owned) == 1
    settle(world)
    assert_whole(world.people.tenant, settled=True)


def test_d04_the_victim_of_a_deadlock_begins_anew(cluster, pending):
    request, people = pending
    with retries_scheduled() as pauses, head_locked(cluster, request.log_chain().key) as other:
        verb = in_background(lambda: decide(request, people.approver))
        wait_until_somebody_waits(cluster)
        other.execute("SELECT 1 FROM requests_app_environmentrequest WHERE id = %s FOR UPDATE", [request.pk])
        other.execute("COMMIT")
        verb.result(timeout=30)

    assert len(pauses) == 1
    assert approvals_of(request) == (1, 1, 1)
    assert_whole(people.tenant)


def test_d04_a_serialization_failure_is_repeated(cluster, pending):
    request, people = pending
    with cluster.admin() as other, retries_scheduled() as pauses:
        other.execute("ALTER ROLE elm_app SET default_transaction_isolation = 'repeatable read'")
        other.execute("BEGIN")
        other.execute("UPDATE requests_app_environmentrequest SET created_at = created_at WHERE id = %s", [request.pk])
        verb = in_background(lambda: decide(request, people.approver))
        wait_until_somebody_waits(cluster)
        other.execute("COMMIT")
        other.execute("ALTER ROLE elm_app RESET default_transaction_isolation")
        verb.result(timeout=30)

    assert len(pauses) == 1
    assert approvals_of(request) == (1, 1, 1)
    assert_whole(people.tenant)


def test_d04_what_never_stops_conflicting_is_given_up_soon_and_told_in_words(cluster, pending):
    request, people = pending
    person = browser(people.approver)
    with cluster.admin() as session, retries_scheduled() as pauses:
        session.execute(ALWAYS_CONFLICTS)
        try:
            answer = approve(person, request, "It fits.")
            approve(person, request, "It fits.")
        finally:
            session.execute("DROP FUNCTION conflict CASCADE")
        tried = session.execute("SELECT last_value FROM tries").fetchone()

    assert (answer.status_code, in_words(answer, Outage.BUSY, "It fits.")) == (503, True)
    assert tried == (2 * ATTEMPTS,)
    assert len(set(pauses)) == len(pauses) == 2 * (ATTEMPTS - 1)  # each pause is another: jitter
    assert max(pauses) <= 1.2
    assert approvals_of(request) == (0, 0, 0)
    assert_whole(people.tenant)
