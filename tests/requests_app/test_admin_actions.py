"""The buttons on a request's page: offered to those who may, decided by the verb, never by a GET."""

from __future__ import annotations

import pytest
from django.test import Client

from audit_app.actions import Action
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.factories import People, decide, make_people, make_request
from tests.screens import client_of, dialog_of, page_of, press, state_of, told

VERBS = ("submit", "withdraw", "approve", "reject", "object_to", "claim", "reassign", "retry")
ROLES = (
    "requester",
    "approver",
    "second_approver",
    "compliance_officer",
    "governance_lead",
    "operator",
    "auditor",
)
# Who may do what where: everyone else is refused.
OFFERED: dict[tuple[State, Zone], dict[str, set[str]]] = {
    (State.DRAFT, Zone.ZONE_1): {"submit": {"requester"}, "withdraw": {"requester"}},
    (State.PENDING_APPROVAL, Zone.ZONE_1): {"withdraw": {"requester"}, "object_to": {"approver", "second_approver"}},
    (State.PENDING_APPROVAL, Zone.ZONE_3): {
        "withdraw": {"requester"},
        "approve": {"approver", "second_approver"},
        "reject": {"approver", "second_approver"},
        "claim": {"second_approver"},  # the requester's manager has it already
        "reassign": {"approver", "second_approver"},
    },
    (State.FAILED, Zone.ZONE_2): {"retry": {"operator"}},
    (State.COMPLETED, Zone.ZONE_2): {},
}


@pytest.fixture
def people(db: None) -> People:
    return make_people(undo_window_seconds=3600)


def offered_to(user: object, request: EnvironmentRequest) -> set[str]:
    page = client_of(user).get(page_of(request)).content.decode()
    return {verb for verb in VERBS if f'hx-get="{dialog_of(request, verb)}?' in page}


@pytest.mark.sqlite
@pytest.mark.parametrize(("stage", "zone"), OFFERED, ids=str)
def test_a_button_is_offered_to_exactly_those_who_may_press_it(stage: State, zone: Zone, people: People) -> None:
    request = make_request(stage, people=people, zone=zone)
    expected = OFFERED[stage, zone]

    for role in ROLES:
        wanted = {verb for verb, roles in expected.items() if role in roles}
        assert offered_to(getattr(people, role), request) == wanted, role


@pytest.mark.sqlite
@pytest.mark.parametrize(("stage", "zone"), OFFERED, ids=str)
def test_a_crafted_post_of_someone_who_may_not_changes_nothing(stage: State, zone: Zone, people: People) -> None:
    request = make_request(stage, people=people, zone=zone)

    crafted = {"_form_submitted": "on", "content_hash": request.content_hash, "comment": "So.", "reason": "So."}
    crafted["person"] = people.second_approver.upn
    same = {"reject": "object_to"} if zone == Zone.ZONE_1 else {"object_to": "reject"}  # two words for one verb
    for role in ROLES:
        client = client_of(getattr(people, role))
        for verb in VERBS:
            if role in OFFERED[stage, zone].get(same.get(verb, verb), set()) or (verb, role) == ("claim", "approver"):
                continue
            answer = client.post(dialog_of(request, verb), crafted)
            assert answer.status_code in (302, 403), (role, verb)
            assert state_of(request) == stage, (role, verb)


@pytest.mark.sqlite
@pytest.mark.parametrize(("stage", "zone"), OFFERED, ids=str)
def test_opening_a_dialog_never_changes_anything(stage: State, zone: Zone, people: People) -> None:
    request = make_request(stage, people=people, zone=zone)
    entries = request.log_entries.count()

    for role in ROLES:
        client = client_of(getattr(people, role))
        for verb in VERBS:
            may = role in OFFERED[stage, zone].get(verb, set())
            answer = client.get(dialog_of(request, verb))
            assert answer.status_code == (200 if may else 403), (role, verb)

    assert state_of(request) == stage
    assert request.log_entries.count() == entries


def test_the_requester_submits(people: People) -> None:
    request = make_request(people=people)

    answer = press(people.requester, request, "submit")

    assert told(answer, people.requester) == [f"{request} is submitted."]
    assert state_of(request) == State.PENDING_APPROVAL


def test_what_keeps_a_draft_from_being_submitted_is_told_with_the_names_of_the_fields(people: People) -> None:
    request = make_request(people=people, environment_name="no name", zone=Zone.ZONE_3, zone_rationale="")

    answer = press(people.requester, request, "submit")

    messages = told(answer, people.requester)
    assert state_of(request) == State.DRAFT
    assert any(message.startswith("Environment name: 'no name' does not follow") for message in messages)
    assert any(message.startswith("Zone rationale: Zone 3 needs a rationale") for message in messages)


def test_the_draft_itself_says_what_is_missing(people: People) -> None:
    request = make_request(people=people, environment_name="no name")

    page = client_of(people.requester).get(page_of(request)).content.decode()

    assert "Before it can be submitted" in page
    assert "does not follow the convention" in page


def test_the_requester_withdraws(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)

    press(people.requester, request, "withdraw")

    assert state_of(request) == State.WITHDRAWN


def test_two_people_approve_a_request_of_zone_3(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_3)

    press(people.approver, request, "approve", comment="It is needed.")
    assert state_of(request) == State.PENDING_APPROVAL
    press(people.compliance_officer, request, "approve")

    assert state_of(request) == State.APPROVED
    comments = [entry.action_details["comment"] for entry in request.log_entries.filter(action=Action.STAGE_APPROVED)]
    assert comments == ["It is needed."]


def test_one_person_never_decides_both_stages(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_3)
    press(people.approver, request, "approve")

    assert press(people.approver, request, "approve").status_code == 403
    assert state_of(request) == State.PENDING_APPROVAL


def test_c17_a_rejection_without_a_visible_comment_stays_in_the_dialog(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)

    for nothing in ("", "   ", "\u200b\u3164"):
        answer = press(people.approver, request, "reject", comment=nothing)
        assert answer.status_code == 200
        assert state_of(request) == State.PENDING_APPROVAL
    assert "Say why" in answer.content.decode()

    press(people.approver, request, "reject", comment="Use the shared environment.")
    assert state_of(request) == State.REJECTED


def test_an_approver_objects_within_the_window_of_zone_1(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people)

    press(people.approver, request, "object_to", comment="This is not a private workload.")

    assert state_of(request) == State.REJECTED


def test_claiming_makes_the_stage_ones_own(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)

    press(people.second_approver, request, "claim")

    request.refresh_from_db()
    assert request.approver == people.second_approver
    assert "claim" not in offered_to(people.second_approver, request)


def test_a_stage_is_reassigned_to_a_colleague_who_may_decide_and_to_nobody_else(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    stranger = make_people().approver

    answer = press(people.approver, request, "reassign", person=people.second_approver.upn.upper())
    assert told(answer, people.approver) == [f"{request} is assigned to {people.second_approver}."]

    unknown = press(people.approver, request, "reassign", person=stranger.upn)
    assert "Nobody active in your organisation has this UPN" in unknown.content.decode()
    for person in (people.requester, people.auditor):
        assert press(people.approver, request, "reassign", person=person.upn).status_code in (302, 403)
    request.refresh_from_db()
    assert request.approver == people.second_approver


@pytest.mark.parametrize("verb", ["claim", "reassign"])
def test_who_may_not_decide_does_not_say_who_shall_and_that_is_recorded(verb: str, people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)

    answer = press(people.requester, request, verb, person=people.second_approver.upn)

    assert answer.status_code == 403
    refused = request.log_entries.get(action=Action.DECISION_REFUSED)
    assert (refused.actor, refused.success) == (people.requester.upn, False)
    assert "asked for this yourself" in refused.error_message


def test_the_requesters_own_approval_is_refused_and_the_refusal_recorded(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)

    answer = press(people.requester, request, "approve")

    assert answer.status_code == 403
    assert "someone else must decide" in answer.content.decode()
    assert request.log_entries.filter(action=Action.DECISION_REFUSED, actor=people.requester.upn).count() == 1


def test_a_decision_on_a_page_that_shows_something_else_is_refused(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)

    for shown in ("", "0" * 64):
        answer = press(people.approver, request, "approve", shown=shown)
        assert "has changed since it was shown to you" in told(answer, people.approver)[0]
    assert state_of(request) == State.PENDING_APPROVAL


def test_the_dialog_carries_the_hash_of_the_page_it_was_opened_from(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    address = f"{dialog_of(request, 'approve')}?shown={request.content_hash}"
    client = client_of(people.approver)

    assert f'hx-get="{address}"' in client.get(page_of(request)).content.decode()
    assert f'value="{request.content_hash}"' in client.get(address).content.decode()


def test_c01_a_decision_that_came_too_late_is_told_and_loses_nothing(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    decide(request, people.second_approver)

    answer = press(people.approver, request, "reject", comment="No.")

    assert told(answer, people.approver) == [f"{request} is Approved; there is nothing left to decide."]


def test_a_dialog_is_sent_back_to_the_page_also_when_the_person_is_refused(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    values = {"_form_submitted": "on", "content_hash": request.content_hash}
    in_a_dialog = {"HTTP_HX_REQUEST": "true"}

    refused = client_of(people.requester).post(dialog_of(request, "approve"), values, **in_a_dialog)
    accepted = client_of(people.approver).post(dialog_of(request, "approve"), values, **in_a_dialog)

    assert (refused.status_code, refused["HX-Redirect"]) == (403, page_of(request))
    assert (accepted.status_code, accepted["HX-Redirect"]) == (200, page_of(request))


def test_s12_a_button_needs_the_token_that_a_foreign_page_does_not_have(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    client = client_of(people.approver, enforce_csrf_checks=True)

    answer = client.post(dialog_of(request, "approve"), {"_form_submitted": "on", "content_hash": request.content_hash})

    assert answer.status_code == 403
    assert state_of(request) == State.PENDING_APPROVAL


def test_what_one_may_not_see_has_no_buttons_either(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    strangers = make_people()

    crafted = {"_form_submitted": "on", "content_hash": request.content_hash, "comment": "So.", "reason": "So."}
    crafted["person"] = people.second_approver.upn
    for stranger in (strangers.approver, strangers.operator, strangers.requester):
        client = client_of(stranger)
        for verb in VERBS:
            assert client.get(dialog_of(request, verb)).status_code == 404
            assert client.post(dialog_of(request, verb), crafted).status_code == 404
    assert Client().get(dialog_of(request, "approve")).status_code == 302  # to the sign-in page
    assert state_of(request) == State.PENDING_APPROVAL
