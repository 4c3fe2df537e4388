"""People look at what is sent in a real browser: the catalogue, the outbox, and what reaches themselves."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from accounts_app.roles import Role
from accounts_app.services import confirm_settings, propose_settings
from notifications_app.catalogue import Channel, Event
from notifications_app.choices import choices_of
from notifications_app.delivery import deliver_due
from notifications_app.models import OutboxMessage
from requests_app.choices import State, Zone
from tests.factories import make_people, make_request, make_user
from tests.flows.test_browser_walk import SignIn, sign_in  # noqa: F401 - a fixture
from tests.flows.test_forms_walk import accessible
from tests.notifications_app.test_outbox import RefusesForGood
from tests.screens import page_of

pytestmark = [pytest.mark.browser, pytest.mark.flow]


def test_who_is_told_what_was_not_delivered_and_what_one_chooses(transactional_db, sign_in: SignIn, settings) -> None:  # noqa: F811
    people = make_people()
    proposal = propose_settings(
        people.tenant.pk, by=people.governance_lead, values={"teams_webhook_secret": "ELM-Teams-Workflow"}
    )
    confirm_settings(proposal.pk, by=make_user(Role.GOVERNANCE_LEAD, people.tenant))
    make_request(State.REJECTED, people=people, zone=Zone.ZONE_2)
    settings.NOTIFICATIONS = "sink"
    deliver_due()
    settings.NOTIFICATIONS = "send"
    settings.EMAIL_BACKEND = f"{RefusesForGood.__module__}.{RefusesForGood.__name__}"
    make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    deliver_due()
    settings.NOTIFICATIONS = "sink"
    failed = OutboxMessage.objects.filter(status=OutboxMessage.Status.FAILED).earliest("created_at")
    card = OutboxMessage.objects.get(channel=Channel.TEAMS, event=Event.REJECTED)

    operator = sign_in(people.operator)
    operator.get_by_role("link", name="Notification catalogue").click()
    expect(operator.get_by_role("row", name="Break-glass account used")).to_contain_text("Governance Leads")
    accessible(operator)
    operator.goto(reverse("admin:notifications_app_outboxmessage_changelist"))
    expect(operator.get_by_text("This system sends nothing")).to_be_visible()
    operator.goto(page_of(card))
    expect(operator.get_by_text(f"mentioning {people.requester}")).to_be_visible()
    accessible(operator)
    operator.goto(page_of(failed))
    expect(operator.get_by_text("SMTPRecipientsRefused: 550 (1 of 8 attempts)")).to_be_visible()
    operator.get_by_role("link", name="Send again").click()
    operator.locator("#dialog").get_by_role("button", name="Send again").click()
    expect(operator.get_by_text("is sent again.")).to_be_visible()
    failed.refresh_from_db()
    assert failed.status == OutboxMessage.Status.QUEUED

    requester = sign_in(people.requester)
    requester.goto(reverse("my-notifications"))
    accessible(requester)
    requester.get_by_label("Request submitted: E-mail").uncheck()
    requester.get_by_role("button", name="Save").click()
    expect(requester.get_by_text("Request submitted, E-mail: off")).to_be_visible()
    assert not choices_of(people.requester)[Event.SUBMITTED, Channel.EMAIL]
