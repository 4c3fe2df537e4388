"""Every view, tile, tab, page and list, as the roles that use it, in light, in the dark and on a phone."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urljoin

import pytest
from django.contrib import admin
from django.urls import reverse
from playwright.sync_api import expect

from accounts_app.models import Tenant
from audit_app.models import ProvisioningLog
from provisioning_app import liveness, services
from provisioning_app.admin import live_run, operations
from provisioning_app.admin.saved_views import PROVISIONING_VIEWS
from provisioning_app.models import Environment
from requests_app import services as requests
from requests_app.admin.requests import AUDIT
from requests_app.choices import Zone
from requests_app.fields import Tab
from requests_app.guided.steps import STEPS
from requests_app.models import EnvironmentRequest
from tests.factories import make_people, make_request
from tests.flows.walker import Walk, Walker, paths, visited, walk  # noqa: F401 - fixtures
from tests.microsoft import World
from tests.provisioning_app.reconciling import MANAGED, REFUSED
from tests.screens import LIST, page_of

pytestmark = [pytest.mark.browser, pytest.mark.flow]
LISTED = "admin:requests_app_environmentrequest_"
TILES = Path("templates/dashboard")
NO_GROUP = {"host": "power_platform", "method": "POST", "path": "addEnvironment", "status": 500, "count": 0}


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no part of a page renew itself while it is looked at."""
    for part in (live_run, operations):
        monkeypatch.setattr(part, "EVERY_SECONDS", 600)


def test_every_screen_is_accessible_and_none_is_forgotten(
    world: World,
    walk: Walk,  # noqa: F811 - a fixture
    visited: set[str],  # noqa: F811 - a fixture
    still: None,
) -> None:
    people, said = world.people, []
    world.pending(Zone.ZONE_3)
    world.clock.advance(hours=73)  # its decision is overdue
    world.fault(**NO_GROUP)
    gap = world.provision(Zone.ZONE_2)
    environment = Environment.objects.get(request=gap)
    services.quarantine(environment.pk, by=people.operator, reason="An examination looks at it.")
    world.fault(**MANAGED, **REFUSED)
    failed = world.provision(Zone.ZONE_2)
    pending = [world.pending(Zone.ZONE_2) for _ in range(2)]
    requests.ask(pending[0].pk, by=people.approver, question="Who looks after the data?")
    draft, disputed = (make_request(people=people, zone=Zone.ZONE_2) for _ in range(2))
    dispute = requests.dispute_zone(disputed.pk, by=people.requester, wanted=Zone.ZONE_1, rationale="It is made up.")
    running = world.approved(Zone.ZONE_3)
    world.run_until_settled(stop=lambda: running.runs.filter(waiting_for__contains="creation").exists())
    world.approved(Zone.ZONE_2)
    liveness.commit_tick()

    requester = walk(people.requester)
    said.append(overview(requester))
    saved_views(requester)
    tabs_of(requester, page_of(failed))
    requester.see(page_of(pending[0]), phone=True)
    the_guided_form(requester, draft)
    requester.see(page_of(draft, "dispute"))
    requester.see(reverse("my-notifications"), dark=True)
    requester.see(reverse("help"), within="#main")
    requester.see("/nothing-here/", dark=True)
    expect(requester.page.get_by_role("link", name="Back to the overview")).to_be_visible()
    expect(requester.page.get_by_text("it leads to the lines of the log")).to_be_visible()

    approver = walk(people.approver)
    said.append(overview(approver, phone=True))
    approver.see(reverse(f"{LISTED}approvals"), phone=True)
    approver.see(page_of(pending[1], "brief"), phone=True)
    decisions_together(approver, pending)

    lead = walk(people.governance_lead)
    said.append(overview(lead))
    lead.see(page_of(dispute))
    lead.see(reverse("admin:accounts_app_tenantsettings_add") + f"?tenant={people.tenant.pk}")

    operator = walk(people.operator)
    said.append(overview(operator))
    saved_views(operator)
    operator.see(reverse("operations"))
    operator.see(reverse("operations"), dark=True)
    for row in (running.runs.get(), gap.runs.get(), environment):
        operator.see(page_of(row))
    operator.see(page_of(failed), phone=True)
    a_dialog_by_keyboard(operator, failed)
    the_account_by_keyboard(operator, people.operator.display_name)

    auditor = walk(people.auditor)
    said.append(overview(auditor, dark=True))
    what_auditors_take(auditor, people.tenant, gap)
    auditor.see(reverse("notification-catalogue"))
    lists_of_everything(auditor)

    said += nothing_yet(walk)
    every_view_tile_tab_and_page_was_seen(visited, said)


def overview(who: Walker, **how: bool) -> str:
    """Look at the first page; return what it says."""
    page = who.see("/admin/", **how)
    return page.locator("#content").inner_text()


def saved_views(who: Walker) -> None:
    """Go through the tabs above the list, as they are offered to this person."""
    page = who.see(reverse(LIST))
    links = page.locator("#tabs-items a")
    for address in [links.nth(place).get_attribute("href") for place in range(links.count())]:
        who.at(urljoin(reverse(LIST), address))
        expect(page.locator("#tabs-items a[aria-current=page]")).to_have_attribute("href", address)
    who.see(f"{reverse(LIST)}?view=overdue", dark=True)


def tabs_of(who: Walker, address: str) -> None:
    """Open each tab of a request."""
    page = who.at(address)
    for tab in page.get_by_role("tab").all():
        tab.press("Enter")
        expect(page.get_by_role("tabpanel", name=tab.inner_text())).to_be_visible()
        who.visited.add(f"tab {tab.inner_text()}")
        who.see(within="#main")


def the_guided_form(who: Walker, draft: EnvironmentRequest) -> None:
    who.see(reverse(f"{LISTED}new"))
    for step in STEPS:
        page = who.see(f"{page_of(draft, 'guided')}?step={step.key}", within="#main")
        expect(page.locator("[aria-current=step]")).to_have_text(str(step.title))
        if step.form is not None:
            expect(page.get_by_role("heading", name=str(step.title))).to_be_visible()
        who.see(dark=True, within="#main")
        who.see(phone=True, within="#main")


def decisions_together(who: Walker, pending: list[EnvironmentRequest]) -> None:
    """Choose in the queue, check, decide; each page is looked at."""
    page = who.see(reverse(f"{LISTED}approvals"))
    page.get_by_label(f"Choose {pending[1].request_number}").check()
    page.get_by_role("button", name="Approve …").click()
    who.see()
    page.get_by_role("button", name="Approve the ticked").click()
    expect(page.get_by_text("✓ decided")).to_have_count(1)
    who.see()


def a_dialog_by_keyboard(who: Walker, failed: EnvironmentRequest) -> None:
    """The focus goes into the dialog, stays there, and comes back."""
    page = who.at(page_of(failed) + "#provisioning")
    button = page.get_by_role("button", name=re.compile("Retry from"))
    button.press("Enter")
    dialog = page.get_by_role("dialog", name="Retry")
    expect(dialog.locator("textarea[name=reason]")).to_be_focused()
    who.see()
    for _ in range(4):
        page.keyboard.press("Tab")
        assert page.evaluate("document.getElementById('modal-content').contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()


def the_account_by_keyboard(who: Walker, name: str) -> None:
    """What the package offers to a mouse alone: the account, the filters, a way past the navigation."""
    page = who.at(reverse(LIST))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Go to the content")).to_be_focused()
    page.get_by_role("button", name="Filters").press("Enter")
    expect(page.locator("#changelist-filter")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name=name).press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def what_auditors_take(who: Walker, tenant: Tenant, request: EnvironmentRequest) -> None:
    """Exports of lists, evidence of a quarter, a request's package, an answered question, an entry of the log."""
    entry = ProvisioningLog.objects.filter(environment_request=request).latest("sequence")
    who.see(f"{reverse(f'{LISTED}export')}?view=completed")
    who.see(reverse("admin:audit_app_provisioninglog_export"))
    who.see(page_of(tenant, "export_evidence"))
    questions = page_of(tenant, "questions")
    who.at(questions)
    who.see(f"{questions}?question=who_approved&period=2026Q1")
    who.see(page_of(request, "evidence_package"))
    who.see(page_of(entry), dark=True)
    who.see(page_of(request, "history"))


def lists_of_everything(who: Walker) -> None:
    for model in admin.site._registry:
        who.see(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"), within="#main")


def nothing_yet(walk: Walk) -> list[str]:  # noqa: F811 - a fixture, handed on
    """Where nothing has happened, every screen says what will be here or what to do."""
    people = make_people()
    requester, approver, operator = walk(people.requester), walk(people.approver), walk(people.operator)
    said = [overview(requester), overview(approver), overview(operator)]
    expect(requester.page.get_by_role("link", name="Ask for an environment")).to_be_visible()
    approver.see(reverse(f"{LISTED}approvals"))
    expect(approver.page.get_by_text("When somebody asks for an environment")).to_be_visible()
    operator.see(reverse("operations"))
    expect(operator.page.get_by_text("The next one begins when a request is approved.")).to_be_visible()
    return said


def every_view_tile_tab_and_page_was_seen(visited: set[str], overviews: list[str]) -> None:  # noqa: F811
    """What is registered in code, against where the walks have been: a new one cannot be forgotten."""
    views = {found.group(1) for address in visited if (found := re.search(r"\?view=([\w-]+)$", address))}
    assert views >= set(PROVISIONING_VIEWS)
    assert {each for each in visited if each.startswith("tab ")} == {f"tab {tab}" for tab in (*Tab, AUDIT)}
    tiles = {title for tile in TILES.glob("*.html") for title in titles_of(tile)}
    assert {title for title in tiles if not any(title in said for said in overviews)} == set()
    seen = paths(visited)
    for model, screen in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        assert reverse(f"{name}_changelist") in seen
        for action in screen._get_base_actions_detail():
            if getattr(action.method, "opens_page", False):
                ending = reverse(f"{name}_{action.method.__name__}", args=["0"]).rpartition("/0/")[2]
                assert any(path.endswith(ending) for path in seen), ending


def titles_of(tile: Path) -> set[str]:
    """Return what a tile of the overview is called; up to the first name that is put in."""
    text = tile.read_text()
    plain = re.findall(r'{% translate "([^"]+)" as heading %}|<h2[^>]*>{% translate "([^"]+)" %}</h2>', text)
    named = re.findall(r"{% blocktranslate (?:asvar heading|with tenant=[^%]+)%}([^{]+){{", text)
    return {"".join(each) for each in plain} | set(named)
