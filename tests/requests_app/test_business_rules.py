"""What people try past the rules, by the screens and below them."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from accounts_app.roles import Depth, Role
from audit_app.actions import Action
from core_app.errors import InvalidInputError
from gates_app.levels import Outcome, Part
from gates_app.models import Decision, GateParty
from requests_app import services
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.factories import FACTS, People, a_group, decide, make_request, make_user, unit_of
from tests.screens import client_of, dialog_of, page_of, press, state_of, told

pytestmark = pytest.mark.django_db


def waiting(people: People, zone: Zone = Zone.ZONE_2) -> EnvironmentRequest:
    return make_request(State.PENDING_APPROVAL, people=people, zone=zone)


def test_c01_who_comes_second_gets_409_and_reads_where_it_stands(people: People) -> None:
    request = waiting(people)
    said = {"_form_submitted": "on", "content_hash": request.content_hash, "comment": "No."}

    decide(request, people.second_approver)
    answer = client_of(people.approver).post(dialog_of(request, "reject"), said, HTTP_HX_REQUEST="true")

    assert (answer.status_code, answer["HX-Redirect"]) == (409, page_of(request))
    assert request.log_entries.filter(action__in=(Action.APPROVED, Action.REJECTED)).count() == 1


def test_c02_a_replayed_approval_is_decided_once(people: People) -> None:
    request = waiting(people)

    press(people.approver, request, "approve")
    entries = request.log_entries.count()
    again = press(people.approver, request, "approve")

    assert told(again, people.approver) == [f"{request} is Approved; there is nothing left to decide."]
    assert (Decision.objects.count(), request.log_entries.count()) == (1, entries)


def test_c05_who_edited_the_request_does_not_decide_on_it(people: People) -> None:
    request = waiting(people)
    GateParty.objects.create(gate=request.gate, person_key=people.approver.person_key, part=Part.EDITOR)

    answer = press(people.approver, request, "approve")

    assert (answer.status_code, state_of(request)) == (403, State.PENDING_APPROVAL)
    assert "You edited this request" in request.log_entries.get(action=Action.DECISION_REFUSED).error_message


def test_c07_a_unit_that_moves_takes_its_waiting_requests_along(people: People) -> None:
    cards, treasury = unit_of(people.tenant, "Cards"), unit_of(people.tenant, "Treasury")
    before, after = (make_user(Role.APPROVER, unit, Depth.DEEP) for unit in (people.unit, treasury))
    request = services.create_draft(by=people.requester, business_unit=cards, **FACTS[Zone.ZONE_2], **ANSWERS)
    services.submit(request.pk, by=people.requester, directory=a_group())
    told_before = request.log_entries.count()
    assert [client_of(each).get(page_of(request)).status_code for each in (before, after)] == [200, 404]

    cards.parent = treasury
    cards.save()

    assert [client_of(each).get(page_of(request)).status_code for each in (before, after)] == [404, 200]
    assert request.log_entries.count() == told_before
    assert [version.parent for version in cards.history.order_by("history_date")] == [people.unit, treasury]


def test_c07_units_below_one_that_moves_move_along(people: People) -> None:
    treasury = unit_of(people.tenant, "Treasury")

    people.unit.parent = treasury
    people.unit.save()

    assert unit_of(people.tenant, "Cards").path.startswith(f"{treasury.path}{people.unit.pk}/")


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_c12_a_post_that_skips_the_submission_is_refused_and_recorded(people: People, verb: str) -> None:
    draft = make_request(people=people)

    answer = press(people.requester, draft, verb, shown="", comment="So.")

    assert (answer.status_code, state_of(draft)) == (403, State.DRAFT)
    refused = draft.log_entries.get(action=Action.DECISION_REFUSED)
    assert (refused.actor, refused.success) == (people.requester.upn, False)


def test_c16_answers_that_lower_the_zone_leave_a_trace_and_need_a_rationale(people: People) -> None:
    draft = make_request(people=people, zone=Zone.ZONE_3)

    services.edit_draft(
        draft.pk, by=people.requester, has_customer_data=False, data_sensitivity=FACTS[Zone.ZONE_2]["data_sensitivity"]
    )
    services.edit_draft(draft.pk, by=people.requester, zone_rationale=" ")

    draft.refresh_from_db()
    entry = draft.log_entries.filter(action=Action.ZONE_CLASSIFIED).latest("sequence")
    assert (draft.zone, entry.action_details["previous_zone"]) == (Zone.ZONE_2, Zone.ZONE_3)
    with pytest.raises(InvalidInputError, match="zone_rationale"):
        services.submit(draft.pk, by=people.requester, directory=a_group())


@pytest.mark.parametrize(
    ("column", "constraint"),
    [
        ("zone_rationale", "zone_2_and_3_have_a_rationale"),
        ("security_group_id", "zone_2_and_3_have_a_security_group"),
    ],
)
def test_c17_the_database_too_wants_rationale_and_group(people: People, column: str, constraint: str) -> None:
    request = waiting(people)

    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        EnvironmentRequest.objects.filter(pk=request.pk).update(**{column: ""})


def test_c17_the_database_too_wants_a_word_with_a_rejection(people: People) -> None:
    request = waiting(people)

    with pytest.raises(IntegrityError, match="a_rejection_has_a_comment"), transaction.atomic():
        Decision.objects.create(
            gate=request.gate,
            outcome=Outcome.REJECT,
            decided_by=people.approver,
            content_hash=request.content_hash,
            decided_at=request.requested_on,
        )


def test_c18_a_request_with_a_log_is_not_deleted_and_the_screen_says_why(people: People) -> None:
    draft = make_request(people=people)

    with pytest.raises(ProtectedError):
        draft.delete()
    answer = client_of(people.requester).post(page_of(draft, "delete"), {"post": "yes"})

    assert answer.status_code == 403
    assert f"{draft} cannot be deleted; a record stays." in answer.content.decode()


ANSWERS = {
    "environment_name": "FIN-Cards-DEV",
    "environment_type": 1,
    "region": 1,
    "business_justification": "Card clerks automate what they did by hand.",
    "zone_rationale": "The answers follow the data inventory.",
    "security_group_name": "FSI-Cards-Makers",
}
