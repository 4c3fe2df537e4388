"""The content security policy in a real browser; that no screen of ours violates it is looked at in every walk."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.factories import make_people, make_request
from tests.flows.walker import LISTEN
from tests.screens import client_of, page_of

pytestmark = [pytest.mark.browser, pytest.mark.flow]
INLINE = "document.head.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = true'}))"


def violations(page: Page) -> list[str]:
    """Return what the page on show has violated, once it is at rest."""
    page.wait_for_load_state("networkidle")
    return page.evaluate("window.violations")


@pytest.fixture
def page_of_auditor(visit, live_server, transactional_db) -> Page:
    """A page in which an auditor is signed in, of a tenant in which something has happened."""
    people = make_people()
    make_request(State.COMPLETED, people=people, zone=Zone.ZONE_2)
    session = client_of(people.auditor).cookies["sessionid"].value
    context = visit()
    context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    context.add_init_script(LISTEN)
    return context.new_page()


def test_the_main_screens_violate_nothing_and_an_inline_script_does_not_run(page_of_auditor: Page) -> None:
    page = page_of_auditor
    request = EnvironmentRequest.objects.get(state=State.COMPLETED)
    addresses = [
        "/admin/",
        page_of(request.gate),
    ]
    found = {}
    for address in addresses:
        page.goto(address)
        found[address] = violations(page)
    page.goto(page_of(request.tenant))
    page.get_by_role("link", name="Review access").click()
    page.locator("#dialog").get_by_role("button", name="Review access").wait_for()
    found["dialog"] = violations(page)
    assert {address: seen for address, seen in found.items() if seen} == {}

    page.evaluate(INLINE)
    (seen,) = violations(page)
    assert seen.startswith("script-src-elem inline")
    assert page.evaluate("window.ran") is None
