"""S of the fault list: who must not read does not, who must not write does not, and nothing is given away."""

from __future__ import annotations

import logging
import os
import re
from datetime import timedelta
from itertools import cycle, product

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts_app.models import User
from accounts_app.roles import Depth, Role
from accounts_app.services import revoke
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from core_app import clock
from evidence_app import reviews
from gates_app.delegations import Terms, delegate
from requests_app.choices import State, Zone
from tests.factories import PASSWORD, People, make_people, make_request, make_user, unit_of
from tests.faults.everything import LISTS, SCREENS, addresses_of, rows_of, what_is_stored
from tests.screens import LIST, client_of, dialog_of, page_of, state_of

pytestmark = pytest.mark.django_db
PERSONS = ("requester", "approver", "compliance_officer", "governance_lead", "operator", "auditor")
LOGIN = "/admin/login/"


def each_by(places: list[str]) -> list[tuple[str, str]]:
    """Return every place with everybody in ``make assurance``, else every second one with one of them in turn."""
    if os.environ.get("ELM_ASSURANCE") == "1":
        return list(product(PERSONS, places))
    return list(zip(cycle(PERSONS), places[::2], strict=False))


@pytest.fixture
def eventful(people: People) -> People:
    """People of a tenant in which something of everything has happened."""
    for stage in (State.DRAFT, State.PENDING_APPROVAL, State.FAILED, State.COMPLETED):
        make_request(stage, people=people, zone=Zone.ZONE_3)
    terms = Terms(clock.now(), clock.now() + timedelta(days=7), "On holiday.")
    delegate(people.approver, people.second_approver, terms, by=people.approver)
    reviews.take(people.tenant.pk, by=people.auditor)
    return people


@pytest.mark.sqlite
def test_s6_no_address_of_another_tenants_row_says_that_it_exists(eventful: People) -> None:
    foreign = [address for row in rows_of(eventful) for address in addresses_of(row)]
    assert len(foreign) > 2 * len(SCREENS)
    others = make_people()
    clients = {person: client_of(getattr(others, person)) for person in PERSONS}
    before, nobodys = what_is_stored(), "00000000-0000-4000-8000-000000000000"
    for person, address in each_by(foreign):
        client = clients[person]
        for ask in (client.get, client.post):
            status = ask(address, {"_form_submitted": "on", "post": "yes"}).status_code
            assert status in (403, 404, 405), (person, address)
            if status != 404:  # no access to a table at all, or nothing to be posted there: the same of a row of nobody
                unknown = re.sub(r"(/admin/\w+/\w+/)[^/]+", rf"\g<1>{nobodys}", address)
                assert ask(unknown, {"_form_submitted": "on"}).status_code == status, (person, address)
    assert what_is_stored() == before


@pytest.mark.sqlite
def test_s8_no_list_filter_or_counter_shows_what_another_tenant_has(eventful: People) -> None:
    secrets = [eventful.tenant.name, eventful.requester.display_name, *(str(row.pk) for row in rows_of(eventful))]
    secrets += eventful.tenant.environment_requests.values_list("environment_name", flat=True)
    secret = re.compile("|".join(rf"\b{re.escape(each)}\b" for each in secrets if len(each) > 5))
    cache.clear()
    others = make_people()
    clients = {person: client_of(getattr(others, person)) for person in PERSONS}
    for person, name in each_by([*LISTS.values()]):
        assert not secret.search(clients[person].get(reverse(name)).content.decode()), name
    for person in PERSONS[-2:]:
        client = clients[person]
        pages = [client.get("/admin/"), client.get(reverse(LIST), {"q": "REQ-00001"})]
        pages += [client.get("/admin/search/", {"s": secrets[-1]}), client.get("/admin/autocomplete/")]
        for page in pages:
            assert not secret.search(page.content.decode()), page.request["PATH_INFO"]
    assert not secret.search(repr(cache._cache)), "what is kept for one person would be found by another"


@pytest.mark.sqlite
def test_s12_opening_any_page_or_dialog_changes_nothing(eventful: People) -> None:
    clients = {person: client_of(getattr(eventful, person)) for person in PERSONS}
    before = what_is_stored()
    for person, address in each_by([address for row in rows_of(eventful) for address in addresses_of(row)]):
        assert clients[person].get(address).status_code in (200, 302, 403, 404), address
    assert what_is_stored() == before


def test_s12_a_decision_without_the_token_of_our_own_page_is_refused(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    client = client_of(people.approver, enforce_csrf_checks=True)
    said = {"_form_submitted": "on", "content_hash": request.content_hash, "comment": "Forged."}
    for headers in ({}, {"Origin": "https://evil.example"}, {"Referer": "https://evil.example/"}):
        answer = client.post(dialog_of(request, "approve"), said, headers=headers)
        assert answer.status_code == 403
        assert "did not come from a page of this application" in answer.content.decode()
    for method in (client.get, client.head):
        method(dialog_of(request, "approve"), said)
    assert state_of(request) == State.PENDING_APPROVAL


def test_s13_a_replayed_session_is_refused_after_signing_out(people: People) -> None:
    client = client_of(people.auditor)
    stolen = client.cookies["sessionid"].value
    assert client.get(reverse(LIST)).status_code == 200
    client.post("/admin/logout/")

    thief = Client()
    thief.cookies["sessionid"] = stolen
    assert thief.get(reverse(LIST)).status_code == 302
    assert not Session.objects.filter(session_key=stolen).exists()


def test_s13_a_session_reaches_no_more_than_the_person_may_at_the_next_click(people: People) -> None:
    unit = unit_of(people.tenant, "Group")
    approver = make_user(Role.APPROVER, unit, Depth.DEEP)
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    client = client_of(approver)
    assert client.get(page_of(request)).status_code == 200

    revoke(approver, Role.APPROVER, unit, Depth.DEEP)
    assert client.get(page_of(request)).status_code in (403, 404)


def test_s13_a_disabled_persons_session_is_refused(people: People) -> None:
    client = client_of(people.auditor)
    User.objects.filter(pk=people.auditor.pk).update(is_active=False)
    assert client.get(reverse(LIST)).status_code == 302


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://testserver@evil.example/",
        "https://testserver.evil.example",
        "\t//evil.example",
        "/%09/evil.example",
        "\x00//evil.example",
    ],
)
def test_s16_signing_in_leads_to_no_foreign_page(people: People, target: str) -> None:
    User.objects.filter(pk=people.auditor.pk).update(is_staff=True)
    client = Client()
    credentials = {"username": people.auditor.upn, "password": PASSWORD, "next": target}
    answer = client.post(f"{LOGIN}?next=https://evil.example", credentials)
    assert answer.status_code in (200, 302)
    signed_out = client_of(people.auditor).post(f"/admin/logout/?next={target}", {"next": target})
    for location in (answer.get("Location", "/"), signed_out.get("Location", "/")):
        assert re.match(r"/[^/\\\s]", f"{location}x"), (
            location
        )  # a path of ours and nothing that a browser takes for more


@pytest.mark.sqlite
def test_s18_an_auditor_writes_nothing_and_each_attempt_is_in_the_log_stream(
    eventful: People, caplog: pytest.LogCaptureFixture
) -> None:
    own = {"accessreview", "tenant"}  # an auditor takes and signs access reviews
    rows = [row for row in rows_of(eventful) if row._meta.model_name not in own and row != eventful.auditor]
    client, before = client_of(eventful.auditor), what_is_stored()
    crafted = {"_form_submitted": "on", "state": "4", "comment": "Crafted.", "reason": "Crafted.", "post": "yes"}
    for row in rows:
        for address in addresses_of(row):
            caplog.clear()
            with caplog.at_level(logging.WARNING, "django.request"):
                status = client.post(address, {**crafted, "content_hash": getattr(row, "content_hash", "")}).status_code
            if status in (200, 302):  # read, incomplete, or too late for anybody; what changed is looked at below
                continue
            assert status in (403, 404, 405), address
            assert [entry for entry in caplog.records if getattr(entry, "status_code", 0) == status], address
    pending = eventful.tenant.environment_requests.get(state=State.PENDING_APPROVAL)
    for verb in ("approve", "reject"):
        said = {**crafted, "content_hash": pending.content_hash}
        assert client.post(dialog_of(pending, verb), said).status_code == 403
    after = what_is_stored()
    assert {table for table in after if after[table] != before[table]} <= {
        "audit_app_provisioninglog",
        "audit_app_chainhead",
    }
    refusals = {Action.DECISION_REFUSED}
    new = ProvisioningLog.objects.filter(actor=eventful.auditor.upn).exclude(action=Action.ACCESS_REVIEWED)
    assert set(new.values_list("action", flat=True)) <= refusals


def test_s18_an_approver_writes_a_decision_and_nothing_else(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    crafted = {
        "environment_name": "FIN-Crafted-PROD",
        "business_justification": "x" * 40,
        "state": "4",
        "_save": "Save",
    }
    assert client_of(people.approver).post(page_of(request), crafted).status_code == 403
    said = {**crafted, "_form_submitted": "on", "content_hash": request.content_hash, "comment": "Fine."}
    client_of(people.approver).post(dialog_of(request, "approve"), said)
    name, justification = request.environment_name, request.business_justification
    request.refresh_from_db()
    assert (request.environment_name, request.business_justification) == (name, justification)
    assert (request.state, request.approval_comments) == (State.APPROVED, "Fine.")


def test_s18_a_requester_does_not_read_what_approvers_said_to_others(people: People) -> None:
    request = make_request(State.REJECTED, people=people, zone=Zone.ZONE_2)
    colleague = client_of(make_user(Role.REQUESTER, people.unit))
    for view in ("change", "history"):
        assert colleague.get(page_of(request, view)).status_code == 404
    assert "shared environment" not in colleague.get(reverse(LIST), {"q": request.request_number}).content.decode()
