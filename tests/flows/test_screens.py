"""The people's screens in a real browser, as each role: overview, views, tabs, the live run, operations, exports."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts_app.models import User
from provisioning_app import liveness, services
from provisioning_app.admin import live_run, operations
from requests_app.choices import State, Zone
from tests.factories import make_request
from tests.flows.walker import LISTEN
from tests.microsoft import World
from tests.provisioning_app.reconciling import MANAGED, REFUSED
from tests.screens import LIST, client_of, page_of

pytestmark = [pytest.mark.browser, pytest.mark.flow]
MARK, MARKED = "document.body.dataset.marked = 'yes'", "document.body.dataset.marked"  # gone when a page is loaded anew

Browse = Callable[[User], Page]


@pytest.fixture
def browse(visit, live_server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browse]:
    """Open a browser for a person, who is signed in; at the end none of them may have seen an error or a violation."""
    for part in (live_run, operations):
        monkeypatch.setattr(part, "EVERY_SECONDS", 1)
    complaints: list[str] = []
    pages: list[Page] = []

    def opened(user: User) -> Page:
        session = client_of(user).cookies["sessionid"].value
        context = visit()
        context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        context.add_init_script(LISTEN)
        pages.append(page := context.new_page())
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield opened
    seen = [page.evaluate("window.violations") for page in pages]
    assert complaints == []
    assert [violations for violations in seen if violations != []] == []


def test_each_role_finds_what_it_looks_for(world: World, browse: Browse, tmp_path: Path) -> None:
    people = world.people
    pending = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_3)
    request = world.approved(Zone.ZONE_2)
    liveness.commit_tick()

    requester = browse(people.requester)
    follows_a_request_from_the_overview(requester, pending.request_number)
    requester.goto(page_of(request))
    expect(requester.get_by_role("status")).to_have_text("It waits for a free slot; its place in the queue is 1.")
    requester.evaluate(MARK)

    operator = browse(people.operator)
    operator.goto("/admin/")
    operator.get_by_role("link", name="Operations: queue, due runs and workers").click()
    expect(operator.get_by_text("Workers and beat are at work")).to_be_visible()
    expect(operator.locator(".queue")).to_contain_text(request.request_number)
    operator.evaluate(MARK)
    services.dispatch(people.tenant.pk)
    expect(operator.get_by_text("1 is due and waits for a worker.")).to_be_visible()
    assert operator.evaluate(MARKED) == "yes"

    the_run_is_followed_live(world, request, operator, requester)
    a_failed_run_is_sent_on(world, operator)
    the_approver_finds_what_waits_for_them(browse(people.approver), pending.request_number)
    the_auditor_takes_the_list(browse(people.auditor), tmp_path, pending.request_number)


def follows_a_request_from_the_overview(page: Page, number: str) -> None:
    """From a figure to the rows behind it, through the views, to a tab: with the keyboard alone, in the dark."""
    page.emulate_media(color_scheme="dark")
    page.goto("/admin/")
    expect(page.locator("html.dark")).to_be_attached()
    expect(page.get_by_role("heading", name="Requests by state")).to_be_visible()
    page.get_by_role("row", name="Pending approval").get_by_role("link").last.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name=number)).to_be_visible()
    page.get_by_role("link", name="Failed Requests 0").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("No request has failed.")).to_be_visible()
    page.get_by_role("link", name="My Requests 2").press("Enter")
    page.get_by_role("link", name=number).press("Enter")
    page.get_by_role("tab", name="Approval").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name="Audit Trail")).to_have_attribute("aria-selected", "true")
    trail = page.get_by_role("tabpanel", name="Audit Trail")
    expect(trail.get_by_role("link", name="RequestSubmitted")).to_be_visible()
    assert page.url.endswith("#audit-trail")
    page.reload()
    expect(trail).to_be_visible()


def the_run_is_followed_live(world: World, request, operator: Page, requester: Page) -> None:
    """Nobody loads a page anew: steps, state and headline follow by themselves, and what was opened stays open."""
    world.run_until_settled(stop=lambda: request.runs.filter(waiting_for__contains="creation").exists())
    operator.goto(page_of(request.runs.get()))
    operator.evaluate(MARK)
    expect(operator.get_by_text("Step 3 of 11, Await creation: waiting.")).to_be_visible()
    operator.get_by_text("7 settings read back").click()
    expect(requester.get_by_role("status")).to_have_text("Step 3 of 11, Await creation: waiting.")
    expect(requester.locator("#live-run li.done")).to_have_count(2)

    world.run_until_settled()

    expect(operator.get_by_text("It was completed in")).to_be_visible()
    expect(operator.get_by_text("requester is a member")).to_be_visible()  # within what was opened before
    expect(requester.get_by_role("status")).to_contain_text("It was completed in")
    expect(requester.locator("#request-state")).to_have_text("Completed")
    assert requester.locator("#live-run").get_attribute("hx-get") is None
    assert (operator.evaluate(MARKED), requester.evaluate(MARKED)) == ("yes", "yes")


def a_failed_run_is_sent_on(world: World, operator: Page) -> None:
    """From the failure of a run to its retry, which is followed at once."""
    world.fault(**MANAGED, **REFUSED)
    failed = world.provision(Zone.ZONE_2)
    operator.goto("/admin/")
    operator.get_by_role("list", name="Failed this week").get_by_role("link", name=failed.request_number).click()
    panel = operator.get_by_role("tabpanel", name="Provisioning")
    expect(panel.get_by_text("How far it had come: After Create, before Managed.")).to_be_visible()
    panel.get_by_role("button", name="Retry from Managed environment").click()
    dialog = operator.locator("#dialog")
    dialog.locator("textarea[name=reason]").fill("The platform was mended.")
    dialog.get_by_role("button", name="Retry").click()
    expect(operator.get_by_role("status")).to_contain_text("It waits for a free slot")
    world.run_until_settled()
    expect(operator.locator("#request-state")).to_have_text("Completed")


def the_approver_finds_what_waits_for_them(page: Page, number: str) -> None:
    """On a phone, where nothing is wider than the screen."""
    page.set_viewport_size({"width": 400, "height": 850})
    page.goto("/admin/")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.get_by_role("link", name="1 waits for you").click()
    expect(page.get_by_role("link", name="Pending My Approval 1")).to_have_class("active")
    expect(page.get_by_role("link", name=number)).to_be_visible()
    expect(page.get_by_role("link", name="Export")).to_be_hidden()


def the_auditor_takes_the_list(page: Page, folder: Path, number: str) -> None:
    page.goto(f"{reverse(LIST)}?view=pending")
    page.get_by_role("link", name="Export").click()
    expect(page.get_by_text("view: All Pending")).to_be_visible()
    page.get_by_text("NDJSON, one JSON object a line").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    download.value.save_as(folder / "list.zip")
    with zipfile.ZipFile(folder / "list.zip") as archive:
        manifest = json.loads(archive.read("manifest.json"))
        (row,) = archive.read("requests.ndjson").splitlines()
    assert (manifest["rows"], manifest["filter_in_words"]) == (1, ["view: All Pending"])
    assert json.loads(row)["request_number"] == number
