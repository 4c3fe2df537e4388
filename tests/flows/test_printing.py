"""A request's evidence on paper: the page as it is printed, and the page in the package, with nothing cut off."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from evidence_app.dossier import dossier
from evidence_app.selection import of_request
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.factories import make_people, make_request
from tests.screens import client_of, page_of

pytestmark = [pytest.mark.browser, pytest.mark.flow]
PAPER = {"width": 680, "height": 1000}  # the width of A4 between its margins, in CSS pixels
TOO_WIDE = """() => [...document.querySelectorAll("table, dl, h1, h2")]
    .filter(each => each.getBoundingClientRect().right > innerWidth + 1).map(each => each.innerText.slice(0, 60))"""


@pytest.fixture
def request_(transactional_db) -> EnvironmentRequest:
    return make_request(State.COMPLETED, people=make_people(), zone=Zone.ZONE_3)


def printed(page: Page) -> None:
    page.set_viewport_size(PAPER)
    page.emulate_media(media="print", color_scheme="light")


def test_the_evidence_package_prints_without_navigation_and_buttons_and_is_not_cut(
    visit, live_server, request_: EnvironmentRequest
) -> None:
    auditor = request_.tenant.users.get(upn__startswith="auditor")
    context = visit()
    session = client_of(auditor).cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    page = context.new_page()
    page.goto(page_of(request_, "evidence_package"))
    button = page.get_by_role("button", name="Download the package")
    expect(button).to_be_visible()
    printed(page)
    expect(button).to_be_hidden()
    expect(page.locator("#nav-sidebar")).to_be_hidden()
    expect(page.get_by_role("heading", name="Evidence package")).to_be_visible()
    assert page.locator("#content td").count() > 20
    assert page.evaluate(TOO_WIDE) == []
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_the_page_within_the_package_is_not_cut_on_paper(visit, request_: EnvironmentRequest) -> None:
    page = visit().new_page()
    page.set_content(dossier(request_, of_request(request_)).decode())
    printed(page)
    assert page.locator("td").count() > 20
    assert page.evaluate(TOO_WIDE) == []
