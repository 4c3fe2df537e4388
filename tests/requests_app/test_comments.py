"""The thread of a request: comments, an approver's question, which stops the clock, the requester's answer."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from accounts_app.models import User
from accounts_app.roles import Role
from audit_app.actions import Action
from core_app.clock import ManualClock
from core_app.errors import DomainError, InvalidInputError, PermissionRefused
from evidence_app import dossier
from gates_app import services as gates
from notifications_app.catalogue import Event
from notifications_app.models import OutboxMessage
from requests_app import services
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest, RequestComment
from requests_app.permissions import may_ask, may_comment
from requests_app.services.sweeps import sweep
from tests.factories import People, decide, make_people, make_request, make_user
from tests.screens import LIST, client_of

Kind = RequestComment.Kind


@pytest.fixture
def request_(people: People) -> EnvironmentRequest:
    return make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)


def told(person: User, event: Event) -> int:
    return OutboxMessage.objects.filter(recipient=person, event=event).count()


def test_requester_and_deciders_write_and_the_others_hear_of_it(people: People, request_: EnvironmentRequest) -> None:
    services.comment(request_.pk, by=people.requester, text="  We need it in March.\r\n")
    services.comment(request_.pk, by=people.compliance_officer, text="Noted.")

    first, second = request_.comments.all()
    assert (first.text, first.kind, second.author) == ("We need it in March.", Kind.COMMENT, people.compliance_officer)
    assert (told(people.approver, Event.COMMENTED), told(people.requester, Event.COMMENTED)) == (2, 1)
    entries = request_.log_entries.filter(action=Action.COMMENT_ADDED)
    assert [entry.action_details["comment"] for entry in entries.order_by("sequence")] == [
        str(first.pk),
        str(second.pk),
    ]
    assert "March" not in str([entry.action_details for entry in entries])  # its digest alone
    assert [said["text"] for said in dossier._thread(request_)] == ["We need it in March.", "Noted."]


def test_a_question_stops_the_clock_and_an_answer_starts_it_again(people: People, clock: ManualClock) -> None:
    request_ = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    due = gates.current_stage(request_.gate).escalate_at
    asked = services.ask(request_.pk, by=people.approver, question="Whose data is it?")
    clock.advance(hours=100)
    services.ask(request_.pk, by=people.second_approver, question="And since when?")  # it stands still already
    sweep()
    stage = gates.current_stage(request_.gate)
    assert (stage.reminded_at, stage.escalated_at) == (None, None)
    assert told(people.requester, Event.INFORMATION_NEEDED) == 2
    late = client_of(people.auditor).get(reverse(LIST), {"view": "overdue"})
    assert list(late.context["cl"].result_list) == []  # it waits for the requester, not for whoever decides

    services.comment(request_.pk, by=people.governance_lead, text="I wonder, too.")
    assert gates.current_stage(request_.gate).paused_at
    answer = services.comment(request_.pk, by=people.requester, text="Our customers'.")
    again = services.comment(request_.pk, by=people.requester, text="By the way, thank you.")

    stage = gates.current_stage(request_.gate)
    assert (asked.kind, answer.kind, again.kind) == (Kind.QUESTION, Kind.ANSWER, Kind.COMMENT)
    assert (stage.paused_at, (stage.escalate_at - due).total_seconds()) == (None, 100 * 3600)
    given = request_.log_entries.get(action=Action.INFORMATION_GIVEN)
    assert given.action_details["paused_seconds"] == 100 * 3600
    assert told(people.approver, Event.INFORMATION_GIVEN) == told(people.second_approver, Event.INFORMATION_GIVEN) == 1
    clock.advance(hours=25)
    sweep()
    assert gates.current_stage(request_.gate).reminded_at


def test_what_is_asked_can_still_be_decided(people: People, request_: EnvironmentRequest) -> None:
    services.ask(request_.pk, by=people.approver, question="Whose data is it?")
    approved = decide(request_, people.approver)
    assert approved.state == State.APPROVED
    answer = services.comment(request_.pk, by=people.requester, text="Our customers'.")
    assert answer.kind == Kind.COMMENT
    assert gates.resume(approved.gate_id) is None  # no stage is open any more


def test_only_who_may_decide_asks_and_a_refusal_is_recorded(people: People, request_: EnvironmentRequest) -> None:
    for person in (people.requester, people.compliance_officer):
        assert not may_ask(person, request_)
        with pytest.raises(PermissionRefused):
            services.ask(request_.pk, by=person, question="Why?")
    refusals = request_.log_entries.filter(action=Action.DECISION_REFUSED)
    assert [entry.action_details["outcome"] for entry in refusals] == ["Ask for information"] * 2
    assert may_ask(people.approver, request_)


def test_in_an_objection_window_nothing_can_wait(people: People) -> None:
    window = make_request(State.PENDING_APPROVAL, people=people)
    assert not may_ask(people.approver, window)
    with pytest.raises(DomainError, match="has no stage that could wait"):
        services.ask(window.pk, by=people.approver, question="Why?")
    services.comment(window.pk, by=people.requester, text="It is a trial.")


@pytest.mark.parametrize("text", ["", " \u200b\n", "nul \x00", "x" * 4001])
def test_what_says_nothing_or_cannot_be_stored_is_refused(
    people: People, request_: EnvironmentRequest, text: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        services.comment(request_.pk, by=people.requester, text=text, token=uuid4())
    assert [field for field, _ in refused.value.problems] == ["text"]
    assert not request_.comments.exists()


def test_what_ends_half_way_leaves_the_clock_as_it_was(people: People, request_: EnvironmentRequest) -> None:
    with pytest.raises(InvalidInputError):
        services.ask(request_.pk, by=people.approver, question=" ")
    assert gates.current_stage(request_.gate).paused_at is None
    services.ask(request_.pk, by=people.approver, question="Whose data is it?")
    with pytest.raises(InvalidInputError):
        services.comment(request_.pk, by=people.requester, text=" ")
    assert gates.current_stage(request_.gate).paused_at
    assert request_.comments.count() == 1


def test_the_same_form_sent_twice_is_one_contribution(people: People, request_: EnvironmentRequest) -> None:
    token = uuid4()
    for _ in range(2):
        services.comment(request_.pk, by=people.requester, text="Once.", token=token)
        services.ask(request_.pk, by=people.approver, question="Once?", token=token)
    services.comment(request_.pk, by=people.approver, text="Once.", token=token)
    assert request_.comments.count() == 3


def test_who_may_write_and_when(people: People) -> None:
    draft, ended = make_request(people=people, zone=Zone.ZONE_2), make_request(State.WITHDRAWN, people=people)
    request_ = make_request(State.FAILED, people=people)
    gone = make_user(Role.APPROVER, people.unit, is_active=False)
    strangers = (people.auditor, people.operator, gone, make_people().approver)
    assert [may_comment(person, request_) for person in strangers] == [False] * 4
    assert may_comment(people.requester, request_)
    assert may_comment(people.governance_lead, request_)
    assert not may_comment(people.requester, draft)
    services.dispute_zone(draft.pk, by=people.requester, wanted=Zone.ZONE_1, rationale="It is made up.")
    assert may_comment(people.governance_lead, draft)
    services.comment(draft.pk, by=people.requester, text="Ask me.")
    assert told(people.governance_lead, Event.COMMENTED) == 1
    with pytest.raises(PermissionRefused, match="is Withdrawn; its requester and those who decide for Retail write"):
        services.comment(ended.pk, by=people.requester, text="Still there?")
    with pytest.raises(DomainError, match="nothing to ask"):
        services.ask(ended.pk, by=people.approver, question="Why?")


def test_what_was_said_is_never_changed_or_deleted(people: People, request_: EnvironmentRequest) -> None:
    said = services.comment(request_.pk, by=people.requester, text="As I said.")
    for change in (said.save, said.delete):
        with pytest.raises(DomainError, match="never changed or deleted"):
            change()
    for sql in ("UPDATE requests_app_requestcomment SET text = 'x'", "DELETE FROM requests_app_requestcomment"):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
