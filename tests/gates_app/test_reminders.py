"""Reminder at half time, escalation at 48 or 72 hours, each once, over simulated weeks."""

from __future__ import annotations

import pytest

from accounts_app.roles import Role
from audit_app.actions import Action
from audit_app.verify import verify_log
from core_app.errors import PermissionRefused
from notifications_app.models import OutboxMessage
from requests_app import services
from requests_app.choices import State, Zone
from tests.factories import decide, make_request, make_user

pytestmark = pytest.mark.django_db


def live_through(clock, hours, every=0.5):
    """Let the sweep run every so many hours."""
    for _ in range(int(hours / every)):
        clock.advance(hours=every)
        services.remind_overdue()
        services.escalate_overdue()


def sent(event):
    return list(OutboxMessage.objects.filter(event=event).values_list("recipient__upn", flat=True))


@pytest.mark.parametrize(("zone", "hours"), [(Zone.ZONE_2, 48), (Zone.ZONE_3, 72)])
def test_each_reminder_and_escalation_is_sent_once_and_on_time(people, clock, zone, hours):
    request = make_request(State.PENDING_APPROVAL, people=people, zone=zone)
    live_through(clock, hours / 2 - 1)
    assert sent("reminder") == []
    live_through(clock, 1)
    assert sent("reminder") == [people.approver.upn]
    live_through(clock, hours / 2 - 1)
    assert sent("escalated") == []

    live_through(clock, 1)
    assert sorted(sent("escalated")) == sorted(
        [people.requester.upn, people.governance_lead.upn, people.approver.upn, people.second_approver.upn]
    )

    live_through(clock, 3 * 7 * 24, every=3)
    assert len(sent("reminder")) == 1
    assert len(sent("escalated")) == 4
    assert request.log_entries.filter(action=Action.REMINDER_SENT).count() == 1
    assert request.log_entries.filter(action=Action.ESCALATION_RAISED).count() == 1
    assert verify_log().ok


def test_escalation_makes_the_governance_lead_eligible(people, clock):
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    with pytest.raises(PermissionRefused):
        decide(request, people.governance_lead)
    live_through(clock, 49)

    request = decide(request, people.governance_lead)

    assert (request.state, request.approver) == (State.APPROVED, people.governance_lead)


def test_after_escalation_the_same_duties_bind_the_governance_lead(people, clock):
    twin = make_user(Role.GOVERNANCE_LEAD, people.tenant, entra_object_id=people.requester.entra_object_id)
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    live_through(clock, 49)

    with pytest.raises(PermissionRefused, match="asked for this yourself"):
        decide(request, twin)


def test_each_stage_has_its_own_clock(people, clock):
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_3)
    live_through(clock, 70)
    decide(request, people.approver)
    live_through(clock, 35)
    assert sent("reminder") == [people.approver.upn]

    live_through(clock, 2)

    assert set(sent("reminder")) == {people.approver.upn, people.compliance_officer.upn}
    assert sent("escalated") == []


def test_what_is_decided_or_withdrawn_is_not_chased(people, clock):
    decide(make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2), people.approver)
    other = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    services.withdraw(other.pk, by=people.requester)

    live_through(clock, 100)

    assert sent("reminder") == sent("escalated") == []


def test_an_unclaimed_stage_reminds_everyone_who_may_decide(people, clock):
    people.requester.manager = None
    people.requester.save()
    make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)

    live_through(clock, 25)

    assert sorted(sent("reminder")) == sorted([people.approver.upn, people.second_approver.upn])
