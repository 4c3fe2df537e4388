"""A payload becomes a submitted request, or all that is wrong with it is listed and nothing is stored."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from hypothesis import given
from hypothesis import strategies as some

from accounts_app.roles import Depth, Role
from accounts_app.services import grant
from audit_app.actions import Action, ActorType
from audit_app.models import ProvisioningLog
from audit_app.verify import verify_log
from core_app.errors import InvalidInputError
from requests_app.choices import (
    DataSensitivity,
    EnvironmentType,
    ExpectedUsers,
    Region,
    State,
    Zone,
)
from requests_app.intake import Caller, Received, receive
from requests_app.intake.payload import FIELDS, classify_payload, read_payload
from requests_app.models import EnvironmentRequest, IntakeReceipt
from tests.factories import People, make_people
from tests.microsoft import GROUP_NAME, World
from tests.requests_app.payloads import SAMPLES, as_bytes, changed, payload_of

MISSING = ...


def take(payload: Any, by: Caller | None = None) -> Received:
    return receive(payload, by=by)


def problems_of(payload: Any, by: Caller | None = None) -> dict[str, str]:
    """Return the problems, having seen that nothing was stored."""
    before = counts()
    with pytest.raises(InvalidInputError) as refused:
        take(payload, by)
    assert counts() == before
    return dict(refused.value.problems)


def counts() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (EnvironmentRequest, IntakeReceipt, ProvisioningLog))


def entry_of(received: Received) -> ProvisioningLog:
    return received.request.log_entries.get(action=Action.INTAKE_RECEIVED)


# What becomes of a good payload


def test_a_zone_1_payload_becomes_a_submitted_request_of_its_requester(people: People) -> None:
    received = take(payload_of(people))
    request = received.request
    assert (received.created, request.state, request.zone) == (True, State.PENDING_APPROVAL, Zone.ZONE_1)
    assert (request.requester, request.tenant, request.business_unit) == (people.requester, people.tenant, people.unit)
    assert request.environment_name == "FIN-Reporting-PROD"
    assert (request.environment_type, request.region) == (EnvironmentType.SANDBOX, Region.UNITED_STATES)
    assert (request.data_sensitivity, request.expected_users) == (DataSensitivity.INTERNAL, ExpectedUsers.JUST_ME)
    assert request.business_justification == "Quarterly reporting for the regulator, automated."


def test_bytes_and_a_decoded_payload_are_alike(people: People) -> None:
    payload = payload_of(people)
    assert take(as_bytes(payload)).created
    assert not take(payload).created


@pytest.mark.parametrize("zone", [2, 3])
def test_the_group_of_zones_2_and_3_is_resolved_through_graph(world: World, zone: int) -> None:
    request = take(payload_of(world.people, zone)).request
    assert (request.state, request.zone) == (State.PENDING_APPROVAL, zone)
    assert (request.security_group_id, request.security_group_name) == (world.group_id, GROUP_NAME)


def test_the_log_tells_what_came_before_the_request_was_submitted(people: People) -> None:
    payload = payload_of(people)
    received = take(payload)
    actions = [Action(entry.action) for entry in received.request.log_entries.order_by("sequence")]
    assert actions == [
        Action.REQUEST_CREATED,
        Action.ZONE_CLASSIFIED,
        Action.INTAKE_RECEIVED,
        Action.REQUEST_SUBMITTED,
        Action.APPROVAL_REQUESTED,
    ]
    entry, receipt = entry_of(received), received.request.intake_receipt
    assert entry.action_details == {
        "external_id": payload["requestId"],
        "sent_at": "2026-01-29T14:30:00Z",
        "digest": receipt.digest,
        "delivered_by": "command line",
        "payload_zone": 1,
        "computed_zone": 1,
        "differences": {},
        "answers_from": dict.fromkeys(("has_customer_data", "has_financial_data", "has_external_access"), "payload"),
        "asked_for_zone_review": False,
    }
    assert (entry.actor_type, entry.actor) == (ActorType.SYSTEM, "System")
    assert verify_log().ok


def test_an_authenticated_caller_is_named_in_the_log(people: People) -> None:
    entry = entry_of(take(payload_of(people), Caller("copilot-intake", people.tenant.pk)))
    assert (entry.actor_type, entry.actor) == (ActorType.SERVICE_PRINCIPAL, "copilot-intake")
    assert entry.action_details["delivered_by"] == "copilot-intake"


def test_the_upn_is_found_whatever_its_case(people: People) -> None:
    payload = payload_of(people, requester__upn=f"  {people.requester.upn.upper()} ")
    assert take(payload).request.requester == people.requester


def test_keys_we_do_not_know_are_ignored_and_set_nothing(people: People) -> None:
    payload = payload_of(people, agentVersion="9", state=7, environment__zone=3, access__approver="me")
    request = take(payload).request
    assert (request.state, request.zone, request.approver) == (State.PENDING_APPROVAL, Zone.ZONE_1, None)


# Advice


def test_the_payloads_own_zone_is_advice_and_a_difference_is_recorded(people: People) -> None:
    payload = payload_of(people, classification__zone=3, approvalRequired__compliance=True)
    received = take(payload)
    assert received.request.zone == Zone.ZONE_1
    assert received.differences == {
        "zone": {"payload": 3, "computed": 1},
        "compliance_approval": {"payload": True, "computed": False},
    }
    details = entry_of(received).action_details
    assert details["differences"] == received.differences
    assert (details["payload_zone"], details["computed_zone"]) == (3, 1)


def test_flags_that_the_rules_do_not_see_are_recorded(world: World) -> None:
    received = take(payload_of(world.people, 2, classification__autoFlags=["EXTERNAL_ACCESS", "CONFIDENTIAL_DATA"]))
    assert received.request.flags == ["CONFIDENTIAL_DATA", "TEAM_WORKLOAD"]
    assert received.differences["flags"] == {
        "payload": ["EXTERNAL_ACCESS", "CONFIDENTIAL_DATA"],
        "computed": ["CONFIDENTIAL_DATA", "TEAM_WORKLOAD"],
    }


def test_a_group_that_the_directory_calls_otherwise_is_recorded(world: World) -> None:
    payload = payload_of(world.people, 2, access__securityGroupId=world.group_id, access__securityGroupName="Old name")
    assert take(payload).differences["security_group_name"] == {"payload": "Old name", "computed": GROUP_NAME}


def test_a_wish_for_a_zone_review_is_recorded(people: People) -> None:
    received = take(payload_of(people, approvalRequired__zoneReviewRequired=True))
    assert entry_of(received).action_details["asked_for_zone_review"] is True


# The three answers


def test_an_older_payload_answers_by_its_flags_and_the_log_says_so(world: World) -> None:
    payload = payload_of(
        world.people,
        3,
        classification__hasCustomerData=MISSING,
        classification__hasFinancialData=MISSING,
        classification__hasExternalAccess=MISSING,
        classification__autoFlags=["EXTERNAL_ACCESS", "TEAM_WORKLOAD"],
    )
    received = take(payload)
    request = received.request
    assert (request.has_customer_data, request.has_financial_data, request.has_external_access) == (False, False, True)
    assert set(entry_of(received).action_details["answers_from"].values()) == {"autoFlags"}


def test_an_answer_that_is_there_wins_over_the_flags(world: World) -> None:
    payload = payload_of(
        world.people, 3, classification__hasFinancialData=MISSING, classification__autoFlags=["FINANCIAL_TRANSACTIONS"]
    )
    received = take(payload)
    assert (received.request.has_customer_data, received.request.has_financial_data) == (True, True)
    assert entry_of(received).action_details["answers_from"] == {
        "has_customer_data": "payload",
        "has_financial_data": "autoFlags",
        "has_external_access": "payload",
    }


def test_without_answers_and_flags_nothing_is_assumed(people: People) -> None:
    payload = payload_of(
        people,
        classification__hasCustomerData=MISSING,
        classification__hasFinancialData=None,
        classification__hasExternalAccess="no",
        classification__autoFlags=MISSING,
    )
    problems = problems_of(payload)
    assert "answer true or false" in problems["$.classification.hasCustomerData"]
    assert "answer true or false" in problems["$.classification.hasFinancialData"]
    assert problems["$.classification.hasExternalAccess"] == "must be true or false, not text."


@pytest.mark.parametrize(
    ("count", "choice"),
    [
        (1, ExpectedUsers.JUST_ME),
        (2, ExpectedUsers.SMALL_TEAM),
        (10, ExpectedUsers.SMALL_TEAM),
        (11, ExpectedUsers.LARGE_TEAM),
        (50, ExpectedUsers.LARGE_TEAM),
        (51, ExpectedUsers.DEPARTMENT),
        (100_000, ExpectedUsers.DEPARTMENT),
        ("just me (1)", ExpectedUsers.JUST_ME),
        ("Small team (2-10)", ExpectedUsers.SMALL_TEAM),
        ("Large team (11-50)", ExpectedUsers.LARGE_TEAM),
        ("Department (50+)", ExpectedUsers.DEPARTMENT),
        ("Department (51 and more)", ExpectedUsers.DEPARTMENT),
    ],
)
def test_a_number_of_users_or_the_agents_label_is_one_of_the_choices(count: Any, choice: ExpectedUsers) -> None:
    document = {
        "environment": {"type": "sandbox"},
        "classification": {"autoFlags": [], "dataSensitivity": "PUBLIC"},
        "access": {"expectedUserCount": count},
    }
    assert read_payload(document).values["expected_users"] == choice


def test_the_label_may_come_in_words_alone(people: People) -> None:
    payload = payload_of(people, access=MISSING, businessContext__expectedUsers="Just me (1)")
    assert take(payload).request.expected_users == ExpectedUsers.JUST_ME


@pytest.mark.parametrize("code", ["unitedstates", "europe", "unitedkingdom", "australia", "Europe"])
def test_every_region_code_is_known(people: People, code: str) -> None:
    assert take(payload_of(people, environment__region=code)).request.state == State.PENDING_APPROVAL


# Problems


@pytest.mark.parametrize("field", [field for field in FIELDS if field.required], ids=lambda field: field.path)
@pytest.mark.parametrize("value", [MISSING, None])
def test_a_missing_key_is_named(people: People, field: Any, value: Any) -> None:
    payload = payload_of(people, **{field.path.replace(".", "__"): value})
    assert problems_of(payload)[f"$.{field.path}"] == "is missing."


@pytest.mark.parametrize(
    "section", ["requester", "environment", "classification", "access", "businessContext", "approvalRequired"]
)
@pytest.mark.parametrize(
    ("value", "sentence"),
    [(MISSING, "is missing; it needs "), (None, "is missing; it needs "), ([], "must be an object, not a list.")],
)
def test_a_missing_section_is_one_problem(people: People, section: str, value: Any, sentence: str) -> None:
    problems = problems_of(payload_of(people, **{section: value}))
    assert sentence in problems[f"$.{section}"]
    assert not [path for path in problems if path.startswith(f"$.{section}.")]


def test_an_empty_object_names_every_section() -> None:
    with pytest.raises(InvalidInputError) as refused:
        classify_payload(b"{}")
    assert [path for path, _ in refused.value.problems] == ["$.environment", "$.classification", "$.access"]


@pytest.mark.parametrize(
    ("where", "value", "sentence"),
    [
        ("requestId", 5, "must be text, not a number"),
        ("requestId", "  ", "is empty"),
        ("requestId", "x" * 101, "at most 100"),
        ("timestamp", "yesterday", "2026-01-29T14:30:00Z"),
        ("timestamp", "2026-01-29T14:30:00", "with its zone"),
        ("timestamp", 1769697000, "must be text"),
        ("requester__upn", ["a"], "must be text, not a list"),
        ("requester__displayName", 7, "must be text"),
        ("environment__name", True, "must be text, not true or false"),
        ("environment__name", "FIN-" + "a" * 100 + "-PROD", "at most 100"),
        ("environment__type", "Trial", "'Trial' is not known; use Sandbox, Production or Developer."),
        ("environment__type", 1, "must be text"),
        ("environment__region", "mars", "use unitedstates, europe, unitedkingdom or australia."),
        ("environment__region", "m" * 500, "…' is not known"),
        ("classification__zone", 4, "must be the number 1, 2 or 3"),
        ("classification__zone", "2", "must be the number 1, 2 or 3"),
        ("classification__zone", True, "must be the number 1, 2 or 3"),
        ("classification__zone", 2.0, "must be the number 1, 2 or 3"),
        ("classification__autoFlags", "CUSTOMER_PII", "must be a list of flags out of RESTRICTED_DATA"),
        ("classification__autoFlags", [1], "must be a list of flags"),
        ("classification__autoFlags", ["PII", "EXTERNAL_ACCESS"], "'PII' is not known; flags are RESTRICTED_DATA"),
        ("classification__dataSensitivity", "Secret", "use Public, Internal, Confidential or Restricted."),
        ("classification__zoneRationale", {}, "must be text, not an object"),
        ("classification__hasCustomerData", "yes", "must be true or false, not text"),
        ("classification__hasCustomerData", 1, "must be true or false, not a number"),
        ("access__securityGroupId", "SG-Claims-Makers", "a group's name belongs into securityGroupName"),
        ("access__securityGroupName", "x" * 257, "at most 256"),
        ("access__expectedUserCount", 0, "from 1 up"),
        ("access__expectedUserCount", -3, "from 1 up"),
        ("access__expectedUserCount", True, "from 1 up"),
        ("access__expectedUserCount", 2.5, "from 1 up"),
        ("access__expectedUserCount", "a few", "use Just me (1)"),
        ("businessContext__purpose", "x" * 20_001, "at most 20000"),
        ("businessContext__expectedUsers", 25, "must be text"),
        ("approvalRequired__manager", "true", "must be true or false"),
        ("approvalRequired__zoneReviewRequired", 0, "must be true or false"),
        ("environment__name", "reporting", "does not follow the convention"),
        ("businessContext__purpose", "Because.", "at least 20"),
        ("environment__type", "Developer", "cannot be created by automation"),
    ],
)
def test_a_bad_value_is_explained_at_its_path(people: People, where: str, value: Any, sentence: str) -> None:
    problems = problems_of(payload_of(people, **{where: value}))
    assert sentence in problems["$." + where.replace("__", ".")]
    assert len(problems) == 1


def test_all_problems_come_at_once_in_the_payloads_order(people: People) -> None:
    payload = payload_of(
        people,
        2,
        timestamp="soon",
        environment__name="bad name",
        environment__region="moon",
        classification__zoneRationale=" ",
        access__securityGroupName="",
        businessContext__purpose="short",
        approvalRequired=MISSING,
    )
    assert list(problems_of(payload)) == [
        "$.timestamp",
        "$.environment.name",
        "$.environment.region",
        "$.classification.zoneRationale",
        "$.access.securityGroupId",
        "$.businessContext.purpose",
        "$.approvalRequired",
    ]


def test_an_unknown_requester_does_not_hide_the_other_problems(people: People) -> None:
    payload = payload_of(people, 2, requester__upn="nobody@contoso.example", classification__zoneRationale="")
    problems = problems_of(payload)
    assert "'nobody@contoso.example' is nobody known here" in problems["$.requester.upn"]
    assert "needs a rationale" in problems["$.classification.zoneRationale"]


@pytest.mark.parametrize("zone", [2, 3])
def test_a_computed_zone_2_or_3_needs_rationale_and_group_whatever_the_payload_says(people: People, zone: int) -> None:
    payload = payload_of(
        people,
        zone,
        classification__zone=1,
        classification__zoneRationale=MISSING,
        access__securityGroupId=MISSING,
        access__securityGroupName=MISSING,
    )
    assert set(problems_of(payload)) == {"$.classification.zoneRationale", "$.access.securityGroupId"}


def test_a_group_the_directory_does_not_know_is_named_where_the_payload_names_it(world: World) -> None:
    by_name = problems_of(payload_of(world.people, 2, access__securityGroupName="SG-Nobody"))
    assert "has no group 'SG-Nobody'" in by_name["$.access.securityGroupName"]
    unknown = "12345678-1234-1234-1234-123456789012"
    by_id = problems_of(payload_of(world.people, 2, access__securityGroupId=unknown, environment__name="bad"))
    assert unknown in by_id["$.access.securityGroupId"]
    assert "$.environment.name" in by_id


def test_while_graph_is_down_the_request_waits_as_submitted(world: World) -> None:
    world.fault(host="graph", status=503, count=0)
    received = take(payload_of(world.people, 2))
    assert (received.created, received.request.state) == (True, State.SUBMITTED)
    assert not take(payload_of(world.people, 2, requestId=received.request.intake_receipt.external_id)).created


def test_a_name_that_is_taken_is_a_problem(people: People) -> None:
    take(payload_of(people))
    assert "already used" in problems_of(payload_of(people))["$.environment.name"]


def test_when_nobody_may_decide_the_payload_is_refused(world: World) -> None:
    world.people.compliance_officer.is_active = False
    world.people.compliance_officer.save()
    assert "ELM Compliance Officer" in problems_of(payload_of(world.people, 3))["$.requester.upn"]


def test_an_approver_of_the_unit_is_refused_as_its_requester(people: People) -> None:
    grant(people.requester, Role.APPROVER, people.unit, Depth.LOCAL)
    assert "segregation of duties" in problems_of(payload_of(people))["$.requester.upn"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"is_active": False}, "Only an active member of staff"),
        ({"is_service_principal": True}, "Only an active member of staff"),
        ({"business_unit": None}, "belongs to no business unit"),
        ({"tenant": None, "business_unit": None}, "is nobody known here"),
    ],
)
def test_a_requester_needs_an_active_account_with_a_unit(people: People, change: dict[str, Any], sentence: str) -> None:
    for name, value in change.items():
        setattr(people.requester, name, value)
    people.requester.save()
    assert sentence in problems_of(payload_of(people))["$.requester.upn"]


def test_a_requester_needs_the_role(people: People) -> None:
    people.requester.groups.remove(Group.objects.get(name=Role.REQUESTER))
    assert "needs the role ELM Requester" in problems_of(payload_of(people))["$.requester.upn"]


def test_a_requester_of_another_tenant_is_as_unknown_as_nobody(people: People) -> None:
    stranger = make_people()
    caller = Caller("copilot-intake", people.tenant.pk)
    theirs = problems_of(payload_of(stranger), caller)["$.requester.upn"]
    nobodys = problems_of(payload_of(people, requester__upn="nobody@contoso.example"), caller)["$.requester.upn"]
    assert theirs.replace(stranger.requester.upn, "") == nobodys.replace("nobody@contoso.example", "")


# Twice


def test_the_same_payload_twice_is_one_request(people: People) -> None:
    payload = payload_of(people)
    first = take(payload)
    before = counts()
    again = take(dict(reversed(payload.items())))
    assert (again.created, again.request, counts()) == (False, first.request, before)


def test_it_is_known_even_when_its_requester_has_left_or_it_is_withdrawn(people: People) -> None:
    payload = payload_of(people)
    first = take(payload)
    people.requester.is_active = False
    people.requester.save()
    assert take(payload).request == first.request


def test_another_content_under_a_known_id_is_refused(people: People) -> None:
    payload = payload_of(people)
    number = take(payload).request.request_number
    problems = problems_of(changed(payload, environment__name="FIN-Another-DEV"))
    assert set(problems) == {"$.requestId"}
    assert number in problems["$.requestId"]


def test_another_content_under_a_known_id_is_told_every_other_problem_as_well(world: World) -> None:
    payload = payload_of(world.people)
    take(payload)
    other = payload_of(world.people, 2, requestId=payload["requestId"], access__securityGroupName="SG-Nobody")
    problems = problems_of(changed(other, environment__region="moon", environment__name=payload["environment"]["name"]))
    assert "already used" in problems.pop("$.environment.name")
    assert set(problems) == {"$.requestId", "$.environment.region", "$.access.securityGroupName"}


def test_another_content_under_a_known_id_of_somebody_who_may_not_ask_any_more_is_told_both(people: People) -> None:
    payload = payload_of(people)
    take(payload)
    people.requester.groups.clear()
    problems = problems_of(changed(payload, environment__name="FIN-Another-DEV"))
    assert set(problems) == {"$.requestId", "$.requester.upn"}


def test_two_tenants_may_use_the_same_id(people: People) -> None:
    others = make_people()
    first = take(payload_of(people, requestId="1"))
    assert take(payload_of(others, requestId="1")).request != first.request


def test_a_refused_payload_may_come_again_when_it_is_mended(people: People) -> None:
    payload = payload_of(people, environment__region="moon")
    problems_of(payload)
    assert take(changed(payload, environment__region="europe")).request.request_number == "REQ-00001"


@pytest.mark.django_db(transaction=True)
def test_identical_payloads_delivered_at_once_are_one_request() -> None:
    payload = as_bytes(payload_of(make_people()))
    outcomes = at_once(*[payload] * 6)
    assert sorted(received.created for received in outcomes) == [False] * 5 + [True]
    assert len({received.request.pk for received in outcomes}) == 1
    assert (EnvironmentRequest.objects.count(), IntakeReceipt.objects.count()) == (1, 1)
    assert verify_log().ok


@pytest.mark.django_db(transaction=True)
def test_a_payload_that_is_stored_while_its_twin_asks_microsoft_is_known_to_the_twin(world: World) -> None:
    payload = as_bytes(payload_of(world.people, 2))
    world.fault(host="graph", delay=5)
    outcomes: list[Any] = []
    twin = threading.Thread(target=lambda: (outcomes.append(take(payload)), connection.close()))
    twin.start()
    world.await_call(host="graph")
    assert take(payload).created
    twin.join()
    assert [outcome.created for outcome in outcomes] == [False]


@pytest.mark.django_db(transaction=True)
def test_different_payloads_with_one_name_delivered_at_once_are_one_request_and_clear_refusals() -> None:
    people = make_people()
    outcomes = at_once(*[as_bytes(payload_of(people)) for _ in range(4)])
    refused = [outcome for outcome in outcomes if isinstance(outcome, InvalidInputError)]
    assert (len(outcomes), len(refused)) == (4, 3)
    assert all("already used" in dict(error.problems)["$.environment.name"] for error in refused)
    assert [request.number for request in EnvironmentRequest.objects.all()] == [1]


@pytest.mark.django_db(transaction=True)
def test_a_requester_who_loses_the_role_while_graph_is_asked_is_refused(world: World) -> None:
    world.fault(host="graph", delay=5)

    def revoke() -> None:
        world.await_call(host="graph")
        world.people.requester.groups.clear()
        connection.close()

    revoking = threading.Thread(target=revoke)
    revoking.start()
    problems = problems_of(payload_of(world.people, 2))
    revoking.join()
    assert "needs the role ELM Requester" in problems["$.requester.upn"]


def at_once(*payloads: bytes) -> list[Any]:
    """Deliver each payload in a thread of its own; return what became of them."""
    start, outcomes = threading.Barrier(len(payloads), timeout=30), []

    def deliver(payload: bytes) -> None:
        try:
            start.wait()
            outcomes.append(take(payload))
        except InvalidInputError as error:
            outcomes.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=deliver, args=(payload,)) for payload in payloads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


# The samples, and anything at all


NAMES = ("zone-1", "zone-2", "zone-3", "zone-3-older")


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_is_classified_as_its_name_says(name: str) -> None:
    assert int(classify_payload((SAMPLES / f"{name}.json").read_bytes()).zone) == int(name[5])


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_is_taken_without_a_difference(world: World, name: str) -> None:
    document = json.loads((SAMPLES / f"{name}.json").read_text())
    requester, group = world.people.requester, document["access"]["securityGroupName"]
    requester.upn = document["requester"]["upn"].lower()
    requester.save()
    if group not in ("", GROUP_NAME):
        seed = {"id": str(world.tenant_id), "groups": [{"display_name": group}]}
        world.simulator.control("POST", "/seed", {"tenants": [seed]})
    received = take(document)
    assert (received.request.zone, received.request.state) == (int(name[5]), State.PENDING_APPROVAL)
    assert received.differences == {}


anything = (
    some.none()
    | some.booleans()
    | some.integers(-5, 100)
    | some.floats()
    | some.text(max_size=5)
    | some.lists(some.integers(), max_size=2)
    | some.dictionaries(some.text(max_size=3), some.integers(), max_size=2)
)


@given(
    some.fixed_dictionaries(
        {},
        optional={
            **{field.path: anything for field in FIELDS if "." not in field.path},
            **{
                section: anything
                | some.fixed_dictionaries({}, optional={f.key: anything for f in FIELDS if f.section == section})
                for section in {field.section for field in FIELDS} - {""}
            },
        },
    )
)
def test_no_document_breaks_the_reader_and_its_problems_are_named_once(document: dict[str, Any]) -> None:
    payload = read_payload(document)
    paths = [path for path, _ in payload.problems]
    assert paths
    assert len(paths) == len(set(paths))
    assert payload.answers()
