"""A page costs the same number of queries however many rows, units and grants there are, for each role."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts_app.models import BusinessUnit
from accounts_app.roles import Depth, Role
from accounts_app.services import grant
from audit_app import triggers
from audit_app.models import ProvisioningLog
from benchmarks.pending import wait_for_decision
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.factories import decide, make_request, make_user, unit_of
from tests.screens import client_of, page_of

FEW = 10
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
LIST = reverse("admin:requests_app_environmentrequest_changelist")
LOG = reverse("admin:audit_app_provisioninglog_changelist")
SUGGEST = reverse("admin:autocomplete")
# What is asked with few rows; with many it is every page, for each role
PAGES = ("list", "log", "form", "history", "first page", "operations", "progress", "export")
ROLES = (Role.REQUESTER, Role.AUDITOR, "lone unit")
OF_UNIT = {"app_label": "requests_app", "model_name": "environmentrequest", "field_name": "business_unit", "term": "a"}


def addresses(request):
    """Return every kind of page that shows rows."""
    return {
        "list": LIST,
        "pending my approval": f"{LIST}?view=pending-mine",
        "search": f"{LIST}?q=REQ",
        "second page": f"{LIST}?o=1&state__exact=1",
        "log": LOG,
        "form": page_of(request),
        "history": page_of(request, "history"),
        "new": reverse("admin:requests_app_environmentrequest_new"),
        "new on one page": reverse("admin:requests_app_environmentrequest_add"),
        "approvals": f"{reverse('admin:requests_app_environmentrequest_approvals')}?view=all",
        "gates": reverse("admin:gates_app_gate_changelist"),
        "people": reverse("admin:accounts_app_user_changelist"),
        "units": reverse("admin:accounts_app_businessunit_changelist"),
        "outbox": reverse("admin:notifications_app_outboxmessage_changelist"),
        "first page": reverse("admin:index"),
        "operations": reverse("operations"),
        "export": reverse("admin:requests_app_environmentrequest_export"),
        "progress": page_of(request, "progress"),
    }


def costs(clients, request, pages):
    """Return the queries of pages for every role, and how they were answered."""
    found = {}
    for role, client in clients.items():
        for name, address in ((name, addresses(request)[name]) for name in pages):
            with CaptureQueriesContext(connection) as captured:
                answer = client.get(address)
            found[role, name] = answer.status_code, len(captured)
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(SUGGEST, OF_UNIT)
        found[role, "autocomplete"] = answer.status_code, len(captured)
    return found


def add(people, count):
    """Add requests of every unit in turn, each with an entry of the log."""
    units = list(people.tenant.business_units.values_list("pk", flat=True))
    first = EnvironmentRequest.objects.filter(tenant=people.tenant).count() + 1000
    made = [
        EnvironmentRequest(
            number=number,
            request_number=f"REQ-{number:05}",
            environment_name=f"FIN-Many{number}-DEV",
            environment_type=1,
            region=1,
            zone=1,
            business_justification="Many others ask as well.",
            data_sensitivity=1,
            expected_users=1,
            requester=people.requester,
            tenant=people.tenant,
            business_unit_id=units[number % len(units)],
            created_at=MOMENT,
        )
        for number in range(first, first + count)
    ]
    EnvironmentRequest.objects.bulk_create(made, batch_size=2000)
    ProvisioningLog.objects.bulk_create(
        (
            ProvisioningLog(
                tenant=people.tenant,
                environment_request=each,
                sequence=1,
                action=1,
                actor=people.requester.upn,
                actor_type=1,
                timestamp=MOMENT,
                chain=f"request:{each.pk}",
                canonical=b"x",
                previous_hash="0",
                entry_hash="0",
            )
            for each in made
        ),
        batch_size=2000,
    )


def widen(people, persons):
    """Add units, and grants of every person over them, alone and with those below."""
    roles = [role for role in persons if role not in (Role.REQUESTER, "lone unit")]
    for number in range(12):
        parent = unit_of(people.tenant, "Treasury")
        unit = BusinessUnit.objects.create(tenant=people.tenant, parent=parent, name=f"Unit {number} {uuid4()}")
        for role in roles:
            grant(persons[role], Role(role), unit, Depth.DEEP if number % 2 else Depth.LOCAL)


@pytest.mark.sqlite  # the same statements as on PostgreSQL, once is enough
@pytest.mark.parametrize("many", [400, pytest.param(100_000, marks=pytest.mark.assurance)])
def test_pages_cost_the_same_number_of_queries_for_10_and_many_requests_for_each_role(many, clock, people):
    # The clock stands still: a minute later, each session would note once that somebody is there
    request = make_request(people=people)
    admin = make_user(Role.ADMIN, people.tenant)
    local = make_user(Role.APPROVER, people.unit, Depth.LOCAL)
    persons = {
        Role.REQUESTER: people.requester,
        Role.APPROVER: people.approver,
        Role.COMPLIANCE_OFFICER: people.compliance_officer,
        Role.GOVERNANCE_LEAD: people.governance_lead,
        Role.OPERATOR: people.operator,
        Role.AUDITOR: people.auditor,
        Role.ADMIN: admin,
        "lone unit": local,
    }
    clients = {role: client_of(person) for role, person in persons.items()}
    add(people, FEW - 1)
    pages = PAGES if many < 1000 else tuple(addresses(request))
    if many < 1000:
        clients = {role: clients[role] for role in ROLES}
    costs({"warm": clients[Role.AUDITOR]}, request, pages)  # what a process reads once
    before = costs(clients, request, pages)
    widen(people, persons)
    add(people, many - FEW)

    after = costs(clients, request, pages)

    assert EnvironmentRequest.objects.count() == many
    assert {page: (before[page], after[page]) for page in before if before[page] != after[page]} == {}
    shown = {name for (_, name), (status, _) in before.items() if status == 200}
    assert shown >= set(pages)


def add_pending(people, count):
    """Add requests that wait for a decision, as they stand once they were routed."""
    first = EnvironmentRequest.objects.filter(tenant=people.tenant).count() + 1000
    made = [
        EnvironmentRequest(
            number=number,
            request_number=f"REQ-{number:05}",
            environment_name=f"FIN-Waits{number}-DEV",
            environment_type=1,
            region=1,
            zone=2 + number % 2,
            state=State.PENDING_APPROVAL,
            business_justification="Many others wait as well.",
            data_sensitivity=3,
            expected_users=2,
            requester=people.requester,
            tenant=people.tenant,
            created_at=MOMENT,
        )
        for number in range(first, first + count)
    ]
    triggers.drop()
    wait_for_decision(made, list(people.tenant.business_units.select_related("tenant")), people.second_approver)
    triggers.install()


@pytest.mark.sqlite
@pytest.mark.parametrize("many", [400, pytest.param(100_000, marks=pytest.mark.assurance)])
def test_what_approvers_open_costs_the_same_for_10_and_many_that_wait(many, clock, people):
    waits = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_3)
    decide(make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_3), people.approver)
    pages = {
        "queue": reverse("admin:requests_app_environmentrequest_approvals"),
        "all I can see": f"{reverse('admin:requests_app_environmentrequest_approvals')}?view=all",
        "last page": f"{reverse('admin:requests_app_environmentrequest_approvals')}?view=all&page=99999",
        "form": page_of(waits),
        "brief": page_of(waits, "brief"),
        "pending my approval": f"{LIST}?view=pending-mine",
    }
    clients = [client_of(person) for person in (people.approver, people.compliance_officer, people.governance_lead)]

    def counted():
        found = {}
        for number, client in enumerate(clients):
            for name, address in pages.items():
                with CaptureQueriesContext(connection) as captured:
                    assert client.get(address).status_code == 200
                found[number, name] = len(captured)
        return found

    add_pending(people, FEW - 2)
    counted()  # what a process reads once
    before = counted()
    add_pending(people, many - FEW)
    assert {page: (before[page], after) for page, after in counted().items() if before[page] != after} == {}
    assert EnvironmentRequest.objects.filter(state=State.PENDING_APPROVAL).count() == many
