"""Crafted forms, payloads and calls that name every field there is: only what a role may write is written."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any, Final
from uuid import uuid4

import pytest
from django.urls import reverse

from accounts_app.roles import Role
from core_app.clock import ManualClock
from core_app.errors import InvalidInputError
from requests_app import services
from requests_app.choices import DataSensitivity, State, Zone
from requests_app.fields import NEW
from requests_app.models import EnvironmentRequest
from tests.factories import People, facts, make_people, make_request, unit_of
from tests.requests_app.field_matrix import MODEL, ROLES, ROWS, changed, columns_of, one_of_each, written_by
from tests.requests_app.payloads import payload_of
from tests.requests_app.test_api import Post, post, tokens  # noqa: F401 - fixtures
from tests.screens import ADD, client_of, page_of

FOLLOWS_FROM_THE_ANSWERS: Final = {"zone", "zone_auto_flags", "rule_set_version"}
UNKNOWN: Final = ("_state", "pk", "er_state", "er_approver", "is_superuser", "gate__status", "history", "__class__")


def everything(people: People) -> dict[str, str]:
    """Return another value for every column there is, under every name by which somebody may try to set it."""
    other = make_request(State.PENDING_APPROVAL, people=make_people(people.tenant), zone=Zone.ZONE_2)
    values = {
        "id": str(uuid4()),
        "request_number": "REQ-00777",
        "number": "777",
        "tenant": str(make_people().tenant.pk),
        "environment_name": "FIN-Crafted-PROD",
        "environment_type": "2",
        "region": "4",
        "business_unit": str(unit_of(people.tenant, "Cards").pk),
        "business_justification": "Another purpose than the one before.",
        "zone": "1",
        "requester": str(people.approver.pk),
        "created_at": "2020-01-01 00:00:00",
        "requested_on": "2020-01-01 00:00:00",
        "data_sensitivity": str(DataSensitivity.RESTRICTED.value),
        "expected_users": "4",
        "has_customer_data": "on",
        "has_financial_data": "on",
        "has_external_access": "on",
        "zone_rationale": "Another rationale.",
        "raised_zone": "3",
        "security_group_name": "Another-Group",
        "security_group_id": str(uuid4()),
        "zone_auto_flags": "",
        "rule_set_version": "0",
        "state": "7",
        "approver": str(people.second_approver.pk),
        "approved_on": "2020-01-01 00:00:00",
        "approval_comments": "Approved by nobody.",
        "gate": str(other.gate_id),
        "content_hash": "0" * 64,
        "environment_id": str(uuid4()),
        "environment_url": "https://crafted.example/",
        "provisioning_started": "2020-01-01 00:00:00",
        "provisioning_completed": "2020-01-01 00:00:00",
        "domain_name": "crafted",
        "failure_reason": "Crafted.",
        "settings_version": "9",
    }
    assert set(values) == set(MODEL)
    moments = {f"{name}_{part}": "2020-01-01" for name, part in product(("created_at", "approved_on"), "01")}
    keys = {MODEL[name].attname: value for name, value in values.items() if MODEL[name].attname != name}
    seeds = {cells[0]: values[name] for name, cells in ROWS.items() if cells[0] != "-"}
    return {**dict.fromkeys(UNKNOWN, "7"), **moments, **keys, **seeds, **values}


@pytest.mark.sqlite
def test_posting_every_field_changes_only_what_the_role_may_write_in_that_state(people: People) -> None:
    crafted, users = everything(people), one_of_each(people)
    requests = {state: make_request(state, people=people, zone=Zone.ZONE_2) for state in State}
    clients = {role: client_of(user) for role, user in users.items()}
    seen: dict[tuple[Role, State], set[str]] = {}
    for state, role in product(State, reversed(ROLES)):  # the requester, who may change the draft, comes last
        before = columns_of(requests[state])
        answer = clients[role].post(page_of(requests[state]), crafted)
        seen[role, state] = changed(before, columns_of(requests[state]))
        assert answer.status_code == (302 if (role, state) == (Role.REQUESTER, State.DRAFT) else 403)

    drafted = seen.pop((Role.REQUESTER, State.DRAFT))
    assert drafted == written_by(Role.REQUESTER, State.DRAFT) | FOLLOWS_FROM_THE_ANSWERS - {"rule_set_version"}
    assert {cell: names for cell, names in seen.items() if names} == {}


def test_posting_every_field_makes_a_draft_with_only_what_a_requester_writes(people: People) -> None:
    crafted = everything(people)
    for role, user in one_of_each(people).items():
        assert client_of(user).post(reverse(ADD), crafted).status_code == (302 if role == Role.REQUESTER else 403)

    made = columns_of(EnvironmentRequest.objects.get(environment_name="FIN-Crafted-PROD"))
    planted = {
        name for name in MODEL if str(made[name]) == crafted[name] or (made[name], crafted[name]) == (True, "on")
    }
    assert planted == written_by(Role.REQUESTER, NEW)
    untouched = {name: made[name] for name in ("state", "approver", "environment_id", "requester", "zone")}
    assert untouched == {
        "state": State.DRAFT,
        "approver": None,
        "environment_id": "",
        "requester": people.requester.pk,
        "zone": Zone.ZONE_3,
    }


def test_the_verbs_of_a_draft_refuse_every_other_field_by_name(people: People) -> None:
    draft, who = make_request(people=people), people.requester
    before = columns_of(draft)
    others = {*ROWS, *UNKNOWN} - written_by(Role.REQUESTER, State.DRAFT)
    assert len(others) > len(MODEL) / 2
    edited = {name for name in others if not refuses(partial(services.edit_draft, draft.pk, by=who), name)}
    others -= {"business_unit"}  # chosen when the draft is made
    made = {name for name in others if not refuses(partial(services.create_draft, by=who, **facts()), name)}
    assert (edited, made) == (set(), set())
    assert columns_of(draft) == before


def refuses(verb: Callable[..., Any], name: str) -> bool:
    """Say whether a verb refuses a field because of its name."""
    try:
        verb(**{name: "7"})
    except InvalidInputError as error:
        return "is not a field a requester can set" in str(error)
    return False


def test_an_intake_payload_with_every_field_sets_only_what_a_requester_writes(
    people: People,
    post: Post,  # noqa: F811 - a fixture
    clock: ManualClock,
) -> None:
    crafted = everything(people)
    rows = [make_request(state, people=people, zone=Zone.ZONE_2) for state in State]
    before = [columns_of(request) for request in rows]
    payload = payload_of(people, environment__name="FIN-Honest-DEV")
    assert post(payload).status_code == 201
    planted = {name: value for name, value in crafted.items() if name not in payload}  # a section keeps its place
    planted |= {"id": str(rows[0].pk), "request_number": rows[0].request_number}
    loaded = payload_of(people, environment__name="FIN-Loaded-DEV")
    loaded = {section: {**planted, **value} if isinstance(value, dict) else value for section, value in loaded.items()}
    loaded["classification"]["zone"] = 1
    assert post({**planted, **loaded}).status_code == 201

    honest, made = (
        columns_of(EnvironmentRequest.objects.get(environment_name=name))
        for name in ("FIN-Honest-DEV", "FIN-Loaded-DEV")
    )
    own = {"id", "number", "request_number", "environment_name", "gate", "domain_name", "content_hash"}
    assert changed(honest, made) == own
    assert [name for name in own if str(made[name]) == str(planted.get(name))] == []
    assert [columns_of(request) for request in rows] == before
