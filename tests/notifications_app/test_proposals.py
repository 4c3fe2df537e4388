"""Who is told that settings wait for a second person."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection

from accounts_app.roles import Role
from accounts_app.services import confirm_settings, propose_settings
from notifications_app import tasks
from notifications_app.models import OutboxMessage
from tests.factories import make_people, make_user

pytestmark = pytest.mark.django_db


def test_those_who_may_confirm_proposed_settings_are_told_once(people):
    make_people()
    lead, other = people.governance_lead, make_user(Role.GOVERNANCE_LEAD, people.tenant)
    make_user(Role.GOVERNANCE_LEAD, people.tenant, entra_object_id=lead.entra_object_id)
    proposal = propose_settings(people.tenant.pk, by=lead, values={"poll_limit": 60})

    tasks.deliver()
    tasks.deliver()

    message = OutboxMessage.objects.get(event="settings_proposed")
    assert message.recipient == other
    assert message.subject == f"{proposal} await a second person"
    assert str(lead) in message.body


def test_a_proposal_that_cannot_be_announced_keeps_no_other_waiting(people):
    proposals = [
        propose_settings(each.tenant.pk, by=each.governance_lead, values={}) for each in (people, make_people())
    ]
    for proposal in proposals:
        make_user(Role.GOVERNANCE_LEAD, proposal.tenant)

    def full(execute, sql, params, many, context):
        if sql.startswith("INSERT") and str(proposals[0]) in str(params):
            raise OperationalError("The disk is full.")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(full):
        tasks.deliver()

    assert OutboxMessage.objects.get(event="settings_proposed").tenant == proposals[1].tenant


def test_nobody_is_told_of_what_is_decided_already(people):
    other = make_user(Role.GOVERNANCE_LEAD, people.tenant)
    proposal = propose_settings(people.tenant.pk, by=people.governance_lead, values={"poll_limit": 60})
    confirm_settings(proposal.pk, by=other)

    tasks.deliver()

    assert not OutboxMessage.objects.filter(event="settings_proposed").exists()
