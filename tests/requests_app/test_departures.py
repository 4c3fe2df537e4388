"""What a deactivated person was to decide goes to others, and the log says so."""

from __future__ import annotations

import pytest

from accounts_app.models import User
from accounts_app.people import deactivate
from accounts_app.roles import Role
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from notifications_app.catalogue import Event
from notifications_app.models import OutboxMessage
from requests_app import services, tasks
from requests_app.choices import State, Zone
from requests_app.services import departures
from tests.factories import People, decide, make_request

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
