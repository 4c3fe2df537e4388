"""Drafts: made, numbered, classified, changed, by their requester alone."""

from __future__ import annotations

from typing import Any

import pytest

from accounts_app.roles import Role
from audit_app.actions import Action
from core_app.errors import InvalidInputError, PermissionRefused
from core_app.text import MAX_TEXT
from requests_app import services
from requests_app.choices import DataSensitivity, ExpectedUsers, State, Zone
from requests_app.models import EnvironmentRequest
from tests.factories import People, facts, make_people, make_request, make_user, unit_of


def edit(request: EnvironmentRequest, **fields: Any) -> EnvironmentRequest:
    return services.edit_draft(request.pk, by=request.requester, **fields)


def test_c16_changed_answers_classify_the_draft_again(people: People) -> None:
    draft = make_request(people=people)
    edited = edit(draft, has_customer_data=True, expected_users=ExpectedUsers.DEPARTMENT)
    assert (edited.zone, edited.flags) == (Zone.ZONE_3, ["CUSTOMER_PII", "TEAM_WORKLOAD"])
    entry = edited.log_entries.filter(action=Action.ZONE_CLASSIFIED).latest("sequence")
    assert (entry.action_details["zone"], entry.action_details["previous_zone"]) == (3, 1)


def test_an_answer_that_leaves_the_zone_as_it_is_is_recorded_all_the_same(people: People) -> None:
    edited = edit(make_request(people=people), data_sensitivity=DataSensitivity.PUBLIC)
    assert edited.zone == Zone.ZONE_1
    assert edited.log_entries.filter(action=Action.ZONE_CLASSIFIED).count() == 2


def test_the_log_names_the_changed_fields_and_not_their_content(people: People) -> None:
    edited = edit(make_request(people=people), environment_name="FIN-Renamed-DEV", zone_rationale="Because.")
    entry = edited.log_entries.get(action=Action.REQUEST_EDITED)
    assert entry.action_details == {"fields": ["environment_name", "zone_rationale"]}
    assert (entry.from_state, entry.to_state) == (None, None)


def test_an_edit_that_changes_nothing_is_not_recorded(people: People) -> None:
    draft = make_request(people=people)
    edit(draft, environment_name=draft.environment_name)
    assert not draft.log_entries.filter(action=Action.REQUEST_EDITED).exists()


def test_text_is_kept_trimmed_in_one_unicode_form_with_unix_line_ends(people: People) -> None:
    edited = edit(make_request(people=people), business_justification="  Cafe\u0301 of the branch,\r\nas asked.\r ")
    assert edited.business_justification == "Caf\u00e9 of the branch,\nas asked."


def test_only_the_requester_edits(people: People) -> None:
    with pytest.raises(PermissionRefused, match="Only its requester changes"):
        services.edit_draft(make_request(people=people).pk, by=people.approver, environment_name="FIN-Other-DEV")


@pytest.mark.parametrize("state", [state for state in State if state != State.DRAFT])
def test_c03_fields_change_only_in_draft(people: People, state: State) -> None:
    request = make_request(state, people=people, zone=Zone.ZONE_2)
    with pytest.raises(PermissionRefused, match="its fields change only in Draft"):
        edit(request, environment_name="FIN-Other-DEV")


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"environment_name": "FIN-\x00-DEV"}, "NUL"),
        ({"zone_rationale": "half \ud83d of an emoji"}, "surrogate"),
        ({"environment_name": "x" * 101}, "101 characters"),
        ({"business_justification": "x" * (MAX_TEXT + 1)}, f"at most {MAX_TEXT}"),
        ({"region": 5}, "not one of the choices"),
        ({"expected_users": "Just me (1)"}, "not one of the choices"),
        ({"state": State.APPROVED}, "not a field a requester can set"),
        ({"zone": Zone.ZONE_1}, "not a field a requester can set"),
        ({"requester": None}, "not a field a requester can set"),
    ],
)
def test_what_cannot_be_stored_is_explained_and_changes_nothing(
    people: People, fields: dict[str, Any], word: str
) -> None:
    draft = make_request(people=people)
    with pytest.raises(InvalidInputError, match=word) as refused:
        edit(draft, **fields)
    assert [name for name, _ in refused.value.problems] == list(fields)
    assert draft.log_entries.count() == 2


def test_a_refused_draft_uses_up_no_number(people: People) -> None:
    with pytest.raises(InvalidInputError):
        services.create_draft(by=people.requester, **facts(region=9))
    assert make_request(people=people).request_number == "REQ-00001"


def test_the_draft_belongs_to_the_requesters_unit_or_one_below_it(people: People) -> None:
    below = unit_of(people.tenant, "Cards")
    assert make_request(people=people).business_unit == people.unit
    draft = services.create_draft(by=people.requester, business_unit=below, **facts())
    assert draft.business_unit == below
    assert draft.log_entries.get(action=Action.REQUEST_CREATED).action_details["business_unit"] == "Cards"


@pytest.mark.parametrize("name", ["Group", "Treasury"])
def test_it_never_belongs_to_a_unit_above_or_beside(people: People, name: str) -> None:
    with pytest.raises(PermissionRefused, match="your own business unit"):
        services.create_draft(by=people.requester, business_unit=unit_of(people.tenant, name), **facts())


def test_nor_to_a_unit_of_another_tenant(people: People) -> None:
    with pytest.raises(PermissionRefused, match="your own business unit"):
        services.create_draft(by=people.requester, business_unit=make_people().unit, **facts())


def test_who_lacks_the_role_or_is_no_person_makes_no_draft(people: People) -> None:
    with pytest.raises(PermissionRefused, match="needs the role ELM Requester"):
        services.create_draft(by=make_user(Role.APPROVER, people.unit), **facts())
    automation = make_user(at=people.unit, is_service_principal=True)
    with pytest.raises(PermissionRefused, match="active member of staff"):
        services.create_draft(by=automation, **facts())


def test_where_a_draft_came_from_is_recorded(people: People) -> None:
    draft = services.create_draft(by=people.requester, source={"copied_from": "REQ-00007"}, **facts())
    details = draft.log_entries.get(action=Action.REQUEST_CREATED).action_details
    assert details == {
        "environment_name": draft.environment_name,
        "business_unit": "Retail",
        "copied_from": "REQ-00007",
    }
