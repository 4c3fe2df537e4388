"""A request walked by people in a real browser, with no script error and within the content security policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from accounts_app.models import User
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.factories import PASSWORD, make_request
from tests.microsoft import GROUP_NAME

pytestmark = [pytest.mark.browser, pytest.mark.flow]

SignIn = Callable[[User], Page]


@pytest.fixture
def sign_in(visit) -> Iterator[SignIn]:
    """Open a browser of their own for each person; at the end none of them may have seen an error."""
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    def opened(user: User) -> Page:
        User.objects.filter(pk=user.pk).update(is_staff=True)
        page = visit().new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/admin/requests_app/environmentrequest/")
        page.fill("input[name=username]", user.upn)
        page.fill("input[name=password]", PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("#tabs-items")).to_be_visible()
        return page

    yield opened
    assert complaints == []


def confirm(page: Page, verb: str, comment: str = "") -> None:
    """Press a button, fill its dialog and confirm it."""
    page.get_by_role("link", name=verb, exact=False).click()
    dialog = page.locator("#dialog")
    if comment:
        dialog.locator("textarea[name=comment]").fill(comment)
    dialog.get_by_role("button", name=verb).click()


def open_request(page: Page, view: str, number: str) -> None:
    """Find a request in a saved view and open it."""
    page.goto("/admin/requests_app/environmentrequest/")
    page.locator("#tabs-items").get_by_role("link", name=view).click()
    page.get_by_role("link", name=number).click()


def test_a_production_environment_from_the_empty_form_to_completed(world, sign_in: SignIn) -> None:
    people = world.people
    requester = sign_in(people.requester)

    requester.goto("/admin/requests_app/environmentrequest/add/")
    requester.fill("input[name=environment_name]", "FIN-ClaimsIntake-PROD")
    requester.select_option("select[name=environment_type]", label="Production")
    requester.select_option("select[name=region]", label="Europe")
    requester.fill("textarea[name=business_justification]", "Claims handlers automate the intake of paper claims.")
    requester.get_by_role("button", name="Save").click()
    # The answers that the zone follows from were left out: the form comes back on their tab and has kept the rest
    expect(requester.get_by_text("This field is required.").first).to_be_visible()
    expect(requester.locator("input[name=environment_name]")).to_have_value("FIN-ClaimsIntake-PROD")
    requester.select_option("select[name=data_sensitivity]", label="Restricted")
    requester.select_option("select[name=expected_users]", label="Large team (11-50)")
    requester.locator("label", has_text="Processes customer data").click()
    requester.fill("input[name=security_group_name]", GROUP_NAME)
    requester.get_by_role("button", name="Save").click()
    expect(requester.get_by_text("Why Zone 3")).to_be_visible()

    confirm(requester, "Submit")
    expect(requester.get_by_text("Zone rationale: Zone 3 needs a rationale").first).to_be_visible()
    requester.get_by_text("Classification", exact=True).click()
    requester.fill("textarea[name=zone_rationale]", "The answers follow the data inventory.")
    requester.get_by_role("button", name="Save").click()
    expect(requester.get_by_text("Before it can be submitted")).to_be_hidden()
    confirm(requester, "Submit")
    expect(requester.get_by_text("is submitted.")).to_be_visible()
    expect(requester.get_by_text("someone else must decide")).to_be_visible()
    expect(requester.get_by_role("link", name="Approve")).to_be_hidden()
    request = EnvironmentRequest.objects.get(environment_name="FIN-ClaimsIntake-PROD")
    assert request.security_group_id == world.group_id

    approver = sign_in(people.approver)
    open_request(approver, "Pending My Approval", request.request_number)
    confirm(approver, "Approve", comment="Claims needs it this quarter.")
    expect(approver.get_by_text("Your approval is recorded.")).to_be_visible()
    expect(approver.get_by_text("You have already decided at this gate")).to_be_visible()

    officer = sign_in(people.compliance_officer)
    open_request(officer, "Pending My Approval", request.request_number)
    confirm(officer, "Approve")
    expect(officer.get_by_text("Your approval is recorded.")).to_be_visible()

    request.refresh_from_db()
    assert request.state == State.APPROVED
    assert [decision.decided_by for decision in request.gate.decisions.all()] == [
        people.approver,
        people.compliance_officer,
    ]
    world.run_until_settled()
    requester.reload()
    expect(requester.get_by_text("Completed", exact=True).first).to_be_visible()
    requester.get_by_text("Audit Trail", exact=True).click()
    expect(requester.get_by_role("link", name="ProvisioningCompleted", exact=True)).to_be_visible()


def test_a_rejection_needs_words_and_the_requester_reads_them(world, sign_in: SignIn) -> None:
    request = make_request(State.PENDING_APPROVAL, people=world.people, zone=Zone.ZONE_2)
    approver = sign_in(world.people.approver)
    open_request(approver, "Pending My Approval", request.request_number)

    confirm(approver, "Reject")
    expect(approver.locator("#dialog").get_by_text("This field is required.")).to_be_visible()
    approver.locator("#dialog textarea[name=comment]").fill("Use the shared environment.")
    approver.locator("#dialog").get_by_role("button", name="Reject").click()
    expect(approver.get_by_text("Your rejection is recorded.")).to_be_visible()

    requester = sign_in(world.people.requester)
    open_request(requester, "My Requests", request.request_number)
    expect(requester.get_by_text("Use the shared environment.").first).to_be_visible()
