"""What somebody was to decide who left, or lost the role for it, goes to others, and the log says so."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from accounts_app.models import User
from accounts_app.people import deactivate
from accounts_app.roles import Depth, Role
from accounts_app.services import grant, revoke
from accounts_app.services.grants import REASSIGN
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from gates_app import services as gates
from gates_app.departures import left_behind
from notifications_app.catalogue import Event
from notifications_app.models import OutboxMessage
from requests_app import services, tasks
from requests_app.choices import State, Zone
from requests_app.services import departures
from requests_app.services.submission import GATE_KIND
from tests.factories import People, decide, make_request, unit_of

pytestmark = pytest.mark.django_db


def leave(people: People, person: User) -> None:
    deactivate(person.pk, by=people.governance_lead, reason="Has left the bank.")
    tasks.reassign_departed()


def test_c08_an_open_stage_of_somebody_deactivated_goes_to_the_manager_who_may_decide_it(people: People) -> None:
    people.approver.manager = people.second_approver
    people.approver.save()
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    assert request.approver == people.approver
    leave(people, people.approver)
    request.refresh_from_db()
    assert request.approver == people.second_approver
    assert request.gate.stages.get().assigned_to == people.second_approver
    entry = ProvisioningLog.objects.get(action=Action.STAGE_ASSIGNED, environment_request=request)
    assert entry.action_details["instead_of"] == people.approver.upn
    assert entry.action_details["assigned_to"] == people.second_approver.upn
    told = OutboxMessage.objects.filter(event=Event.DECISION_NEEDED, reference=request.request_number)
    assert people.second_approver.pk in told.values_list("recipient", flat=True)
    decide(request, people.second_approver)
    assert services.reassign_departed() == 0


def test_without_such_a_manager_it_is_open_to_all_who_may(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    leave(people, people.approver)
    request.refresh_from_db()
    assert request.approver is None
    told = OutboxMessage.objects.filter(event=Event.DECISION_NEEDED, reference=request.request_number)
    assert people.second_approver.pk in told.values_list("recipient", flat=True)
    assert services.reassign_departed() == 0


def test_when_nobody_is_left_the_governance_leads_hear_of_it(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    leave(people, people.second_approver)
    leave(people, people.approver)
    (message,) = OutboxMessage.objects.filter(event=Event.NOBODY_DECIDES)
    assert message.recipient == people.governance_lead
    assert Role.APPROVER in message.body
    assert request.request_number in message.subject


def test_the_sweep_finds_what_a_lost_doorbell_did_not_announce(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    deactivate(people.approver.pk, by=people.governance_lead, reason="Has left the bank.")
    tasks.sweep()
    request.refresh_from_db()
    assert request.approver is None


def test_a_stage_whose_request_was_withdrawn_meanwhile_is_handed_to_nobody(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    stage = request.gate.stages.get()
    services.withdraw(request.pk, by=people.requester)
    assert not departures._hand_on(stage)


def lose_the_role(people: People, person: User) -> None:
    revoke(person, Role.APPROVER, unit_of(people.tenant, "Group"), Depth.DEEP)


def test_an_open_stage_of_somebody_without_the_role_any_more_is_handed_on(
    people: People, django_capture_on_commit_callbacks: Any
) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    with django_capture_on_commit_callbacks() as rung:
        lose_the_role(people, people.approver)
    assert REASSIGN in [bell.args[0] for bell in rung if isinstance(bell, partial)]
    tasks.reassign_departed()
    request.refresh_from_db()
    assert request.approver is None
    entry = ProvisioningLog.objects.get(action=Action.STAGE_ASSIGNED, environment_request=request)
    assert entry.action_details["instead_of"] == people.approver.upn
    assert entry.action_details["reason"] == "may not decide any more"
    told = OutboxMessage.objects.filter(event=Event.DECISION_NEEDED, reference=request.request_number)
    assert people.second_approver.pk in told.values_list("recipient", flat=True)


def test_who_has_the_role_again_before_anybody_came_keeps_the_stage(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    lose_the_role(people, people.approver)
    (left,) = left_behind(GATE_KIND)
    grant(people.approver, Role.APPROVER, people.tenant)
    assert not departures._hand_on(left)
    request.refresh_from_db()
    assert request.approver == people.approver


def test_all_who_may_are_asked_in_place_of_somebody_without_the_role(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    lose_the_role(people, people.approver)
    assert gates.expected_deciders(request.gate, request.gate.stages.get()) == [people.second_approver]


def test_stages_are_looked_through_with_as_many_queries_however_many_wait(
    people: People, django_assert_num_queries: Any
) -> None:
    for _ in range(3):
        make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    with django_assert_num_queries(5):
        assert left_behind(GATE_KIND) == []
