"""The pictures of the documents: each role goes through its screens in Chromium (``make screenshots``)."""

from __future__ import annotations

import os
from collections.abc import Callable
from uuid import uuid4

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts_app.models import User
from accounts_app.roles import Role
from accounts_app.services import propose_settings
from audit_app.actions import Action
from evidence_app import reviews
from notifications_app.catalogue import Channel, Event
from notifications_app.models import OutboxMessage
from requests_app.models import EnvironmentRequest
from sign_in_app.mappings import Terms, propose_mapping
from tests.flows import pictured
from tests.microsoft import GROUP_NAME, World
from tests.screens import LIST, client_of, page_of

pytestmark = [pytest.mark.pictures, pytest.mark.browser]
FOLDER = os.environ.get("ELM_SCREENSHOTS", "")

Browse = Callable[[User], Page]
Made = dict[str, EnvironmentRequest]


@pytest.fixture
def browse(visit, live_server) -> Browse:
    """Open a browser for a person, who is signed in."""

    def opened(user: User) -> Page:
        context = visit(is_pictured=True)
        session = client_of(user).cookies["sessionid"].value
        context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        page = context.new_page()
        page.set_viewport_size({"width": pictured.WIDTH, "height": 800})
        return page

    return opened


def shot(page: Page, name: str, **how) -> None:
    pictured.picture(page, FOLDER, name, **how)


def test_the_pictures_of_the_documents(make_world, browse: Browse, visit, settings) -> None:
    settings.NOTIFICATIONS = "sink"
    world = pictured.make_bank(make_world)
    made = pictured.live_through_a_week(world)
    people = world.people
    requester_sees(browse(people.requester), made)
    world.clock.advance(minutes=1)
    approver_sees(browse(people.approver), made)
    world.clock.advance(minutes=1)
    administrator_sees(world, browse, made)
    world.clock.advance(minutes=1)
    operator_sees(browse(people.operator), made)
    world.clock.advance(minutes=1)
    auditor_sees(world, browse(people.auditor), made)
    simulator_shows(world, visit)


def requester_sees(page: Page, made: Made) -> None:
    page.goto("/admin/")
    shot(page, "requester-overview", height=1000)
    page.goto(reverse("my-notifications"))
    shot(page, "my-notifications", height=1100)
    a_new_request(page)
    page.goto(page_of(made["waiting"]))
    shot(page, "request")
    page.goto(page_of(made["built"]))
    page.get_by_role("tab", name="Provisioning").click()
    shot(page, "request-completed", height=1360)
    page.get_by_role("tab", name="Audit Trail").click()
    shot(page, "audit-trail", height=1360)


def a_new_request(page: Page) -> None:
    """The guided form, from its first question to the page that is submitted, and the dispute of its zone."""
    page.goto(reverse("admin:requests_app_environmentrequest_new"))
    page.get_by_label("Production").check()
    page.get_by_label("Europe").check()
    shot(page, "guided-purpose")
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Restricted").check()
    page.get_by_label("Personal data of customers").check()
    page.get_by_label("Small team").check()
    expect(page.locator("#zone")).to_contain_text("Zone 3")
    shot(page, "guided-data", height=1000)
    page.get_by_role("button", name="Save and continue").click()
    page.get_by_label("What should it be called?").fill("FIN-Hardship-PROD")
    page.get_by_label("What does the business need it for?").fill("Advisers see which customers asked for a deferral.")
    expect(page.locator("#name-check")).to_contain_text("is free")
    shot(page, "guided-name")
    page.get_by_role("button", name="Save and continue").click()
    page.get_by_label("Why are these answers right?").fill("Customers' income is Restricted in the data inventory.")
    page.get_by_label("Which security group gets access?").press_sequentially(GROUP_NAME[:5])
    page.get_by_label(GROUP_NAME).check()
    shot(page, "guided-zone", height=1000)
    page.get_by_role("button", name="Save and continue").click()
    shot(page, "guided-summary", height=1200)
    page.get_by_role("link", name="Dispute the zone").click()
    shot(page, "dispute")


def approver_sees(page: Page, made: Made) -> None:
    page.goto(reverse("admin:requests_app_environmentrequest_approvals"))
    shot(page, "approvals")
    for request in (made["waiting"], made["claims"]):
        page.get_by_label(f"Choose {request.request_number}").check()
    page.get_by_role("button", name="Approve …").click()
    shot(page, "bulk")
    page.goto(page_of(made["claims"], "brief"))
    shot(page, "decision-brief", height=1360)
    shot(page, "decision-brief-below", from_the_end=True)
    page.get_by_role("link", name="Help").click()
    shot(page, "help", height=1000)
    page.goto(reverse("admin:accounts_app_delegation_add"))
    shot(page, "delegation")


def administrator_sees(world: World, browse: Browse, made: Made) -> None:
    people, lead = world.people, browse(world.people.governance_lead)
    second = pictured.second_lead(people)
    values = {**pictured.TEAMS, "poll_limit": 60, "baselines": {"3": {"session_timeout_minutes": 60}}}
    proposal = propose_settings(people.tenant.pk, by=people.governance_lead, values=values)
    terms = Terms(uuid4(), "SG-ELM-Approvers", Role.APPROVER, people.unit, "deep")
    mapping = propose_mapping(people.tenant.pk, terms, by=people.governance_lead)
    page = browse(second)
    page.goto(page_of(proposal))
    shot(page, "settings-proposal", height=1100)
    page.goto(page_of(mapping))
    shot(page, "group-mapping")
    lead.goto(page_of(people.approver))
    shot(lead, "person")
    lead.goto(page_of(made["disputed"].zone_disputes.get()))
    shot(lead, "dispute-decision", height=1100)
    lead.goto(page_of(people.tenant))
    shot(lead, "tenant")


def operator_sees(page: Page, made: Made) -> None:
    page.goto("/admin/")
    shot(page, "operator-overview", height=1360)
    page.goto(reverse("operations"))
    shot(page, "operations", height=1200)
    page.goto(page_of(made["building"].runs.get()))
    shot(page, "run", height=1000)
    page.goto(page_of(made["failed"]))
    shot(page, "failed", height=1360, from_the_end=True)
    page.goto(reverse("admin:notifications_app_outboxmessage_changelist"))
    shot(page, "outbox")
    page.goto(page_of(OutboxMessage.objects.get(channel=Channel.TEAMS, event=Event.REJECTED)))
    shot(page, "outbox-card", height=1000)
    page.goto(reverse("admin:accounts_app_tenantidentity_changelist"))
    shot(page, "identities", height=500)


def auditor_sees(world: World, page: Page, made: Made) -> None:
    tenant = world.people.tenant
    page.goto(reverse(LIST))
    shot(page, "requests")
    page.get_by_role("link", name="Export").click()
    shot(page, "export-list")
    entry = made["built"].log_entries.get(action=Action.APPROVED)
    page.goto(page_of(entry))
    shot(page, "log-entry", height=1100)
    page.goto(reverse("admin:audit_app_logaccess_changelist"))
    shot(page, "log-access", height=600)
    page.goto(page_of(made["built"], "evidence_package"))
    shot(page, "evidence-package", height=1100)
    page.goto(page_of(tenant, "questions"))
    shot(page, "questions")
    page.goto(f"{page_of(tenant, 'questions')}?question=who_approved&period=2026Q1")
    shot(page, "answer")
    page.goto(page_of(tenant, "export_evidence"))
    shot(page, "export-evidence", height=600)
    page.goto(page_of(reviews.take(tenant.pk, by=world.people.auditor)))
    shot(page, "access-review")


def simulator_shows(world: World, visit) -> None:
    page = visit(ignore_https_errors=True).new_page()
    page.goto(world.simulator.ready["control"])
    shot(page, "simulator", height=900)
