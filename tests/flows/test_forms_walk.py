"""The guided form by keyboard alone, the approver's pages in the dark and on a phone: walked in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.flows.test_browser_walk import SignIn, sign_in  # noqa: F401 - a fixture
from tests.flows.walker import accessible
from tests.microsoft import GROUP_NAME

pytestmark = [pytest.mark.browser, pytest.mark.flow]

FOCUSED = """(() => {
    const focused = document.activeElement;
    return focused.matches("a, button") && focused.innerText || focused.name || "";
})()"""


def tab_to(page: Page, wanted: str) -> None:
    """Press Tab until what has this name, or reads like this, has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if re.search(rf"(^|\W){re.escape(wanted)}($|\W)", page.evaluate(FOCUSED)):
            return
    raise AssertionError(f"{wanted} cannot be reached with the keyboard")


def press(page: Page, wanted: str, *keys: str) -> None:
    """Go to something and press keys there."""
    tab_to(page, wanted)
    for key in keys or ("Enter",):
        page.keyboard.press(key)


def write(page: Page, wanted: str, text: str) -> None:
    """Go to a field and type, in place of what stands there."""
    tab_to(page, wanted)
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def test_a_request_by_keyboard_a_question_its_answer_and_decisions_one_by_one_and_together(
    world,
    sign_in: SignIn,  # noqa: F811 - a fixture
) -> None:
    people = world.people
    others = [world.pending(Zone.ZONE_2) for _ in range(2)]

    # The guided form: five steps, no mouse
    requester = sign_in(people.requester)
    zone = requester.locator("#zone")
    press(requester, "New request")
    expect(requester.get_by_role("heading", name="Purpose")).to_be_visible()
    press(requester, "environment_type", "Space", "ArrowDown")
    expect(zone).to_contain_text("Zone 2")  # Production, so far
    press(requester, "region", "ArrowDown")
    press(requester, "Continue")
    expect(requester.get_by_role("heading", name="Data and people")).to_be_visible()
    press(requester, "data_sensitivity", "ArrowUp")
    expect(zone).to_contain_text("The data is Restricted")
    press(requester, "involves", "Space")
    press(requester, "expected_users", "ArrowDown")
    expect(zone).to_contain_text("process no customer data and use data that is Confidential at most")
    accessible(requester)
    press(requester, "Save and continue")
    expect(requester.get_by_text("Saved as draft")).to_be_visible()
    write(requester, "environment_name", "claims intake")
    expect(requester.locator("#name-check")).to_contain_text("does not follow the convention")
    requester.keyboard.press("Control+a")
    requester.keyboard.type("FIN-Keyboard-PROD")
    expect(requester.locator("#name-check")).to_contain_text("FIN-Keyboard-PROD follows the convention and is free")
    press(requester, "Save and continue")
    expect(requester.get_by_role("alert")).to_contain_text("This cannot stay empty")
    write(requester, "business_justification", "Claims handlers automate the intake of paper claims.")
    press(requester, "Save and continue")
    expect(requester.get_by_role("heading", name="Zone and access")).to_be_visible()
    write(requester, "zone_rationale", "The data inventory lists the claims system as Restricted.")
    write(requester, "group", GROUP_NAME[:5])
    expect(requester.get_by_label(GROUP_NAME)).to_be_visible()
    press(requester, "group_found", "Space")
    accessible(requester)
    press(requester, "Save and continue")
    expect(requester.get_by_role("heading", name="Check what you said")).to_be_visible()
    press(requester, "Submit")
    expect(requester.get_by_text("is submitted.")).to_be_visible()
    request = EnvironmentRequest.objects.get(environment_name="FIN-Keyboard-PROD")
    assert (request.state, request.zone, request.security_group_id) == (
        State.PENDING_APPROVAL,
        Zone.ZONE_3,
        world.group_id,
    )

    # The queue, the brief, a question
    approver = sign_in(people.approver)
    approver.get_by_role("link", name="Approvals").click()
    accessible(approver)
    approver.get_by_role("link", name=request.request_number).click()
    for heading in ("Why Zone 3", "What will be created", "The nearest past decisions", "Segregation of duties"):
        expect(approver.get_by_role("heading", name=heading)).to_be_visible()
    accessible(approver)
    approver.get_by_role("link", name="Help").click()
    expect(approver.get_by_role("heading", name="The decision brief", exact=True)).to_be_in_viewport()
    accessible(approver)
    approver.emulate_media(color_scheme="dark")
    accessible(approver)
    approver.go_back()
    approver.get_by_role("button", name="Ask for information").click()
    expect(approver.get_by_text("Write what you want to know.")).to_be_visible()
    approver.get_by_label("Your words").fill("Who looks after the data?")
    approver.get_by_role("button", name="Ask for information").click()
    expect(approver.get_by_text("The clock stands still: the requester is asked")).to_be_visible()
    requester.reload()
    expect(requester.get_by_text("You are asked something before this is decided.")).to_be_visible()
    requester.get_by_role("link", name="Answer").click()
    requester.locator("#dialog textarea[name=text]").fill("The claims desk does.")
    requester.locator("#dialog").get_by_role("button", name="Answer").click()
    expect(requester.get_by_text("Your answer is sent.")).to_be_visible()
    approver.reload()
    expect(approver.get_by_text("The claims desk does.")).to_be_visible()
    approver.get_by_label("Your words").fill("Needed this quarter.")
    approver.get_by_role("button", name="Approve", exact=True).click()
    expect(approver.get_by_text("your decision is recorded")).to_be_visible()

    # Two at once, of which one was decided meanwhile
    for other in others:
        approver.get_by_label(f"Choose {other.request_number}").check()
    approver.get_by_role("button", name="Approve …").click()
    expect(approver.get_by_text("you may decide")).to_have_count(2)
    approver.get_by_label(f"Decide on {others[1].request_number}").uncheck()
    approver.get_by_role("button", name="Approve the ticked").click()
    expect(approver.get_by_text("✓ decided")).to_have_count(1)
    assert [EnvironmentRequest.objects.get(pk=each.pk).state for each in others] == [
        State.APPROVED,
        State.PENDING_APPROVAL,
    ]

    # The second stage, in the dark on a phone
    officer = sign_in(people.compliance_officer)
    officer.set_viewport_size({"width": 390, "height": 844})
    officer.emulate_media(color_scheme="dark")
    officer.goto("/admin/requests_app/environmentrequest/approvals/")
    accessible(officer)
    officer.get_by_role("link", name=request.request_number).click()
    accessible(officer)
    officer.get_by_role("link", name="Go to the decision").click()
    officer.get_by_role("button", name="Approve", exact=True).click()
    expect(officer.get_by_text("it is approved now")).to_be_visible()
    assert EnvironmentRequest.objects.get(pk=request.pk).state == State.APPROVED
