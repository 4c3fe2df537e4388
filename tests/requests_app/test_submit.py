"""Submitting: everything that is wrong at once, the way to those who decide, and what waits for the directory."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection

from accounts_app.roles import Depth, Role
from accounts_app.services import grant
from audit_app.actions import Action, ActorType
from core_app.clock import ManualClock
from core_app.errors import DomainError, InvalidInputError, PermissionRefused
from gates_app.levels import Level
from notifications_app.catalogue import Event
from notifications_app.models import OutboxMessage
from requests_app import services
from requests_app.choices import DataSensitivity, EnvironmentType, ExpectedUsers, State, Zone
from requests_app.directory import Directory
from requests_app.models import EnvironmentRequest
from tests.factories import GRAPH_IS_DOWN, People, a_group, facts, make_people, make_request, make_user


def draft_of(people: People, zone: Zone = Zone.ZONE_1, **changes: Any) -> EnvironmentRequest:
    return services.create_draft(by=people.requester, **facts(zone, **changes))


def submit(request: EnvironmentRequest, directory: Directory | None = None) -> EnvironmentRequest:
    found = directory or (a_group() if request.security_group_name else Directory())
    return services.submit(request.pk, by=request.requester, directory=found)


def problems_of(request: EnvironmentRequest, directory: Directory | None = None) -> dict[str, str]:
    with pytest.raises(InvalidInputError) as refused:
        submit(request, directory or Directory())
    request.refresh_from_db()
    assert request.state == State.DRAFT
    assert not request.log_entries.filter(action=Action.REQUEST_SUBMITTED).exists()
    return dict(refused.value.problems)


def test_a_zone_1_request_waits_for_objections(people: People) -> None:
    request = submit(draft_of(people))
    assert request.state == State.PENDING_APPROVAL
    assert request.gate.level == Level.L1
    assert request.approver is None


def test_a_zone_2_request_goes_to_the_requesters_manager_who_may_approve(people: People, clock: ManualClock) -> None:
    request = submit(draft_of(people, Zone.ZONE_2))
    assert (request.state, request.gate.level, request.approver) == (State.PENDING_APPROVAL, Level.L2, people.approver)
    assert request.requested_on == clock.at
    assert [stage.role for stage in request.gate.stages.all()] == [Role.APPROVER]


def test_a_zone_3_request_has_two_stages(people: People) -> None:
    request = submit(draft_of(people, Zone.ZONE_3))
    assert [stage.role for stage in request.gate.stages.all()] == [Role.APPROVER, Role.COMPLIANCE_OFFICER]


def test_the_log_names_both_transitions_with_their_actors(people: People) -> None:
    request = submit(draft_of(people, Zone.ZONE_2))
    entries = list(request.log_entries.order_by("sequence"))
    assert [Action(entry.action) for entry in entries] == [
        Action.REQUEST_CREATED,
        Action.ZONE_CLASSIFIED,
        Action.REQUEST_SUBMITTED,
        Action.APPROVAL_REQUESTED,
    ]
    assert [(entry.from_state, entry.to_state) for entry in entries] == [(None, 1), (None, None), (1, 2), (2, 3)]
    assert {entry.actor for entry in entries} == {people.requester.upn}
    assert entries[-1].action_details["content_hash"] == request.content_hash
    assert entries[-1].action_details["assigned_to"] == people.approver.upn


def test_the_group_is_stored_as_the_directory_knows_it_and_the_domain_name_is_fixed(people: People) -> None:
    directory = a_group("FSI-Claims-Makers")
    request = submit(draft_of(people, Zone.ZONE_2), directory)
    assert (request.security_group_id, request.security_group_name) == (directory.group.id, directory.group.name)
    assert request.domain_name.startswith("fin-claims")
    assert request.settings_version == 1


def test_requester_and_deciders_are_told_once(people: People) -> None:
    request = submit(draft_of(people, Zone.ZONE_2))
    told = OutboxMessage.objects.filter(reference=request.request_number)
    assert {(message.event, message.recipient) for message in told} == {
        (Event.SUBMITTED, people.requester),
        (Event.DECISION_NEEDED, people.approver),
    }


def test_everybody_who_may_object_to_zone_1_is_told(people: People) -> None:
    request = submit(draft_of(people))
    told = OutboxMessage.objects.filter(reference=request.request_number, event=Event.OBJECTION_WINDOW)
    assert {message.recipient for message in told} == {people.approver, people.second_approver}


def test_without_a_manager_who_may_decide_everybody_eligible_is_told(people: People) -> None:
    people.requester.manager = None
    people.requester.save()
    request = submit(draft_of(people, Zone.ZONE_2))
    told = OutboxMessage.objects.filter(reference=request.request_number, event=Event.DECISION_NEEDED)
    assert {message.recipient for message in told} == {people.approver, people.second_approver}
    assert request.approver is None
    assert request.log_entries.get(action=Action.APPROVAL_REQUESTED).action_details["assigned_to"] is None


def test_everything_that_is_wrong_is_listed_at_once(people: People) -> None:
    draft = draft_of(
        people,
        environment_name="my environment",
        environment_type=EnvironmentType.DEVELOPER,
        business_justification="because",
        data_sensitivity=DataSensitivity.RESTRICTED,
    )
    assert set(problems_of(draft)) == {
        "environment_name",
        "environment_type",
        "business_justification",
        "zone_rationale",
        "security_group_id",
    }


@pytest.mark.parametrize("zone", [Zone.ZONE_2, Zone.ZONE_3])
def test_c17_zones_2_and_3_need_a_rationale_that_is_more_than_white_space(people: People, zone: Zone) -> None:
    assert set(problems_of(draft_of(people, zone, zone_rationale=" \u200b\n"), a_group())) == {"zone_rationale"}


@pytest.mark.parametrize("zone", [Zone.ZONE_2, Zone.ZONE_3])
def test_zones_2_and_3_need_a_security_group(people: People, zone: Zone) -> None:
    problems = problems_of(draft_of(people, zone, security_group_name=""))
    assert set(problems) == {"security_group_id"}
    assert "name or object id" in problems["security_group_id"]


def test_a_group_the_directory_did_not_find_is_a_problem(people: People) -> None:
    problems = problems_of(draft_of(people, Zone.ZONE_2), Directory())
    assert "'FSI-Claims-Makers' could not be resolved" in problems["security_group_id"]


@pytest.mark.django_db
def test_a_developer_environment_is_refused_unless_the_tenant_allows_it() -> None:
    problems = problems_of(draft_of(make_people(), environment_type=EnvironmentType.DEVELOPER))
    assert "ask for a Sandbox" in problems["environment_type"]
    allowing = make_people(allow_developer=True)
    assert submit(draft_of(allowing, environment_type=EnvironmentType.DEVELOPER)).state == State.PENDING_APPROVAL


def test_a_name_that_a_live_request_holds_is_taken_whatever_its_case(people: People) -> None:
    submit(draft_of(people, environment_name="FIN-Claims-DEV"))
    problems = problems_of(draft_of(people, environment_name="FIN-CLAIMS-DEV"))
    assert "already used" in problems["environment_name"]


def test_a_draft_holds_no_name_and_a_rejected_or_withdrawn_request_gives_it_back(people: People) -> None:
    name = "FIN-Reused-DEV"
    for state in (State.DRAFT, State.WITHDRAWN, State.REJECTED):
        make_request(state, people=people, zone=Zone.ZONE_2, environment_name=name)
    assert submit(draft_of(people, environment_name=name)).state == State.PENDING_APPROVAL


def test_another_tenant_may_use_the_same_name(people: People) -> None:
    submit(draft_of(people, environment_name="FIN-Claims-DEV"))
    assert submit(draft_of(make_people(), environment_name="FIN-Claims-DEV")).state == State.PENDING_APPROVAL


def test_an_approver_of_a_unit_does_not_ask_for_one_there(people: People) -> None:
    grant(people.requester, Role.APPROVER, people.unit, Depth.LOCAL)
    assert "segregation of duties" in problems_of(draft_of(people))["business_unit"]


@pytest.mark.django_db
def test_where_the_tenant_allows_it_another_approver_decides() -> None:
    people = make_people(approvers_may_request_for_their_unit=True)
    grant(people.requester, Role.APPROVER, people.unit, Depth.LOCAL)
    request = submit(draft_of(people, Zone.ZONE_2))
    assert request.approver == people.approver


def test_when_nobody_is_left_to_decide_submitting_says_so(people: People) -> None:
    people.compliance_officer.is_active = False
    people.compliance_officer.save()
    problems = problems_of(draft_of(people, Zone.ZONE_3), a_group())
    assert "ELM Compliance Officer" in problems["business_unit"]


def test_only_the_requester_submits(people: People) -> None:
    draft = draft_of(people)
    with pytest.raises(PermissionRefused, match="Only its requester"):
        services.submit(draft.pk, by=people.approver, directory=Directory())


def test_a_requester_who_lost_the_role_does_not_submit(people: People) -> None:
    draft = draft_of(people)
    people.requester.groups.remove(Group.objects.get(name=Role.REQUESTER))
    with pytest.raises(PermissionRefused, match="needs the role ELM Requester"):
        submit(draft)


def test_a_request_is_submitted_once(people: People) -> None:
    request = submit(draft_of(people))
    with pytest.raises(DomainError, match="already submitted; it is PendingApproval"):
        submit(request)


@pytest.mark.parametrize("zone", [Zone.ZONE_2, Zone.ZONE_3])
def test_while_the_directory_is_down_a_request_stays_submitted_and_says_why(people: People, zone: Zone) -> None:
    request = submit(draft_of(people, zone), GRAPH_IS_DOWN)
    assert request.state == State.SUBMITTED
    delay = request.log_entries.get(action=Action.ROUTING_DELAYED)
    assert (delay.success, delay.error_message, delay.actor_type) == (
        False,
        GRAPH_IS_DOWN.unavailable,
        ActorType.SYSTEM,
    )
    told = OutboxMessage.objects.get(reference=request.request_number, event=Event.ROUTING_DELAYED)
    assert (told.recipient, GRAPH_IS_DOWN.unavailable in told.body) == (people.requester, True)


def test_the_same_trouble_is_told_once_and_another_again(people: People) -> None:
    request = submit(draft_of(people, Zone.ZONE_2), GRAPH_IS_DOWN)
    services.route(request.pk, directory=GRAPH_IS_DOWN)
    services.delay_routing(request.pk, why="The vault is closed.")
    delays = request.log_entries.filter(action=Action.ROUTING_DELAYED)
    assert [entry.error_message for entry in delays] == [GRAPH_IS_DOWN.unavailable, "The vault is closed."]
    assert OutboxMessage.objects.filter(event=Event.ROUTING_DELAYED).count() == 2


def test_a_delay_that_comes_too_late_changes_nothing(people: People) -> None:
    request = submit(draft_of(people))
    services.delay_routing(request.pk, why="The vault is closed.")
    assert not request.log_entries.filter(action=Action.ROUTING_DELAYED).exists()


def test_a_delayed_request_is_routed_by_the_system(people: People) -> None:
    request = submit(draft_of(people, Zone.ZONE_2), GRAPH_IS_DOWN)
    request = services.route(request.pk, directory=a_group())
    assert request.state == State.PENDING_APPROVAL
    assert request.log_entries.get(action=Action.APPROVAL_REQUESTED).actor_type == ActorType.SYSTEM


def test_a_delayed_request_whose_group_does_not_exist_is_not_routed(people: People) -> None:
    request = submit(draft_of(people, Zone.ZONE_2), GRAPH_IS_DOWN)
    with pytest.raises(InvalidInputError, match="could not be resolved"):
        services.route(request.pk, directory=Directory())


def test_only_a_submitted_request_is_routed(people: People) -> None:
    request = submit(draft_of(people))
    with pytest.raises(DomainError, match="needs no routing"):
        services.route(request.pk, directory=Directory())


@pytest.mark.django_db(transaction=True)
def test_of_several_drafts_with_one_name_submitted_at_once_one_goes_through() -> None:
    people = make_people()
    drafts = [draft_of(people, environment_name="FIN-Contested-DEV") for _ in range(6)]
    start, refused = threading.Barrier(len(drafts), timeout=30), []

    def hand_in(draft: EnvironmentRequest) -> None:
        start.wait()
        try:
            submit(draft)
        except InvalidInputError as error:
            refused.append(dict(error.problems)["environment_name"])
        finally:
            connection.close()

    threads = [threading.Thread(target=hand_in, args=(draft,)) for draft in drafts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 5
    assert all("already used" in sentence for sentence in refused)
    assert EnvironmentRequest.objects.filter(state=State.PENDING_APPROVAL).count() == 1


@pytest.mark.django_db
def test_each_persons_request_stays_in_their_tenant() -> None:
    people, others = make_people(), make_people()
    assert draft_of(people).request_number == draft_of(others).request_number == "REQ-00001"
    assert draft_of(people).request_number == "REQ-00002"


def test_a_stranger_to_every_unit_cannot_even_draft(people: People) -> None:
    with pytest.raises(PermissionRefused, match="belongs to no business unit"):
        services.create_draft(by=make_user(Role.REQUESTER), **facts())


def test_a_team_needs_more_than_zone_1(people: People) -> None:
    assert draft_of(people, expected_users=ExpectedUsers.SMALL_TEAM).zone == Zone.ZONE_2
