"""D5 of the fault list, on a PostgreSQL server of the test's own: a full disk, or a read-only one."""

from __future__ import annotations

from django.db import connection

from core_app.outage import Outage
from requests_app.choices import State, Zone
from tests.factories import make_people, make_request
from tests.faults.clusters import eventually
from tests.faults.disks import disk_to_fill
from tests.faults.web import approve, browser, in_words
from tests.faults.wholeness import approvals_of, assert_whole
from tests.screens import page_of


def test_d05_a_full_disk_refuses_writes_in_words_loses_nothing_and_all_goes_on_afterwards(cluster):
    people = make_people()
    waiting = [make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2) for _ in range(8)]
    with disk_to_fill(cluster) as disk:
        connection.close()
        person = browser(people.approver)
        cluster.reach_the_last_segment()
        disk.fill()
        answers = []
        for request in waiting:
            answers.append(approve(person, request, f"Approved as {request}."))
            if answers[-1].status_code == 503:
                break
            cluster.write_wal(300_000)
        reading = person.get("/admin/")

        assert in_words(answers[-1], Outage.UNREACHABLE, f"Approved as {request}.")
        assert (reading.status_code, in_words(reading, Outage.UNREACHABLE)) == (503, True)
        assert {answer.status_code for answer in answers[:-1]} <= {302}

        assert not cluster.is_running() or "PANIC" in cluster.log.read_text()  # it died of it, which is what it does
        disk.make_room()
        cluster.recover()
        connection.close()
        for request, answer in zip(waiting, answers, strict=False):
            assert approvals_of(request) in ((1, 1, 1), (0, 0, 0) if answer.status_code == 503 else None)
        assert_whole(people.tenant)
        for request in waiting:
            approve(person, request, "There is room again.")
            assert approvals_of(request) == (1, 1, 1)
    connection.close()
    assert_whole(people.tenant)


def test_d05_a_read_only_database_can_be_read_under_a_banner(cluster, pending):
    request, people = pending
    person = browser(people.approver)
    try:
        cluster.set("default_transaction_read_only", "on")  # what hosted servers do when their disk is nearly full
        eventually(lambda: cluster.ask("SHOW default_transaction_read_only") == "on", "the setting")
        connection.close()

        refused = approve(person, request, "The data inventory agrees.")
        in_dialog = approve(person, request, "The data inventory agrees.", **{"HX-Request": "true"})
        page = person.get(page_of(request))
    finally:
        cluster.set("default_transaction_read_only", "off")
        eventually(lambda: cluster.ask("SHOW default_transaction_read_only") == "off", "the setting")
    connection.close()

    assert (refused.status_code, refused["Retry-After"]) == (503, "30")
    assert in_words(refused, Outage.READ_ONLY, "The data inventory agrees.")
    assert (in_dialog.status_code, in_dialog["HX-Reswap"]) == (200, "afterbegin")  # the fields stay as they are
    assert in_words(in_dialog, Outage.READ_ONLY)
    assert (page.status_code, b"Read-only: at " in page.content) == (200, True)
    assert approvals_of(request) == (0, 0, 0)
    approve(person, request, "The data inventory agrees.")
    assert approvals_of(request) == (1, 1, 1)
    assert_whole(people.tenant)
