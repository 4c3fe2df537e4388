"""Many people at once, on both databases: no lost update, no gap, no duplicate, no broken chain."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier, Event
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, transaction

from accounts_app.roles import Depth, Role
from audit_app.actions import Action
from audit_app.actors import SYSTEM
from audit_app.log import Chain, record
from audit_app.models import ProvisioningLog
from audit_app.verify import verify_log
from core_app.clock import ManualClock
from core_app.errors import DomainError, InvalidInputError
from gates_app.models import Decision
from requests_app import services
from requests_app.choices import State, Zone
from requests_app.directory import Directory
from requests_app.models import EnvironmentRequest
from tests.factories import decide, facts, make_people, make_request, make_user, unit_of

pytestmark = [pytest.mark.flow, pytest.mark.django_db(transaction=True)]

WRITERS = 8


class ChangeOfMindError(Exception):
    """Rolls a transaction back."""


def change_of_mind() -> None:
    raise ChangeOfMindError


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run every call in a thread of its own, all starting together; return results and refusals in order."""
    start = Barrier(len(calls), timeout=30)

    def run(call: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return call()
        except (DomainError, ChangeOfMindError) as refused:
            return refused
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def test_eight_writers_get_request_numbers_without_gap_or_duplicate_although_some_roll_back() -> None:
    people = make_people()

    def writer(number: int) -> Callable[[], int]:
        def write() -> int:
            kept = 0
            for turn in range(5):
                try:
                    with transaction.atomic():
                        services.create_draft(by=people.requester, **facts())
                        if (number + turn) % 4 == 0:
                            change_of_mind()
                    kept += 1
                except ChangeOfMindError:
                    continue
            return kept

        return write

    kept = at_once([writer(number) for number in range(WRITERS)])
    numbers = sorted(EnvironmentRequest.objects.values_list("number", flat=True))
    assert numbers == list(range(1, sum(kept) + 1))
    assert sum(kept) == WRITERS * 5 - 10
    assert set(EnvironmentRequest.objects.values_list("request_number", flat=True)) == {f"REQ-{n:05}" for n in numbers}
    assert verify_log().ok


def test_tenants_number_their_requests_independently() -> None:
    everyone = [make_people() for _ in range(4)]
    at_once([partial(services.create_draft, by=people.requester, **facts()) for people in everyone for _ in range(2)])
    assert all(
        sorted(people.tenant.environment_requests.values_list("number", flat=True)) == [1, 2] for people in everyone
    )


def test_c01_of_eight_approvals_of_one_request_one_decides_and_seven_are_told_why_not() -> None:
    people = make_people()
    group = unit_of(people.tenant, "Group")
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    approvers = [make_user(Role.APPROVER, group, Depth.DEEP) for _ in range(WRITERS)]
    answers = at_once([partial(decide, request, approver) for approver in approvers])
    refusals = [str(answer) for answer in answers if isinstance(answer, DomainError)]
    assert refusals == [f"{request} is Approved; there is nothing left to decide."] * (WRITERS - 1)
    assert Decision.objects.count() == 1
    request.refresh_from_db()
    assert (request.state, request.approver) == (State.APPROVED, Decision.objects.get().decided_by)
    assert request.log_entries.filter(action=Action.APPROVED).count() == 1
    assert verify_log().ok


def test_c02_one_person_who_approves_eight_times_at_once_decides_once() -> None:
    people = make_people()
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_3)
    answers = at_once([partial(decide, request, people.approver)] * WRITERS)
    refusals = [str(answer) for answer in answers if isinstance(answer, DomainError)]
    assert refusals == ["You have already decided at this gate; each stage needs another person."] * (WRITERS - 1)
    assert Decision.objects.count() == 1
    assert request.log_entries.filter(action=Action.DECISION_REFUSED).count() == WRITERS - 1
    assert verify_log().ok


def test_approving_and_withdrawing_at_once_leaves_one_of_them() -> None:
    people = make_people()
    for _ in range(4):
        request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
        answers = at_once(
            [partial(decide, request, people.approver), partial(services.withdraw, request.pk, by=people.requester)]
        )
        assert sum(isinstance(answer, DomainError) for answer in answers) == 1
        request.refresh_from_db()
        assert request.state == (State.WITHDRAWN if isinstance(answers[0], DomainError) else State.APPROVED)
    assert verify_log().ok


def test_eight_sweeps_at_once_send_one_reminder_and_escalate_once(clock: ManualClock) -> None:
    people = make_people()
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    clock.advance(hours=48)
    assert sum(at_once([services.remind_overdue] * WRITERS)) == 1
    assert sum(at_once([services.escalate_overdue] * WRITERS)) == 1
    assert request.log_entries.filter(action=Action.REMINDER_SENT).count() == 1
    assert request.log_entries.filter(action=Action.ESCALATION_RAISED).count() == 1
    assert verify_log().ok


@pytest.mark.postgres
def test_of_two_requests_for_one_name_that_are_submitted_at_once_the_second_is_told_to_choose_another() -> None:
    people = make_people()
    first, second = (make_request(people=people, environment_name="FIN-Claims-DEV") for _ in range(2))
    submitted = Event()

    def submit_slowly() -> None:
        with transaction.atomic():
            services.submit(first.pk, by=people.requester, directory=Directory())
            submitted.set()
            await_blocked_writer()

    def submit_meanwhile() -> None:
        submitted.wait(30)
        services.submit(second.pk, by=people.requester, directory=Directory())

    _, refused = at_once([submit_slowly, submit_meanwhile])
    assert isinstance(refused, InvalidInputError)
    ((where, what),) = refused.problems
    assert where == "environment_name"
    assert "already used by another request" in what
    second.refresh_from_db()
    assert second.state == State.DRAFT
    assert verify_log().ok


def await_blocked_writer() -> None:
    """Return once another connection to this database waits for a lock that we hold."""
    deadline = time.monotonic() + 30
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            )
            if cursor.fetchone() != (0,):
                return
            time.sleep(0.02)
    raise AssertionError("Nobody waits.")


def test_eight_approvals_of_eight_requests_all_succeed_and_the_log_verifies() -> None:
    people = make_people()
    requests = [make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2) for _ in range(WRITERS)]
    answers = at_once([partial(decide, request, people.approver) for request in requests])
    assert [answer.state for answer in answers] == [State.APPROVED] * WRITERS
    assert verify_log().ok


def test_eight_writers_of_one_chain_number_their_entries_without_gap() -> None:
    people = make_people()
    entries = ProvisioningLog.objects.filter(chain=people.tenant.log_chain().key).order_by("sequence")
    before = entries.count()

    def write() -> None:
        for _ in range(5):
            with transaction.atomic():
                record(Action.TENANT_HALTED, on=people.tenant, by=SYSTEM)

    at_once([write] * WRITERS)
    assert [entry.sequence for entry in entries.all()] == list(range(1, before + 1 + WRITERS * 5))
    assert verify_log().ok


def test_the_first_entries_of_a_chain_may_be_written_at_once() -> None:
    tenant = make_people().tenant
    chain = Chain("tenant:fresh", tenant.pk, "Fresh")
    fresh = SimpleNamespace(log_chain=lambda: chain)

    def write() -> None:
        with transaction.atomic():
            record(Action.TENANT_HALTED, on=fresh, by=SYSTEM)

    at_once([write] * WRITERS)
    assert ProvisioningLog.objects.filter(chain="tenant:fresh").count() == WRITERS
    assert verify_log().ok
