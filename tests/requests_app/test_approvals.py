"""The approver's pages: the queue, the decision brief, decisions on several requests at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import conditional_escape

from accounts_app.models import User
from accounts_app.people import deactivate
from accounts_app.roles import Depth, Role
from accounts_app.scope import scope_of
from accounts_app.services import confirm_settings, grant, propose_settings
from audit_app.actions import Action
from core_app import clock as core_clock
from core_app.clock import ManualClock
from core_app.outage import Outage
from core_app.text import clean
from gates_app import services as gates
from gates_app.delegations import Terms
from gates_app.delegations import delegate as lend
from gates_app.levels import Outcome
from requests_app import services
from requests_app.approvals import bulk
from requests_app.approvals.brief import Brief, brief_of
from requests_app.approvals.forms import Act, DecisionForm
from requests_app.approvals.queue import queue_of, rows_of
from requests_app.approvals.words import label, said
from requests_app.choices import DataSensitivity, EnvironmentType, ExpectedUsers, Region, State, Zone
from requests_app.fields import REQUESTED
from requests_app.models import EnvironmentRequest
from requests_app.services.comments import MAX_COMMENT
from requests_app.services.sweeps import sweep
from requests_app.visibility import visible_requests
from tests.factories import People, a_group, decide, make_people, make_request, make_user, unit_of
from tests.screens import client_of, page_of, state_of

QUEUE = reverse("admin:requests_app_environmentrequest_approvals")

LIST = reverse("admin:requests_app_environmentrequest_changelist")


def pending(people: People, zone: Zone = Zone.ZONE_2, **changes: Any) -> EnvironmentRequest:
    return make_request(State.PENDING_APPROVAL, people=people, zone=zone, **changes)


def numbers(client: Client, **asked: Any) -> list[str]:
    return [row.request.request_number for row in client.get(QUEUE, asked).context["rows"]]


def brief(reader: User, request: EnvironmentRequest) -> Brief:
    return brief_of(EnvironmentRequest.objects.get(pk=request.pk), reader, visible_requests(scope_of(reader), []))


def act(client: Client, request: EnvironmentRequest, what: str, **said: Any) -> Any:
    shown = {"content_hash": request.content_hash, "form_token": str(uuid4())}
    return client.post(page_of(request, "brief"), {**shown, "act": what, **said})


@pytest.fixture
def client(people: People) -> Client:
    return client_of(people.approver)


# The queue


def test_the_queue_shows_what_waits_with_age_due_time_and_who_is_asked(people: People, clock: ManualClock) -> None:
    early = pending(people)
    clock.advance(hours=5)
    late = pending(people, Zone.ZONE_3)
    other = pending(people, environment_name="FIN-Asked-DEV")
    services.ask(other.pk, by=people.approver, question="Whose data is it?")
    clock.advance(hours=44)
    sweep()
    rows = client_of(people.approver).get(QUEUE).context["rows"]
    assert [row.request for row in rows] == [early, late, other]
    first, second, third = rows
    assert (first.is_overdue, first.asked, first.due) == (
        True,
        "Approver or Governance Lead",
        early.requested_on + timedelta(hours=48),
    )
    assert (second.is_overdue, second.stages, second.stage.assigned_to) == (False, 2, people.approver)
    assert (third.due, third.stage.paused_at is not None) == (None, True)
    page = client_of(people.approver).get(QUEUE).content.decode()
    for shown in ("1 hour late", "stands still: the requester is asked something", "stage 1 of 2", "in 1 day"):
        assert shown in page.replace("\xa0", " ")


def test_mine_is_what_i_may_decide_and_all_is_what_my_roles_reach(people: People, client: Client) -> None:
    mine, decided, foreign = pending(people), pending(people, Zone.ZONE_3), pending(make_people())
    decide(decided, people.approver)
    claimed = pending(people)
    services.assign(claimed.pk, to=people.second_approver, by=people.second_approver)
    window = make_request(State.PENDING_APPROVAL, people=people)
    assert numbers(client) == [mine.request_number]
    assert set(numbers(client, view="all")) == {each.request_number for each in (mine, decided, claimed, window)}
    assert numbers(client, view="all", zone=3) == [decided.request_number]
    assert numbers(client, view="all", q=claimed.environment_name[:-2].lower()) == [claimed.request_number]
    assert numbers(client, view="all", zone="x", q="nothing like it") == []
    page = client.get(QUEUE, {"view": "all"}).content.decode()
    assert "You have already decided at this gate" in page
    assert "may object" in page
    officer = client_of(people.compliance_officer)
    assert numbers(officer) == [decided.request_number]
    treasurer = client_of(make_user(Role.APPROVER, unit_of(people.tenant, "Treasury"), Depth.LOCAL))
    assert numbers(treasurer, view="all") == []
    assert "Nothing waits for you" in treasurer.get(QUEUE).content.decode()
    assert foreign.tenant != people.tenant


def test_a_disputed_zone_waits_for_the_governance_lead(people: People) -> None:
    draft = make_request(people=people, zone=Zone.ZONE_2)
    dispute = services.dispute_zone(draft.pk, by=people.requester, wanted=Zone.ZONE_1, rationale="It is made up.")
    lead = client_of(people.governance_lead)
    (row,) = lead.get(QUEUE).context["rows"]
    assert (row.dispute, row.may_be_decided_here) == (dispute, False)
    assert page_of(dispute) in lead.get(QUEUE).content.decode()
    assert numbers(client_of(people.approver), view="all") == []


def test_the_queue_is_for_those_who_decide(people: People) -> None:
    for stranger in (people.requester, people.auditor, people.operator):
        assert client_of(stranger).get(QUEUE).status_code == 403
        assert client_of(stranger).post(QUEUE, {"outcome": "approve"}).status_code == 403


def test_queue_and_brief_cost_the_same_number_of_queries_however_much_there_is(people: People, client: Client) -> None:
    request = pending(people)
    decide(pending(people), people.approver)
    services.comment(request.pk, by=people.requester, text="One.")

    def costs() -> list[int]:
        counted = []
        for page in (f"{QUEUE}?view=all", page_of(request, "brief")):
            with CaptureQueriesContext(connection) as captured:
                assert client.get(page).status_code == 200
            counted.append(len(captured))
        return counted

    costs()  # what a process reads once
    before = costs()
    for zone in (Zone.ZONE_2, Zone.ZONE_2, Zone.ZONE_3):
        pending(people, zone)
    for outcome in (Outcome.APPROVE, Outcome.REJECT, Outcome.APPROVE):
        decide(pending(people), people.approver, outcome)
    for number in range(3):
        services.comment(request.pk, by=people.requester, text=f"Another {number}.")
    grant(people.approver, Role.APPROVER, unit_of(people.tenant, "Treasury"), Depth.LOCAL)
    assert costs() == before
    assert max(before) <= 50


# The brief


def test_the_brief_says_what_why_and_who(people: People, client: Client) -> None:
    request = pending(people, Zone.ZONE_3)
    services.comment(request.pk, by=people.requester, text="We need it in March.")
    page = client.get(page_of(request, "brief"))
    shown = page.context["brief"]
    assert dict(shown.plan)["Environment group"] == "FSI-Enterprise-Production"
    assert len(shown.governance.reasons) == 4
    assert (shown.is_intact, shown.shown) == (True, request.content_hash)
    assert [check.refusal for check in shown.checks] == [""] * 5
    assert [stage.role for stage in shown.stages] == [Role.APPROVER, Role.COMPLIANCE_OFFICER]
    assert shown.colleagues == [people.second_approver]
    text = page.content.decode()
    for part in ("We need it in March.", "ApprovalRequested", "L2 decision", "Waiting for an earlier stage", "zones-1"):
        assert part in text
    assert "No request of this zone and type that you may see was decided before" in text

    assert "needs the role ELM Approver" in brief(people.compliance_officer, request).refusal
    assert client_of(people.requester).get(page_of(request, "brief")).status_code == 403
    assert client.get(page_of(make_request(people=people), "brief")).status_code == 403
    assert client_of(make_people().approver).get(page_of(request, "brief")).status_code == 404


def test_the_nearest_decisions_are_ranked_by_equal_answers_and_ties_go_to_the_newest(
    people: People, clock: ManualClock
) -> None:
    def decided(outcome: Outcome = Outcome.APPROVE, **changes: Any) -> EnvironmentRequest:
        made = decide(pending(people, **changes), people.approver, outcome, "As it was.")
        clock.advance(hours=1)
        return made

    alike_but_older = decided()
    far = decided(region=Region.AUSTRALIA, expected_users=ExpectedUsers.DEPARTMENT)
    rejected = decided(Outcome.REJECT)
    near = decided(region=Region.UNITED_KINGDOM)
    decided(environment_type=EnvironmentType.PRODUCTION)  # another type
    decide(pending(people, Zone.ZONE_3), people.approver)  # another zone, and not decided in full
    services.withdraw(pending(people).pk, by=people.requester)
    pending(make_people())
    shown = brief(people.approver, pending(people))
    assert [(each.request, each.equal, each.approved) for each in shown.precedents] == [
        (rejected, 6, False),
        (alike_but_older, 6, True),
        (near, 5, True),
    ]
    assert [each.ended for each in shown.precedents] == ["Rejected", "Approved", "Approved"]
    assert shown.precedents[0].decision.comment == "As it was."
    assert far not in [each.request for each in shown.precedents]
    assert shown.last == near


def test_only_what_the_approver_may_see_is_compared(people: People, clock: ManualClock) -> None:
    clock.advance(hours=1)
    elsewhere = make_user(Role.REQUESTER, unit_of(people.tenant, "Treasury"))
    hidden = services.create_draft(by=elsewhere, **_facts_like(people))
    hidden = services.submit(hidden.pk, by=elsewhere, directory=a_group())
    decide(hidden, people.approver)
    request = pending(people)
    local = make_user(Role.APPROVER, people.unit, Depth.LOCAL)
    assert (brief(local, request).precedents, brief(local, request).last) == ([], None)
    assert [each.request for each in brief(people.approver, request).precedents] == [hidden]


def test_what_differs_from_the_last_approved_similar_request_is_named(people: People) -> None:
    decide(pending(people), people.approver)
    same = brief(people.approver, pending(people))
    assert same.differences == []
    proposal = propose_settings(
        people.tenant.pk,
        by=people.governance_lead,
        values={"undo_window_seconds": 0, "baselines": {"2": {"sharing_limit": 10}}},
    )
    confirm_settings(proposal.pk, by=make_user(Role.GOVERNANCE_LEAD, people.tenant))
    shown = brief(
        people.approver, pending(people, region=Region.AUSTRALIA, has_customer_data=False, raised_zone=Zone.ZONE_2)
    )
    differences = {each.what: (each.here, each.there) for each in shown.differences}
    assert differences == {
        "Region": ("Australia", "Europe"),
        "Raise the zone to": ("Zone 2", "-"),
        "Sharing limit": ("10 people", "50 people"),
        "Settings version": ("2", "1"),
    }


def test_a_row_that_was_changed_behind_the_verbs_is_not_decided(people: People, client: Client) -> None:
    request = pending(people)
    EnvironmentRequest.objects.filter(pk=request.pk).update(business_justification="Something else altogether now.")
    page = client.get(page_of(request, "brief"))
    assert not page.context["brief"].is_intact
    assert "is not what was given to those who decide" in page.content.decode()
    answer = act(client, request, "approve", content_hash=page.context["brief"].shown)
    assert answer.status_code == 409
    assert "not stored as it was given to those who decide" in answer.content.decode()
    assert state_of(request) == State.PENDING_APPROVAL


# What its buttons do


def test_approve_and_reject_with_words(people: People, client: Client) -> None:
    first, second, window = pending(people), pending(people), make_request(State.PENDING_APPROVAL, people=people)
    assert act(client, first, "approve")["Location"] == QUEUE
    empty = act(client, second, "reject", text=" \u200b")
    assert dict(empty.context["form"].errors) == {"text": ["Say why, so that the requester knows what to change."]}
    assert act(client, second, "reject", text="Use the shared one.").status_code == 302
    act(client, window, "reject", text="Not for this.")
    assert [state_of(each) for each in (first, second, window)] == [State.APPROVED, State.REJECTED, State.REJECTED]
    too_late = act(client, first, "reject", text="No.")
    assert too_late.status_code == 409
    assert "there is nothing left to decide" in too_late.content.decode()
    assert "No.</textarea>" in too_late.content.decode()


def test_who_may_not_decide_is_refused_and_it_is_recorded(people: People) -> None:
    request = pending(people, Zone.ZONE_3)
    officer = client_of(people.compliance_officer)
    answer = act(officer, request, "approve")
    assert answer.status_code == 403
    assert "needs the role ELM Approver" in answer.content.decode()
    assert request.log_entries.filter(action=Action.DECISION_REFUSED).count() == 1


def test_a_decision_on_zone_3_asks_to_sign_in_again_and_keeps_the_words(people: People, client: Client) -> None:
    request = pending(people, Zone.ZONE_3)
    with core_clock.using(lambda: request.requested_on + timedelta(minutes=30)):
        answer = act(client, request, "approve", text="Needed this quarter.")
        assert answer.status_code == 403
        assert reverse("sign_in_again") in answer.content.decode()
        again = client.get(page_of(request, "brief"))
        assert again.context["form"].initial["text"] == "Needed this quarter."
        several = client.post(QUEUE, {"outcome": "approve", "row": f"{request.pk}"})
        assert several.context["needs_sign_in"]
        row = f"{request.pk}:{request.content_hash}"
        (result,) = client.post(QUEUE, {"outcome": "approve", "confirmed": "1", "row": row}).context["results"]
        assert (result.done, result.sign_in_again) == (False, True)
        confirmed = {"outcome": "approve", "confirmed": "1", "row": row, "text": "Needed for all of them."}
        client.post(QUEUE, confirmed)
        again = client.post(QUEUE, {"outcome": "approve", "row": f"{request.pk}"})
        assert "Needed for all of them." in again.content.decode()


def test_ask_comment_claim_and_hand_over(people: People, client: Client) -> None:
    request = pending(people, Zone.ZONE_3)
    for what in (Act.ASK, Act.COMMENT):
        assert list(act(client, request, what).context["form"].errors) == ["text"]
        assert not DecisionForm({"text": "x" * 4001}, act=what).is_valid()
        assert act(client, request, what, text=f"To {what}.")["Location"] == page_of(request, "brief")
    assert [each.text for each in request.comments.all()] == ["To ask.", "To comment."]
    assert not DecisionForm({}, act=Act.HAND_OVER).is_valid()
    assert list(act(client, request, "hand_over", person=people.requester.pk).context["form"].errors) == ["person"]
    act(client, request, "hand_over", person=people.second_approver.pk)
    assert gates.current_stage(request.gate).assigned_to == people.second_approver
    act(client, request, "claim")
    assert gates.current_stage(request.gate).assigned_to == people.approver
    assert act(client, request, "no such button").status_code == 200


# Several at once


def test_several_are_checked_then_decided_each_with_its_result(people: People, client: Client) -> None:
    first, second, third = (pending(people) for _ in range(3))
    own = pending(people)
    decide(own, people.second_approver)
    window = make_request(State.PENDING_APPROVAL, people=people)
    foreign = pending(make_people())
    rows = [str(each.pk) for each in (first, second, third, own, window, foreign)]
    checked = client.post(QUEUE, {"outcome": "approve", "row": [*rows, "nonsense"]}).context["checked"]
    assert [(each.row.request, bool(each.why_not)) for each in checked] == [
        (first, False),
        (second, False),
        (third, False),
        (own, True),
        (window, True),
    ]
    decide(second, people.second_approver, Outcome.REJECT, "Somebody was faster.")
    shown = [f"{each.row.request.pk}:{each.hash}" for each in checked]
    shown[2] = f"{third.pk}:{'0' * 64}"
    sent = {"outcome": "approve", "confirmed": "1", "row": shown[:3], "text": "All fine."}
    results = client.post(QUEUE, sent).context["results"]
    assert [result.done for result in results] == [True, False, False]
    assert "nothing left to decide" in results[1].words
    assert "has changed since it was shown" in results[2].words
    assert [state_of(each) for each in (first, second, third)] == [
        State.APPROVED,
        State.REJECTED,
        State.PENDING_APPROVAL,
    ]
    again = client.post(QUEUE, sent).context["results"]
    assert [result.done for result in again] == [False, False, False]


def test_before_several_are_decided_everything_that_a_decision_binds_to_is_shown(
    people: People, client: Client
) -> None:
    request = pending(people, Zone.ZONE_3, business_justification=f"{'Claims ' * 60}and nothing more.")
    page = client.post(QUEUE, {"outcome": "approve", "row": f"{request.pk}"}).content.decode()
    for words in (request.zone_rationale, request.business_justification, request.security_group_name):
        assert conditional_escape(words) in page
    shown = [
        f"<dt>{what}</dt><dd>{conditional_escape(value)}</dd>" for what, value in brief(people.approver, request).plan
    ]
    answers = [f"<dt>{label(name)}</dt><dd>{conditional_escape(said(request, name))}</dd>" for name in REQUESTED]
    assert [each for each in shown + answers if each not in page] == []


def test_the_queue_reads_one_page_and_agrees_with_the_rule(people: People, clock: ManualClock) -> None:
    treasury = unit_of(people.tenant, "Treasury")
    for zone in (Zone.ZONE_2, Zone.ZONE_3, Zone.ZONE_1, Zone.ZONE_2):
        pending(people, zone)
    second = pending(people, Zone.ZONE_3)
    decide(second, people.approver)
    services.assign(pending(people).pk, to=people.second_approver, by=people.approver)
    clock.advance(hours=49)  # what waits for Zone 2 is escalated
    sweep()
    services.assign(pending(people).pk, to=people.second_approver, by=people.approver)
    delegate = make_user(Role.REQUESTER, people.unit)
    terms = Terms(core_clock.now(), core_clock.now() + timedelta(days=7), reason="Out of office.")
    lend(people.approver, delegate, terms, by=people.approver)
    own = make_user(Role.APPROVER, treasury, Depth.LOCAL)
    disputed = make_request(people=people, zone=Zone.ZONE_2)
    services.dispute_zone(disputed.pk, by=people.requester, wanted=Zone.ZONE_1, rationale="It is made up.")
    everybody = (people.approver, people.second_approver, people.compliance_officer, people.governance_lead)
    for person in (*everybody, delegate, own):
        queue = queue_of(person, scope_of(person))
        mine, everything = rows_of(person, queue["mine"]), rows_of(person, queue["all"])
        asked = [row for row in everything if row.stage and person in gates.expected_deciders(row.gate, row.stage)]
        assert mine == asked, person
        listed = client_of(person).get(LIST, {"view": "pending-mine"}).context["cl"].queryset
        assert set(listed) == {row.request for row in asked if row.dispute is None}, person
        assert (queue["mine"].count(), queue["all"].count()) == (len(mine), len(everything))
        due = [(row.due is None, row.due or row.since, row.since, row.request.number) for row in everything]
        assert due == sorted(due)


def test_nothing_waits_for_somebody_who_was_shut_out(people: People) -> None:
    pending(people)
    reached = scope_of(people.approver)
    assert gates.stages_asking(people.approver, reached).exists()
    deactivate(people.approver.pk, by=people.governance_lead, reason="Has left the bank.")
    people.approver.refresh_from_db()
    assert not gates.stages_asking(people.approver, reached).exists()


def test_rejecting_several_needs_words_and_a_choice(people: People, client: Client) -> None:
    request = pending(people)
    assert client.post(QUEUE, {"outcome": "reject"})["Location"] == QUEUE
    row = f"{request.pk}:{request.content_hash}"
    empty = client.post(QUEUE, {"outcome": "reject", "confirmed": "1", "row": row, "text": " "})
    assert list(empty.context["form"].errors) == ["text"]
    done = client.post(QUEUE, {"outcome": "reject", "confirmed": "1", "row": row, "text": "Use the shared one."})
    assert done.context["results"][0].done
    assert client.post(QUEUE, {"outcome": "delete", "row": row}).status_code == 200


def test_one_that_breaks_stops_none_of_the_others(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = pending(people), pending(people)
    client = client_of(people.approver)
    verb = services.decide

    def breaks_once(request_id: Any, **said: Any) -> EnvironmentRequest:
        if request_id == first.pk:
            raise RuntimeError("the disk is gone")
        return verb(request_id, **said)

    monkeypatch.setattr(bulk.services, "decide", breaks_once)
    rows = [f"{each.pk}:{each.content_hash}" for each in (first, second)]
    results = client.post(QUEUE, {"outcome": "approve", "confirmed": "1", "row": rows}).context["results"]
    assert [result.done for result in results] == [False, True]
    assert "Something went wrong" in results[0].words
    assert "the disk is gone" not in results[0].words


def test_nobody_says_that_nothing_was_decided_when_the_database_was_lost_in_the_middle(people: People) -> None:
    request = pending(people)

    def lost(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("INSERT") and "gates_app_decision" in sql:
            raise OperationalError("The connection is closed.") from psycopg.OperationalError("it is closed")
        return execute(sql, params, many, context)

    row = f"{request.pk}:{request.content_hash}"
    with connection.execute_wrapper(lost):
        page = client_of(people.approver).post(QUEUE, {"outcome": "approve", "confirmed": "1", "row": row})
    (result,) = page.context["results"]
    assert (result.done, result.words) == (None, Outage.UNREACHABLE.value)
    assert "not known" in page.content.decode()


@pytest.mark.parametrize("what", [Act.ASK, Act.COMMENT])
def test_the_end_of_a_line_counts_once_however_a_browser_sends_it(people: People, client: Client, what: Act) -> None:
    request = pending(people)
    written = "\r\n".join(["line"] * 800)
    assert len(written) > MAX_COMMENT >= len(clean(written))
    act(client, request, what, text=written)
    assert request.comments.get().text == clean(written)


def _facts_like(people: People) -> dict[str, Any]:
    return {
        "environment_name": "TRS-Alike-DEV",
        "environment_type": EnvironmentType.SANDBOX,
        "region": Region.EUROPE,
        "business_justification": "Treasury tries out the same thing in its own unit.",
        "data_sensitivity": DataSensitivity.CONFIDENTIAL,
        "expected_users": ExpectedUsers.SMALL_TEAM,
        "zone_rationale": "Alike.",
        "security_group_name": "FSI-Claims-Makers",
    }


def test_a_person_who_is_asked_reads_it_at_the_top_of_their_page(people: People) -> None:
    request = pending(people)
    requester = client_of(people.requester)
    assert "You are asked something" not in requester.get(page_of(request)).content.decode()
    services.ask(request.pk, by=people.approver, question="Whose data is it?")
    page = requester.get(page_of(request)).content.decode()
    assert "You are asked something" in page
    assert "Whose data is it?" in page
    said = {"_form_submitted": "on", "text": "Our customers'.", "form_token": str(uuid4())}
    assert requester.post(page_of(request, "answer"), said).status_code == 302
    assert "You are asked something" not in requester.get(page_of(request)).content.decode()
    empty = requester.post(page_of(request, "comment"), {**said, "text": " \u200b"})
    assert empty.status_code == 200
