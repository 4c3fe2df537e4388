"""Labs 3 and 4 of the documents, sentence by sentence: people take turns at a browser and at the simulator's page."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import stamina
from django.urls import reverse
from playwright.sync_api import Page, expect

from audit_app.actions import Action
from provisioning_app.admin import live_run
from requests_app import services as requests
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.flows.walker import Desk, desk, say, visited, walk  # noqa: F401 - fixtures
from tests.microsoft import GROUP_NAME, World
from tests.screens import LIST, page_of, state_of

pytestmark = [pytest.mark.browser, pytest.mark.flow]
QUEUE = "admin:requests_app_environmentrequest_approvals"
Switch = Callable[[str], None]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a page follow its run at once, and a client give up soon."""
    monkeypatch.setattr(live_run, "EVERY_SECONDS", 1)
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture
def simulator_page(world: World, visit) -> Iterator[Page]:
    """The simulator's own page; the browser lets its certificate pass."""
    page = visit(ignore_https_errors=True).new_page()
    page.goto(world.simulator.ready["control"])
    yield page
    world.simulator.control("DELETE", "/scenarios")


def switch(page: Page, scenario: str) -> None:
    """Press the button of a scenario, which turns it on or off."""
    was_on = page.get_by_role("button", name=scenario).get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name=scenario).click()
    expect(page.get_by_role("button", name=scenario, pressed=not was_on)).to_be_visible()


def approve(page: Page, name: str) -> None:
    """Open a request from the queue, and approve it on its brief."""
    page.goto(reverse(QUEUE))
    page.get_by_role("row").filter(has_text=name).get_by_role("link").click()
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.get_by_text("your decision is recorded")).to_be_visible()


def open_request(page: Page, name: str) -> None:
    """Find a request by the name of its environment."""
    page.goto(f"{reverse(LIST)}?q={name}")
    page.locator("#result_list").get_by_role("link", name="REQ-").click()


def test_lab_3_provisioning(
    world: World,
    desk: Desk,  # noqa: F811 - a fixture
    simulator_page: Page,
    quick: None,
) -> None:
    outage, lost = (world.pending(Zone.ZONE_2, environment_name=f"CLM-Lab{number}-PROD") for number in (3, 4))
    an_outage(world, desk, simulator_page, outage)
    lost_answers(world, desk, simulator_page, lost)
    a_credential_that_expired(world, desk, simulator_page, outage)


def an_outage(world: World, desk: Desk, simulator_page: Page, request: EnvironmentRequest) -> None:  # noqa: F811
    people = world.people
    switch(simulator_page, "Power Platform is down")
    approve(desk(people.approver).page, "CLM-Lab3-PROD")
    world.run_until_settled()
    operator = desk(people.operator)
    page = operator.at(reverse("operations"))
    expect(page.get_by_text("does not answer well")).to_be_visible()
    open_request(page, "CLM-Lab3-PROD")
    expect(page.get_by_role("status")).to_have_text("It failed at step 1 of 11, Preflight.")
    expect(page.get_by_text("Provisioning failed: GET")).to_contain_text("503 ServiceUnavailable")
    assert world.environments == []  # nothing was created
    switch(simulator_page, "Power Platform is down")
    page.get_by_role("tabpanel", name="Provisioning").get_by_role("button", name="Retry").click()
    say(operator, "Retry", "The outage is over.")
    expect(page.get_by_role("status")).to_contain_text("It waits for a free slot")
    world.run_until_settled()
    expect(page.locator("#request-state")).to_have_text("Completed")
    expect(page.locator("#live-run li.done")).to_have_count(11)
    page.get_by_role("link", name="Show the rest of this page as it is now").click()
    page.get_by_role("tab", name="Audit Trail").click()
    for entry in ("ProvisioningFailed", "RetryRequested", "ProvisioningCompleted"):
        expect(page.get_by_role("link", name=entry, exact=True)).to_be_visible()


def lost_answers(world: World, desk: Desk, simulator_page: Page, request: EnvironmentRequest) -> None:  # noqa: F811
    switch(simulator_page, "Lost responses")
    approve(desk(world.people.approver).page, "CLM-Lab4-PROD")
    world.run_until_settled()
    switch(simulator_page, "Lost responses")
    assert state_of(request) == State.COMPLETED
    expect(simulator_page.get_by_role("cell", name="CLM-Lab4-PROD", exact=True)).to_have_count(1)
    page = desk(world.people.auditor).at(page_of(world.people.tenant, "questions"))
    page.get_by_role("link", name="Which environments exist that nobody has asked for?").click()
    expect(page.get_by_text("Every environment in the register has a request.")).to_be_visible()


def a_credential_that_expired(world: World, desk: Desk, simulator_page: Page, like: EnvironmentRequest) -> None:  # noqa: F811
    people = world.people
    page = desk(people.requester).at(page_of(like))
    page.get_by_role("link", name="Copy to new").click()
    page.get_by_role("dialog").get_by_role("button", name="Copy to new").click()
    page.get_by_role("link", name="Change: Name and reason").click()
    page.get_by_label("What should it be called?").fill("CLM-Lab5-PROD")
    page.get_by_role("button", name="Save and continue").click()
    page.get_by_role("button", name="Save and continue").click()
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("is submitted.")).to_be_visible()
    switch(simulator_page, "Expired secret")
    approve(desk(people.approver).page, "CLM-Lab5-PROD")
    world.run_until_settled()
    operator = desk(people.operator)
    operator.at(reverse("admin:accounts_app_tenant_changelist"))
    expect(page.get_by_text("Halted", exact=True)).to_be_visible()
    switch(simulator_page, "Expired secret")
    page.get_by_role("link", name=people.tenant.name, exact=True).click()
    page.get_by_role("link", name="Resume").click()
    say(operator, "Resume", "The credential is in force again.")
    expect(page.get_by_text(f"Provisioning in {people.tenant.name} goes on.")).to_be_visible()
    open_request(page, "CLM-Lab5-PROD")
    page.get_by_role("tabpanel", name="Provisioning").get_by_role("button", name="Retry").click()
    say(operator, "Retry", "The credential is in force again.")
    expect(page.get_by_text("is tried again.")).to_be_visible()
    world.run_until_settled()
    expect(page.locator("#request-state")).to_have_text("Completed")


def ask_for(page: Page, *answers: str, name: str) -> None:
    """Answer the first three steps of the guided form."""
    page.goto(reverse("admin:requests_app_environmentrequest_new"))
    for answer in answers[:2]:
        page.get_by_label(answer).check()
    page.get_by_role("button", name="Continue").click()
    for answer in answers[2:]:
        page.get_by_label(answer).check()
    page.get_by_role("button", name="Save and continue").click()
    page.get_by_label("What should it be called?").fill(name)
    page.get_by_label("What does the business need it for?").fill("The lab shows how an environment is asked for.")
    page.get_by_role("button", name="Save and continue").click()


def submit(page: Page) -> None:
    """Leave the step about zone and access, and submit."""
    page.get_by_role("button", name="Save and continue").click()
    page.get_by_role("button", name="Submit").click()


def test_lab_4_end_to_end(
    world: World,
    desk: Desk,  # noqa: F811 - a fixture
    quick: None,
) -> None:
    a_request_of_zone_1(world, desk)
    request = a_request_of_zone_3(world, desk)
    a_request_that_is_refused(world, desk)
    the_audit_trail(world, desk, request)


def a_request_of_zone_1(world: World, desk: Desk) -> None:  # noqa: F811 - a fixture, handed on
    page = desk(world.people.requester).page
    ask_for(page, "Sandbox", "Europe", "Internal", "None of these", "Just me", name="TRS-Lab4Zone1-DEV")
    expect(page.locator("#zone")).to_contain_text("Zone 1")
    expect(page.locator("#zone")).to_contain_text("Needs no security group.")
    submit(page)
    expect(page.get_by_text("is submitted.")).to_be_visible()
    requests.approve_by_policy(EnvironmentRequest.objects.get(environment_name="TRS-Lab4Zone1-DEV").pk)
    world.run_until_settled()
    page.reload()
    expect(page.locator("#request-state")).to_have_text("Completed")


def a_request_of_zone_3(world: World, desk: Desk) -> EnvironmentRequest:  # noqa: F811 - a fixture, handed on
    people, name = world.people, "CLM-Lab4Zone3-PROD"
    page = desk(people.requester).page
    answers = ("Confidential", "Personal data of customers", "Financial transactions", "Small team")
    ask_for(page, "Production", "Europe", *answers, name=name)
    for said in ("Zone 3", "It processes customer data", "It handles financial transactions"):
        expect(page.locator("#zone")).to_contain_text(said)
    page.get_by_label("Why are these answers right?").fill("Customers are paid from it.")
    page.get_by_label("Which security group gets access?").press_sequentially("SG-Claims")
    page.get_by_label(GROUP_NAME).check()
    submit(page)
    expect(page.get_by_text("someone else must decide")).to_be_visible()
    expect(page.get_by_role("link", name="Approve")).to_be_hidden()
    request = EnvironmentRequest.objects.get(environment_name=name)

    approver = desk(people.approver)
    approve(page, name)
    expect(page.get_by_text("It waits for the next decision.")).to_be_visible()
    approver.at(page_of(request))
    expect(page.get_by_text("Stage 2, ELM Compliance Officer: open")).to_be_visible()
    desk(people.compliance_officer)
    approve(page, name)
    expect(page.get_by_text("it is approved now")).to_be_visible()

    world.run_until_settled()
    page = desk(people.requester).at(page_of(request))
    page.get_by_role("tab", name="Provisioning").click()
    for summary in page.locator("#live-run summary").all():
        summary.click()
    steps = page.locator("#live-run")
    for setting, value in (
        ("protectionLevel", "Standard"),
        ("environment group", "FSI-Enterprise-Production"),
        ("auditretentionperiodv2", "2557"),
        ("sessiontimeoutinmins", "120"),
    ):
        row = steps.get_by_role("row").filter(has_text=setting).first
        expect(row.get_by_role("cell", name=value, exact=True).last).to_be_visible()
    planned = page.get_by_role("region", name=f"Summary of {request.request_number}")
    for value in ("FSI-Enterprise-Production", "2557 days", "120 minutes"):
        expect(planned.get_by_text(value, exact=True)).to_be_visible()
    return request


def a_request_that_is_refused(world: World, desk: Desk) -> None:  # noqa: F811 - a fixture, handed on
    people, name = world.people, "CLM-Lab4Refused-PROD"
    page = desk(people.requester).page
    ask_for(page, "Production", "Europe", "Confidential", "None of these", "Small team", name=name)
    page.get_by_label("Why are these answers right?").fill("Contracts are in it.")
    page.get_by_label("Which security group gets access?").press_sequentially("SG-Nobody")
    expect(page.get_by_text("No security group begins with “SG-Nobody”.")).to_be_visible()
    submit(page)
    expect(page.get_by_text("It was not submitted:")).to_be_visible()
    expect(page.get_by_text("Microsoft Entra has no group 'SG-Nobody'")).to_be_visible()
    assert EnvironmentRequest.objects.get(environment_name=name).state == State.DRAFT
    desk(people.operator).at(reverse("admin:notifications_app_outboxmessage_changelist"))
    expect(page.get_by_role("cell", name="CLM-Lab4Zone3-PROD is ready").first).to_be_visible()


def the_audit_trail(world: World, desk: Desk, request: EnvironmentRequest) -> None:  # noqa: F811
    page = desk(world.people.auditor).at(page_of(request))
    page.get_by_role("tab", name="Audit Trail").click()
    trail = page.get_by_role("tabpanel", name="Audit Trail")
    for entry in (
        "ProvisioningStarted",
        "EnvironmentCreated",
        "ManagedEnabled",
        "SharingLimitsConfigured",
        "GroupAssigned",
        "AuditingConfigured",
        "SessionTimeoutConfigured",
        "ProvisioningCompleted",
    ):
        expect(trail.get_by_role("link", name=entry, exact=True)).to_be_visible()
    trail.get_by_role("link", name="GroupAssigned").click()
    entry = request.log_entries.get(action=Action.GROUP_ASSIGNED)
    expect(page.get_by_text(f"({entry.actor})")).to_be_visible()
    expect(page.get_by_text(str(request.runs.get().pk), exact=True)).to_be_visible()
