"""A person at a browser who looks at screens: what axe-core finds, what is wider than the window, what is violated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import BrowserContext, Page, expect

from accounts_app.models import User
from tests.screens import client_of

PHONE, DESK = {"width": 400, "height": 850}, {"width": 1440, "height": 1000}
RULES = {
    "runOnly": [
        *("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"),
        *("landmark-one-main", "heading-order", "page-has-heading-one", "bypass", "skip-link"),
    ],
    "resultTypes": ["violations"],
}
# Names of groups of rules and names of rules cannot be asked for together
OPTIONS = {
    "runOnly": {"type": "tag", "values": RULES["runOnly"][:5]},
    "rules": {name: {"enabled": True} for name in RULES["runOnly"][5:]},
    "resultTypes": RULES["resultTypes"],
    "preload": False,  # style sheets, which no rule that is asked for reads
}
LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation", event =>
    window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""


def violations(page: Page, within: str = "html") -> list[str]:
    """Return what axe-core finds against WCAG 2.2 AA on the page, or a part of it, as it stands."""
    page.evaluate(AXE_SCRIPT)
    run = "([part, options]) => axe.run(document.querySelector(part) ?? document, options)"
    found = page.evaluate(run, [within, OPTIONS])["violations"]
    return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"][:3]]


def accessible(page: Page) -> None:
    """Let axe-core look at the page, once it is at rest: it finds nothing against WCAG 2.2 AA."""
    page.wait_for_load_state("networkidle")
    found = violations(page)
    assert found == [], found


class Walker:
    """One person with one page, who remembers where they were."""

    def __init__(self, context: BrowserContext, visited: set[str], complaints: list[str]) -> None:
        context.add_init_script(LISTEN)
        self.page = context.new_page()
        self.page.emulate_media(reduced_motion="reduce")
        self.page.on("pageerror", lambda error: complaints.append(str(error)))
        self.visited, self.complaints = visited, complaints

    def at(self, address: str) -> Page:
        """Go to a screen."""
        self.visited.add(address)
        answer = self.page.goto(address)
        assert answer is None or answer.status < 400 or "nothing-here" in address, (address, answer.status)
        return self.page

    def see(self, address: str = "", *, dark: bool = False, phone: bool = False, within: str = "html") -> Page:
        """Go to a screen, or stay, and look closely: as axe-core does, at its width, for violations of the policy."""
        self.page.emulate_media(color_scheme="dark" if dark else "light")
        self.page.set_viewport_size(PHONE if phone else DESK)
        page = self.at(address) if address else self.page
        width, most = page.evaluate("document.documentElement.scrollWidth"), (PHONE if phone else DESK)["width"]
        found = [*violations(page, within), *page.evaluate("window.violations")]
        found += [f"{width} pixels wide"] if width > most else []
        self.complaints += [f"{page.url} {'dark' if dark else 'light'}: {each}" for each in found]
        return page


Walk = Callable[[User], Walker]
Desk = Callable[[User], Walker]


@pytest.fixture
def visited() -> set[str]:
    """Where anybody was."""
    return set()


@pytest.fixture
def walk(visit, live_server, visited: set[str]) -> Iterator[Walk]:
    """Open a browser for a person, who is signed in; at the end nobody may have met anything to complain about."""
    complaints: list[str] = []

    def opened(user: User) -> Walker:
        context = visit()
        sign_in(context, user, live_server.url)
        return Walker(context, visited, complaints)

    yield opened
    assert complaints == [], "\n".join(complaints)


@pytest.fixture
def desk(walk: Walk, live_server) -> Desk:
    """Let people take turns at one browser: whoever sits down is signed in, and what it has loaded is kept."""
    there: list[Walker] = []

    def sit_down(user: User) -> Walker:
        if there:
            sign_in(there[0].page.context, user, live_server.url)
        else:
            there.append(walk(user))
        return there[0]

    return sit_down


def sign_in(context: BrowserContext, user: User, url: str) -> None:
    """Sign a person in, instead of whoever was."""
    session = client_of(user).cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": session, "url": url}])


def say(who: Walker, dialog: str, words: str) -> None:
    """Look at an open dialog as axe-core does, give the reason that it asks for, and confirm it."""
    shown = who.page.get_by_role("dialog", name=dialog)
    expect(shown.locator("textarea[name=reason]")).to_be_focused()
    who.see(within="#modal-content")
    shown.locator("textarea[name=reason]").fill(words)
    shown.get_by_role("button", name=dialog).click()


def paths(visited: set[str]) -> set[str]:
    """Return the addresses without what stands behind the question mark."""
    return {urlsplit(address).path for address in visited}
