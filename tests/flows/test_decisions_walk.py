"""What people decide and take back, pressed button by button in a real browser: one bank, one server."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from requests_app import services
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.factories import make_request
from tests.flows.test_browser_walk import SignIn, sign_in  # noqa: F401 - a fixture
from tests.screens import page_of, state_of

pytestmark = [pytest.mark.browser, pytest.mark.flow]
QUEUE = "/admin/requests_app/environmentrequest/approvals/"


def press(page: Page, verb: str, label: str, **said: str) -> None:
    """Press the button of a verb, fill its dialog and confirm it."""
    page.locator(f'a[hx-get*="/{verb}/"]').first.click()
    dialog = page.locator("#dialog")
    for name, words in said.items():
        dialog.locator(f"[name={name}]").fill(words)
    dialog.get_by_role("button", name=label).click()


def test_reject_hand_over_reassign_withdraw_copy_and_rule_on_a_dispute(
    world,
    sign_in: SignIn,  # noqa: F811 - a fixture
) -> None:
    people = world.people
    one, two, alone, moved, passed_on, own = (world.pending(Zone.ZONE_2) for _ in range(6))
    draft = make_request(people=people, zone=Zone.ZONE_2)
    dispute = services.dispute_zone(draft.pk, by=people.requester, wanted=Zone.ZONE_1, rationale="It is made up.")

    approver = sign_in(people.approver)
    approver.goto(QUEUE)
    for each in (one, two):
        approver.get_by_label(f"Choose {each.request_number}").check()
    approver.get_by_role("button", name="Reject …").click()
    approver.get_by_text(f"Everything that a decision on {one.request_number} binds to").click()
    expect(approver.get_by_text(one.zone_rationale).first).to_be_visible()
    approver.get_by_role("button", name="Reject the ticked").click()
    expect(approver.get_by_text("Say why, so that each requester knows what to change.")).to_be_visible()
    approver.get_by_label("Your words, for all of them").fill("Use the shared environment.")
    approver.get_by_role("button", name="Reject the ticked").click()
    expect(approver.get_by_text("✓ decided")).to_have_count(2)

    approver.goto(page_of(alone, "brief"))
    approver.get_by_label("Your words").fill("There is one already.")
    approver.get_by_role("button", name="Reject", exact=True).click()
    expect(approver.get_by_text("your decision is recorded. It is rejected now.")).to_be_visible()
    assert {state_of(each) for each in (one, two, alone)} == {State.REJECTED}

    approver.goto(page_of(moved, "brief"))
    approver.get_by_text("Somebody else should decide").click()
    approver.get_by_label("To whom?").select_option(label=str(people.second_approver))
    approver.get_by_role("button", name="Hand over").click()
    expect(approver.get_by_text(f"assigned to {people.second_approver}").first).to_be_visible()
    approver.goto(page_of(passed_on))
    press(approver, "reassign", "Reassign", person=people.second_approver.upn)
    expect(approver.get_by_text(f"is assigned to {people.second_approver}").first).to_be_visible()

    requester = sign_in(people.requester)
    requester.goto(page_of(own))
    press(requester, "withdraw", "Withdraw")
    expect(requester.get_by_text("is withdrawn.")).to_be_visible()
    press(requester, "copy", "Copy to new")
    expect(requester.get_by_text(f"This is a copy of {own.request_number}.")).to_be_visible()
    assert EnvironmentRequest.objects.filter(environment_name=own.environment_name, state=State.DRAFT).exists()

    lead = sign_in(people.governance_lead)
    lead.goto(QUEUE)
    lead.get_by_role("link", name=draft.request_number).click()
    press(lead, "lower", "Lower the zone", comment="No data of customers is in it.")
    expect(lead.get_by_text("The zone is lowered.")).to_be_visible()
    dispute.refresh_from_db()
    draft.refresh_from_db()
    assert (dispute.closed_at is not None, draft.zone) == (True, Zone.ZONE_1)
