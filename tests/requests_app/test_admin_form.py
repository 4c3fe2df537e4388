"""The form of a request: a requester fills in a draft, everyone else reads; the state is never a field."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import reverse

from accounts_app.models import BusinessUnit
from accounts_app.roles import Role
from audit_app.actions import Action
from requests_app.admin import requests as screen
from requests_app.choices import DataSensitivity, State, Zone
from requests_app.models import EnvironmentRequest
from tests.factories import People, facts, make_people, make_request, make_user, unit_of
from tests.screens import ADD, client_of, page_of, rows_behind, state_of

TABS = ("Request Details", "Classification", "Approval", "Provisioning", "Audit Trail")


def typed(people: People, **changes: Any) -> dict[str, Any]:
    values = {**facts(Zone.ZONE_2), "business_unit": people.unit.pk, **changes}
    return {name: value for name, value in values.items() if value is not False}


def test_a_draft_is_made_by_the_verb_and_opens_for_submission(people: People) -> None:
    answer = client_of(people.requester).post(reverse(ADD), typed(people, environment_name="FIN-Typed-DEV"))

    request = EnvironmentRequest.objects.get(environment_name="FIN-Typed-DEV")
    assert answer["Location"] == page_of(request)
    assert (request.requester, request.state, request.zone) == (people.requester, State.DRAFT, Zone.ZONE_2)
    assert [entry.action for entry in request.log_entries.order_by("sequence")] == [
        Action.REQUEST_CREATED,
        Action.ZONE_CLASSIFIED,
    ]


def test_a_form_sent_again_after_its_answer_was_lost_makes_no_second_draft(people: People) -> None:
    client, page = client_of(people.requester), reverse(ADD)
    token = client.get(page).context["adminform"].form["form_token"].value()
    sent = {**typed(people, environment_name="FIN-Once-DEV"), "form_token": str(token)}

    answers = [client.post(page, sent)["Location"] for _ in range(2)]
    changed = client.post(page, {**sent, "environment_name": "FIN-Other-DEV"})["Location"]
    made_by_another = client_of(make_user(Role.REQUESTER, people.unit)).post(page, sent)["Location"]

    assert answers[0] == answers[1]
    assert len({answers[0], changed, made_by_another}) == 3  # other words or another person: another draft
    assert sorted(EnvironmentRequest.objects.values_list("number", flat=True)) == [1, 2, 3]
    assert EnvironmentRequest.objects.filter(environment_name="FIN-Once-DEV", requester=people.requester).count() == 1


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"data_sensitivity": ""}, {"data_sensitivity": ["This field is required."]}),
        (
            {"business_justification": "x" * 20_001},
            {"business_justification": ["is 20001 characters long; use at most 20000."]},
        ),
    ],
    ids=["missing", "refused by the verb"],
)
def test_what_is_wrong_is_told_beside_the_field_and_nothing_typed_is_lost(
    people: People, wrong: dict[str, str], told: dict[str, list[str]]
) -> None:
    values = typed(people, **{"environment_name": "FIN-Kept-DEV", "business_justification": "Kept words.", **wrong})

    page = client_of(people.requester).post(reverse(ADD), values)

    assert page.status_code == 200
    assert page.context["adminform"].form.errors == told
    assert values["environment_name"] in page.content.decode()
    assert values["business_justification"] in page.content.decode()
    assert not EnvironmentRequest.objects.exists()


def test_the_requester_edits_a_draft_and_its_zone_follows(people: People) -> None:
    request = make_request(people=people)
    values = typed(people, data_sensitivity=DataSensitivity.RESTRICTED, has_customer_data="on")

    answer = client_of(people.requester).post(page_of(request), values)

    request.refresh_from_db()
    assert answer["Location"] == page_of(request)
    assert (request.zone, request.flags) == (Zone.ZONE_3, ["RESTRICTED_DATA", "CUSTOMER_PII", "TEAM_WORKLOAD"])
    assert request.log_entries.filter(action=Action.REQUEST_EDITED).exists()


@pytest.mark.parametrize("stage", [State.SUBMITTED, State.PENDING_APPROVAL, State.REJECTED, State.COMPLETED])
def test_after_draft_nobody_changes_a_field(people: People, stage: State) -> None:
    request = make_request(stage, people=people, zone=Zone.ZONE_2)

    for who in (people.requester, people.approver, people.operator, people.auditor):
        assert client_of(who).post(page_of(request), typed(people, region=4)).status_code == 403

    request.refresh_from_db()
    assert request.region != 4


def test_nobody_but_its_requester_edits_a_draft(people: People) -> None:
    request = make_request(people=people)
    colleague = make_user(Role.REQUESTER, people.unit)

    assert client_of(people.approver).post(page_of(request), typed(people, region=4)).status_code == 403
    assert client_of(colleague).post(page_of(request), typed(people, region=4)).status_code == 404


def test_only_those_who_may_ask_get_the_empty_form(people: People) -> None:
    homeless = make_user(Role.REQUESTER)

    assert client_of(people.requester).get(reverse(ADD)).status_code == 200
    assert client_of(people.approver).get(reverse(ADD)).status_code == 403
    refused = client_of(homeless).get(reverse(ADD))
    assert refused.status_code == 403
    assert "belongs to no business unit yet" in refused.content.decode()


def test_a_request_can_be_made_for_a_unit_below_ones_own_and_for_no_other(people: People) -> None:
    below, beside = unit_of(people.tenant, "Cards"), unit_of(people.tenant, "Treasury")
    elsewhere = BusinessUnit.objects.get(pk=make_people().unit.pk)
    client = client_of(people.requester)

    offered = client.get(reverse(ADD)).context["adminform"].form.fields["business_unit"].queryset
    assert set(offered) == {people.unit, below}
    for unit in (beside, elsewhere):
        page = client.post(reverse(ADD), typed(people, business_unit=unit.pk))
        assert list(page.context["adminform"].form.errors) == ["business_unit"]
    client.post(reverse(ADD), typed(people, business_unit=below.pk))
    assert EnvironmentRequest.objects.get().business_unit == below


def test_the_page_has_the_five_tabs_and_the_summary_above_them(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_3)

    page = client_of(people.approver).get(page_of(request)).content.decode()

    positions = [re.search(rf'<button type="button" role="tab"[^>]*>\s*{tab}\s', page).start() for tab in TABS]
    assert positions == sorted(positions)
    for shown in ("The data is Restricted", "It would be lower if", "What will be built", "FSI-Enterprise-Production"):
        assert page.index(shown) < positions[0]
    assert "RequestSubmitted" in page[positions[-1] :]


def test_the_page_says_why_one_cannot_decide(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)

    assert "someone else must decide" in client_of(people.requester).get(page_of(request)).content.decode()
    assert "needs the role ELM Approver" in client_of(people.auditor).get(page_of(request)).content.decode()


def test_the_page_of_a_failed_request_says_why(people: People) -> None:
    request = make_request(State.FAILED, people=people, zone=Zone.ZONE_2)

    assert "The quota is used up." in client_of(people.requester).get(page_of(request)).content.decode()
    assert state_of(request) == State.FAILED


def test_the_audit_trail_lists_the_newest_entries_and_leads_to_all_of_them(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = make_request(State.COMPLETED, people=people)
    total = request.log_entries.count()
    log = f"{reverse('admin:audit_app_provisioninglog_changelist')}?environment_request={request.pk}"
    client = client_of(people.requester)

    page = client.get(page_of(request)).content.decode()
    assert f"{total} entries." in page
    assert f'href="{log}"' in page
    assert rows_behind(people.requester, log) == total
    assert page.count("RequestCreated") == 1

    monkeypatch.setattr(screen, "MOST_ENTRIES", 3)
    page = client.get(page_of(request)).content.decode()
    assert f"{total} entries, the newest 3 here." in page
    assert "RequestCreated" not in page
    assert page.index("ProvisioningStarted") < page.index("ProvisioningCompleted")
