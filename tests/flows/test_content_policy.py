"""The main screens in a real browser, under the content security policy: nothing of theirs violates it."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Page

from audit_app.models import ProvisioningLog
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.factories import make_people, make_request
from tests.screens import LIST, client_of, page_of

pytestmark = [pytest.mark.browser, pytest.mark.flow]
LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation", event =>
    window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""
INLINE = "document.head.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = true'}))"


def violations(page: Page) -> list[str]:
    """Return what the page on show has violated, once it is at rest."""
    page.wait_for_load_state("networkidle")
    return page.evaluate("window.violations")


@pytest.fixture
def page_of_auditor(visit, live_server, transactional_db) -> Page:
    """A page in which an auditor is signed in, of a tenant in which something has happened."""
    people = make_people()
    for stage in (State.PENDING_APPROVAL, State.COMPLETED):
        make_request(stage, people=people, zone=Zone.ZONE_2)
    session = client_of(people.auditor).cookies["sessionid"].value
    context = visit()
    context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    context.add_init_script(LISTEN)
    return context.new_page()


def test_the_main_screens_violate_nothing_and_an_inline_script_does_not_run(page_of_auditor: Page) -> None:
    page = page_of_auditor
    request = EnvironmentRequest.objects.get(state=State.COMPLETED)
    entry = ProvisioningLog.objects.filter(environment_request=request).latest("sequence")
    addresses = [
        "/admin/",
        reverse(LIST),
        f"{reverse(LIST)}?q=REQ",
        page_of(request),
        page_of(request, "history"),
        page_of(entry),
        page_of(request.gate),
        page_of(request.tenant),
        page_of(request.tenant, "export_evidence"),
        "/nothing-here/",
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
