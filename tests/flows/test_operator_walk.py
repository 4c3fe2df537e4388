"""What an operator does about environments that something is wrong with, clicked in a real browser."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from provisioning_app.admin import live_run
from provisioning_app.choices import FindingKind
from requests_app.choices import State, Zone
from tests.flows.walker import Desk, Walker, desk, say, visited, walk  # noqa: F401 - fixtures
from tests.microsoft import World, WorldMaker
from tests.provisioning_app.reconciling import (
    RARE_LOOKS,
    SLOW_CREATION,
    enable_managed,
    failed_at_managed,
    findings_of,
    let_pass,
    make_environment,
    reconcile_now,
    vanish,
    with_one_clock,
)
from tests.screens import LIST, page_of, state_of

pytestmark = [pytest.mark.browser, pytest.mark.flow]
FINDINGS = "admin:provisioning_app_reconciliationfinding_changelist"


def test_attest_quarantine_release_and_adopt(
    make_world: WorldMaker,
    desk: Desk,  # noqa: F811 - a fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_run, "EVERY_SECONDS", 1)
    world = with_one_clock(make_world(**RARE_LOOKS))
    operator = desk(world.people.operator)
    what_was_not_done_in_the_portal_is_put_aside_and_accepted_once_it_is(world, operator)
    what_nobody_asked_for_is_listed_until_it_is_deleted(world, operator)
    what_appeared_late_is_adopted(world, desk)


def what_was_not_done_in_the_portal_is_put_aside_and_accepted_once_it_is(world: World, operator: Walker) -> None:
    request = failed_at_managed(world)
    page = operator.at(page_of(request))
    ways = page.get_by_role("tabpanel", name="Provisioning")

    ways.get_by_role("button", name="Attest").click()
    say(operator, "Attest", "I enabled it in the admin center.")
    expect(page.get_by_text("protectionLevel is Basic, not Standard")).to_be_visible()
    assert state_of(request) == State.FAILED

    ways.get_by_role("button", name="Quarantine").click()
    say(operator, "Quarantine", "Somebody has to look first.")
    expect(page.get_by_text(f"{request.environment_name} is quarantined.")).to_be_visible()
    expect(page.get_by_text("Somebody has to look first.")).to_be_visible()

    operator.at(f"{reverse(LIST)}?view=quarantined")
    page.get_by_role("link", name=request.request_number).click()
    expect(ways.get_by_text("The environment is quarantined: Somebody has to look first.")).to_be_visible()
    expect(ways.get_by_role("button")).to_have_text(["lock_openRelease"])
    ways.get_by_role("button", name="Release").click()
    say(operator, "Release", "It is ours, and empty.")
    expect(page.get_by_text(f"{request.environment_name} is released.")).to_be_visible()

    enable_managed(world, request)
    page.get_by_role("link", name=request.request_number).first.click()
    ways.get_by_role("button", name="Attest").click()
    say(operator, "Attest", "I enabled it in the admin center.")
    expect(page.get_by_text(f"{request.request_number} was read back and goes on.")).to_be_visible()
    world.run_until_settled()
    entries = ("EnvironmentQuarantined", "QuarantineReleased", "StepAttested", "ProvisioningCompleted")
    trail_of_what_has_completed(page, *entries)
    page.get_by_role("link", name="StepAttested").click()

    expect(page.get_by_text("I enabled it in the admin center.", exact=True)).to_be_visible()


def what_nobody_asked_for_is_listed_until_it_is_deleted(world: World, operator: Walker) -> None:
    environment_id = make_environment(world)
    reconcile_now()
    page = operator.at(reverse(FINDINGS))
    page.get_by_role("link", name="Environment without an owner").click()
    page.get_by_role("link", name="Nobody asked for this").click()
    expect(page.get_by_text("It was created by our service principal and belongs to no request.")).to_be_visible()
    expect(page.get_by_role("link", name="Release")).to_be_hidden()  # to whom?

    vanish(world, environment_id)
    reconcile_now()
    page.reload()
    expect(page.get_by_text("Deleted", exact=True)).to_be_visible()


def what_appeared_late_is_adopted(world: World, desk: Desk) -> None:  # noqa: F811 - a fixture, handed on
    world.simulator.control("POST", "/timing", {"tenant": str(world.tenant_id), **SLOW_CREATION})
    request = world.provision(Zone.ZONE_2)
    let_pass(world, minutes=20)
    reconcile_now()
    operator = desk(world.people.operator)  # hours have passed: nobody is signed in that long
    page = operator.at(reverse(FINDINGS))
    page.get_by_role("link", name="Environment appeared late").click()
    expect(page.get_by_text("Retry it to adopt it.")).to_be_visible()
    page.get_by_role("link", name=request.request_number).first.click()
    page.get_by_role("button", name="Retry and adopt").click()
    say(operator, "Retry", "It has appeared.")
    expect(page.get_by_text(f"{request.request_number} is tried again.")).to_be_visible()
    world.run_until_settled()
    trail_of_what_has_completed(page, "FindingOpened", "RetryRequested", "EnvironmentAdopted")

    assert len([each for each in world.environments if each["display_name"] == request.environment_name]) == 1
    reconcile_now()
    assert findings_of(world, FindingKind.ENVIRONMENT_APPEARED, resolved_at=None) == []


def trail_of_what_has_completed(page: Page, *entries: str) -> None:
    """See the run end while the page is open, then the rest of the page as it is by now."""
    expect(page.locator("#request-state")).to_have_text("Completed")
    page.get_by_role("link", name="Show the rest of this page as it is now").click()
    page.get_by_role("tab", name="Audit Trail").click()
    for entry in entries:
        expect(page.get_by_role("link", name=entry, exact=True).first).to_be_visible()
