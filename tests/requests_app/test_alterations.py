"""A row that raw SQL changed while it waits: no verb decides on it, on no page, and somebody is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.urls import reverse

from accounts_app.models import User
from audit_app.actions import Action, ActorType
from core_app.clock import ManualClock
from core_app.errors import AlteredContentError
from gates_app.levels import Outcome
from notifications_app.catalogue import Event
from notifications_app.models import OutboxMessage
from requests_app import services
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from requests_app.services import sweeps
from tests.factories import People, decide, make_request, unit_of
from tests.screens import client_of, page_of, press, state_of, told

QUEUE = reverse("admin:requests_app_environmentrequest_approvals")
WORDS = "not stored as it was given to those who decide"


def alter(request: EnvironmentRequest, column: str, value: object) -> None:
    """Change a row as somebody with the database's password does, and nothing else of it."""
    with connection.cursor() as cursor:
        table = EnvironmentRequest._meta.db_table
        key = request._meta.pk.get_db_prep_value(request.pk, connection)
        cursor.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", [value, key])
        assert cursor.rowcount == 1


def on_its_page(request: EnvironmentRequest, approver: User) -> str:
    page = client_of(approver).get(page_of(request)).content.decode()
    shown = page.partition("?shown=")[2].partition('"')[0]
    assert len(shown) == 64
    answer = press(approver, request, "approve", shown=shown)
    as_it_was = press(approver, request, "approve")  # with the hash that the row holds
    assert told(as_it_was, approver)
    return " ".join(told(answer, approver))


def on_the_brief(request: EnvironmentRequest, approver: User) -> str:
    said = {"act": "approve", "content_hash": request.content_hash}
    return client_of(approver).post(page_of(request, "brief"), said).content.decode()


def with_others(request: EnvironmentRequest, approver: User) -> str:
    said = {"outcome": "approve", "confirmed": "1", "row": f"{request.pk}:{request.content_hash}"}
    return client_of(approver).post(QUEUE, said).context["results"][0].words


@pytest.mark.parametrize(
    ("way", "column", "value"),
    [
        (on_its_page, "business_justification", "For something else altogether."),
        (on_the_brief, "has_customer_data", False),
        (with_others, "zone", 2),
    ],
)
def test_nobody_decides_on_a_row_that_was_changed_behind_the_verbs(
    way: Callable[[EnvironmentRequest, User], str], column: str, value: object, people: People
) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_3)
    alter(request, column, value)
    assert WORDS in way(request, people.approver)
    assert state_of(request) == State.PENDING_APPROVAL
    refused = request.log_entries.filter(action=Action.DECISION_REFUSED)
    assert {(each.actor, each.success) for each in refused} == {(people.approver.upn, False)}
    assert WORDS in refused[0].error_message
    heard = OutboxMessage.objects.filter(event=Event.FINDING_OPENED).values_list("recipient", flat=True)
    assert sorted(heard) == sorted([people.governance_lead.pk, people.operator.pk])
    services.withdraw(request.pk, by=people.requester)


@pytest.mark.parametrize(("column", "value"), [("region", 99), ("settings_version", 7)])
def test_what_no_verb_could_have_stored_is_refused_like_anything_else(
    column: str, value: object, people: People
) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    alter(request, column, value)
    with pytest.raises(AlteredContentError, match=WORDS):
        decide(request, people.approver, Outcome.REJECT, "Not this.")


def test_nobody_decides_on_what_was_moved_to_another_unit_behind_the_verbs(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    alter(request, "business_unit_id", unit_of(people.tenant, "Treasury").pk.hex)
    with pytest.raises(AlteredContentError, match=WORDS):
        decide(request, people.second_approver)


def test_the_policy_refuses_it_once_and_leaves_it_to_people(people: People, clock: ManualClock) -> None:
    altered, other = (make_request(State.PENDING_APPROVAL, people=people) for _ in range(2))
    alter(altered, "environment_type", 2)
    clock.advance(minutes=5)
    assert [sweeps.approve_due(), sweeps.approve_due()] == [1, 0]
    assert [state_of(each) for each in (altered, other)] == [State.PENDING_APPROVAL, State.APPROVED]
    refused = altered.log_entries.get(action=Action.DECISION_REFUSED)
    assert (refused.actor_type, refused.success) == (ActorType.SYSTEM, False)
    assert WORDS in refused.error_message
    alarm = OutboxMessage.objects.filter(event=Event.FINDING_OPENED, recipient=people.governance_lead).get()
    assert altered.request_number in alarm.subject


def test_nor_is_a_disputed_zone_decided_on_it(people: People) -> None:
    draft = make_request(people=people, zone=Zone.ZONE_2)
    dispute = services.dispute_zone(draft.pk, by=people.requester, wanted=Zone.ZONE_1, rationale="It is made up.")
    alter(draft, "business_justification", "For something else altogether.")
    shown = dispute.gate.content_hash
    with pytest.raises(AlteredContentError):
        services.decide_dispute(
            dispute.pk, by=people.governance_lead, outcome=Outcome.APPROVE, comment="It is.", content_hash=shown
        )
    assert draft.log_entries.filter(action=Action.DECISION_REFUSED, success=False).count() == 1
