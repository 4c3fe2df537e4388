"""What people hear of: the catalogue, their own choice of channels, and what nobody may switch off."""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounts_app.roles import Role
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from core_app.errors import InvalidInputError
from notifications_app.catalogue import CATALOGUE, Channel, Event
from notifications_app.choices import PAIRS, choices_of, choose
from notifications_app.models import OutboxMessage
from requests_app.choices import State, Zone
from tests.factories import make_request, make_user
from tests.screens import client_of

pytestmark = pytest.mark.django_db
MINE, ALL = reverse("my-notifications"), reverse("notification-catalogue")


def off(*events, channel=Channel.EMAIL):
    return {(event, channel): False for event in events}


def mailed(event):
    return set(OutboxMessage.objects.filter(event=event).values_list("recipient__upn", flat=True))


def test_a_person_hears_of_nothing_they_switched_off_until_they_switch_it_on_again(people):
    assert choose(people.requester, off(Event.SUBMITTED)) == ["Request submitted, E-mail: off"]
    assert choose(people.requester, off(Event.SUBMITTED)) == []
    make_request(State.PENDING_APPROVAL, people=people)
    assert mailed(Event.SUBMITTED) == set()
    assert mailed(Event.OBJECTION_WINDOW) >= {people.approver.upn}

    choose(people.requester, {(Event.SUBMITTED, Channel.EMAIL): True})
    make_request(State.PENDING_APPROVAL, people=people)
    assert mailed(Event.SUBMITTED) == {people.requester.upn}
    entries = ProvisioningLog.objects.filter(action=Action.NOTIFICATIONS_CHOSEN, actor=people.requester.upn)
    assert [entry.action_details for entry in entries.order_by("sequence")] == [
        {"off": ["submitted:email"], "on": []},
        {"off": [], "on": ["submitted:email"]},
    ]


@pytest.mark.parametrize("event", [Event.BREAK_GLASS, Event.LOG_VERIFICATION_FAILED, Event.TENANT_HALTED])
def test_nobody_switches_off_what_they_have_to_know(people, event):
    with pytest.raises(InvalidInputError, match="cannot be switched off: whoever is told has to know of it"):
        choose(people.governance_lead, {**off(event), **off(Event.SUBMITTED)})
    assert all(choices_of(people.governance_lead).values()), "nothing was stored"
    assert not ProvisioningLog.objects.filter(action=Action.NOTIFICATIONS_CHOSEN).exists()


def test_the_only_person_who_may_decide_goes_on_hearing_of_it(people):
    with pytest.raises(InvalidInputError, match="you are the only ELM Compliance Officer of Group"):
        choose(people.compliance_officer, off(Event.DECISION_NEEDED))
    for approver in (people.approver, people.second_approver):
        choose(approver, off(Event.DECISION_NEEDED))  # there are two of them

    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)

    assert mailed(Event.DECISION_NEEDED) == {request.approver.upn}, "or else nobody would have heard of it"


def test_what_is_no_event_or_has_no_such_channel_cannot_be_chosen(people):
    with pytest.raises(InvalidInputError, match="no commented through teams"):
        choose(people.requester, off(Event.COMMENTED, channel=Channel.TEAMS))


def test_the_page_offers_what_concerns_ones_roles_and_stores_what_is_ticked(people):
    client = client_of(people.requester)
    page = client.get(MINE)
    offered = {row.event for row in page.context["events"]}
    assert {Event.SUBMITTED, Event.READY, Event.SHARED} <= offered
    assert not offered & {Event.TENANT_HALTED, Event.BREAK_GLASS, Event.REMINDER}
    shown = [offer.value for row in page.context["events"] for offer in row.offers if offer.value]
    ticked = [value for value in shown if value != "ready:email"]

    answer = client.post(MINE, {"shown": shown, "on": ticked}, follow=True)

    assert [str(message) for message in answer.context["messages"]] == ["Environment ready, E-mail: off"]
    chosen = choices_of(people.requester)
    assert [pair for pair in PAIRS if not chosen[pair]] == [(Event.READY, Channel.EMAIL)]
    assert "Nothing was changed" in client.post(MINE, {"shown": ["x:y"]}, follow=True).content.decode()

    refused = client_of(people.operator).post(MINE, {"shown": ["tenant_halted:email"]})
    assert refused.status_code == 200
    assert "“Provisioning halted” cannot be switched off" in refused.content.decode()
    assert "You have no role here" in client_of(make_user(None, people.unit)).get(MINE).content.decode()


@pytest.mark.parametrize("role", Role)
def test_everybody_with_a_role_reads_the_catalogue(people, role):
    at = people.unit if role in (Role.REQUESTER, Role.APPROVER) else people.tenant
    page = client_of(make_user(role, at)).get(ALL)
    assert page.status_code == 200
    if role == Role.REQUESTER:  # the same page for all
        text = page.content.decode()
        assert [line.event for line in page.context["lines"]] == list(CATALOGUE)
        assert all(str(event.label) in text for event in Event)
        assert client_of(make_user(None, people.unit)).get(ALL).status_code == 403
