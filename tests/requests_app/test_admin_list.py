"""The list of requests: rows in scope only, the saved views of the specification, a closed list of lookups."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings
from django.urls import reverse

from accounts_app.models import User
from accounts_app.roles import Role
from core_app.clock import ManualClock
from requests_app import services
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.factories import People, decide, make_people, make_request, make_user
from tests.screens import LIST, client_of, page_of, rows_behind, tabs_of


def listed(user: User, **query: object) -> set[EnvironmentRequest]:
    return set(client_of(user).get(reverse(LIST), query).context["cl"].result_list)


def test_everyone_sees_the_rows_of_their_scope_and_no_others(people: People) -> None:
    ours = {make_request(people=people), make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)}
    strangers = make_people()
    theirs = {make_request(people=strangers)}

    for role in ("requester", "approver", "compliance_officer", "governance_lead", "operator", "auditor"):
        assert listed(getattr(people, role)) == ours, role
        assert listed(getattr(strangers, role)) == theirs, role


def test_what_is_out_of_scope_is_not_found(people: People) -> None:
    request, strangers = make_request(people=people), make_people()

    for stranger in (strangers.requester, strangers.approver, strangers.auditor):
        client = client_of(stranger)
        assert client.get(page_of(request)).status_code == 404
        assert client.post(page_of(request)).status_code == 404
        assert client.get(page_of(request, "history")).status_code == 404
        assert client.get(page_of(request, "delete")).status_code == 404


def test_a_superuser_reaches_what_their_grants_reach_and_can_open_the_admin(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    breaker = User.objects.create_superuser("glass@contoso.example", "correct horse battery")

    assert client_of(breaker).get(reverse("admin:index")).status_code == 200
    assert listed(breaker) == set()
    assert client_of(breaker).get(page_of(request)).status_code == 404


def test_nothing_is_deleted_not_even_in_bulk(people: People) -> None:
    request = make_request(people=people)
    breaker = people.auditor
    User.objects.filter(pk=breaker.pk).update(is_superuser=True)
    client = client_of(breaker)

    bulk = {"action": "delete_selected", "_selected_action": [str(request.pk)], "post": "yes"}
    client.post(reverse(LIST), bulk)

    assert client.post(page_of(request, "delete"), {"post": "yes"}).status_code == 403
    assert EnvironmentRequest.objects.filter(pk=request.pk).exists()


def test_my_requests(people: People) -> None:
    request = make_request(people=people)

    assert listed(people.requester, view="mine") == {request}
    assert listed(people.approver, view="mine") == set()


def test_pending_my_approval_is_what_is_assigned_to_me_or_open_to_me(people: People) -> None:
    assigned = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    open_to_all = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_3)
    decide(open_to_all, people.approver)

    assert listed(people.approver, view="pending-mine") == {assigned}
    assert listed(people.second_approver, view="pending-mine") == set()
    assert listed(people.compliance_officer, view="pending-mine") == {open_to_all}
    assert listed(people.requester, view="pending-mine") == set()
    assert listed(people.governance_lead, view="pending-mine") == set()


def test_what_was_escalated_is_pending_the_governance_leads_approval_too(clock: ManualClock, people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)

    clock.advance(hours=49)
    services.escalate_overdue()

    assert listed(people.governance_lead, view="pending-mine") == {request}
    assert listed(people.approver, view="pending-mine") == {request}


@pytest.mark.parametrize(
    ("view", "stage"),
    [
        ("pending", State.PENDING_APPROVAL),
        ("provisioning", State.PROVISIONING),
        ("failed", State.FAILED),
        ("completed", State.COMPLETED),
    ],
)
def test_the_views_of_states(people: People, view: str, stage: State) -> None:
    requests = {
        state: make_request(state, people=people, zone=Zone.ZONE_2)
        for state in (State.DRAFT, State.PENDING_APPROVAL, State.PROVISIONING, State.FAILED, State.COMPLETED)
    }

    assert listed(people.auditor, view=view) == {requests[stage]}


def test_completed_this_month_forgets_the_month_before(clock: ManualClock, people: People) -> None:
    make_request(State.COMPLETED, people=people, zone=Zone.ZONE_2)
    clock.at += timedelta(days=31)
    latest = make_request(State.COMPLETED, people=people, zone=Zone.ZONE_2)

    assert listed(people.auditor, view="completed") == {latest}


def test_every_saved_view_is_a_tab_with_a_count_of_what_the_person_sees_and_the_chosen_one_is_lit(
    clock: ManualClock, people: People
) -> None:
    mine = replace(people, requester=make_user(Role.REQUESTER, people.unit))
    make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    clock.advance(hours=49)
    stages = (State.DRAFT, State.PENDING_APPROVAL, State.PROVISIONING, State.FAILED, State.FAILED, State.COMPLETED)
    for stage in stages:
        make_request(stage, people=mine, zone=Zone.ZONE_2)
    make_request(State.FAILED)  # of another tenant

    shown = tabs_of(people.auditor, view="failed")

    assert [tab["title"] for tab in shown] == [
        "All",
        "My Requests 0",
        "Pending My Approval 0",
        "All Pending 2",
        "Provisioning in Progress 1",
        "Failed Requests 2",
        "Completed This Month 1",
        "Overdue 1",
        "Open Gaps 0",
        "Quarantined 0",
    ]
    assert [tab["title"] for tab in shown if tab["active"]] == ["Failed Requests 2"]
    assert [tab["title"] for tab in tabs_of(mine.requester)][:4] == [
        "All",
        "My Requests 6",
        "Pending My Approval 0",
        "All Pending 1",
    ]
    assert tabs_of(people.approver)[2]["title"] == "Pending My Approval 2"
    assert settings.UNFOLD["TABS"] == "requests_app.admin.saved_views.tabs"


def test_each_count_is_that_of_the_rows_behind_its_tab(people: People) -> None:
    for stage in (State.PENDING_APPROVAL, State.FAILED, State.COMPLETED):
        make_request(stage, people=people, zone=Zone.ZONE_3)

    for tab in tabs_of(people.approver)[1:]:
        assert tab["title"].endswith(f" {rows_behind(people.approver, reverse(LIST) + tab['link'])}"), tab


def test_an_empty_view_says_what_that_means(people: People) -> None:
    client = client_of(people.requester)

    assert "You have not asked for an environment yet." in client.get(f"{reverse(LIST)}?view=mine").content.decode()
    assert "Nothing matches" in client.get(f"{reverse(LIST)}?view=mine&q=x").content.decode()


@pytest.mark.parametrize(
    "probe",
    ["content_hash__startswith", "requester__password__startswith", "tenant__name", "gate__parties__person_key"],
)
def test_s7_a_list_cannot_be_used_to_probe_fields(people: People, probe: str) -> None:
    make_request(people=people)

    assert client_of(people.requester).get(reverse(LIST), {probe: "a"}).status_code == 400


def test_the_filters_of_the_list_work(people: People) -> None:
    draft = make_request(people=people)
    make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)

    assert listed(people.auditor, state__exact=State.DRAFT.value) == {draft}
    assert listed(people.auditor, zone__exact=Zone.ZONE_1.value) == {draft}
    assert len(listed(people.auditor, business_unit__id__exact=str(people.unit.pk))) == 2
    assert listed(people.auditor, q=draft.environment_name) == {draft}
