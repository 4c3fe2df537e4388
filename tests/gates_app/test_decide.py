"""Approve and reject: who may, what is recorded, and what is refused."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from accounts_app.models import User
from accounts_app.roles import Depth, Role
from accounts_app.services import grant, revoke
from audit_app.actions import Action
from core_app.errors import DomainError, PermissionRefused, StaleContentError
from gates_app import services as gates
from gates_app.levels import GateStatus, Outcome, Part
from gates_app.models import Decision, GateParty
from notifications_app.models import OutboxMessage
from requests_app import services
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.factories import decide, make_automation, make_people, make_request, make_user, unit_of

pytestmark = pytest.mark.django_db


def pending(people, zone=Zone.ZONE_3):
    return make_request(State.PENDING_APPROVAL, people=people, zone=zone)


def test_zone_2_needs_one_approver(people):
    request = decide(pending(people, Zone.ZONE_2), people.approver, comment="Fine.")

    assert (request.state, request.approver, request.approval_comments) == (State.APPROVED, people.approver, "Fine.")
    assert request.approved_on is not None
    entry = request.log_entries.get(action=Action.APPROVED)
    assert (entry.actor, entry.from_state, entry.to_state) == (
        people.approver.upn,
        State.PENDING_APPROVAL,
        State.APPROVED,
    )
    assert OutboxMessage.objects.filter(event="approved", recipient=people.requester).count() == 1


def test_zone_3_needs_an_approver_and_then_a_compliance_officer(people):
    request = pending(people)
    with pytest.raises(PermissionRefused, match="ELM Approver"):
        decide(request, people.compliance_officer)

    request = decide(request, people.approver)
    assert request.state == State.PENDING_APPROVAL
    assert request.log_entries.filter(action=Action.STAGE_APPROVED).count() == 1
    assert OutboxMessage.objects.filter(event="decision_needed", recipient=people.compliance_officer).count() == 1
    with pytest.raises(PermissionRefused, match="already decided"):
        decide(request, people.approver)

    request = decide(request, people.compliance_officer)
    assert request.state == State.APPROVED
    assert [d.decided_by for d in Decision.objects.filter(gate=request.gate)] == [
        people.approver,
        people.compliance_officer,
    ]


def test_c17_one_no_is_enough_and_must_say_why(people):
    request = pending(people)
    for nothing in ("", "   ", "\u200b\u2060", "\n\t"):
        with pytest.raises(DomainError, match="needs a comment"):
            decide(request, people.approver, Outcome.REJECT, nothing)

    request = decide(request, people.approver, Outcome.REJECT, "Use the shared one.")

    assert (request.state, request.approval_comments) == (State.REJECTED, "Use the shared one.")
    assert OutboxMessage.objects.get(event="rejected").body.endswith("Use the shared one.")


def test_c04_a_requester_who_becomes_an_approver_later_still_may_not_decide(people):
    request = pending(people, Zone.ZONE_2)
    grant(people.requester, Role.APPROVER, people.unit)

    with pytest.raises(PermissionRefused, match="asked for this yourself"):
        decide(request, people.requester)

    refused = request.log_entries.get(action=Action.DECISION_REFUSED)
    assert (refused.actor, refused.success) == (people.requester.upn, False)
    assert EnvironmentRequest.objects.get(pk=request.pk).state == State.PENDING_APPROVAL


def test_c05_a_second_account_of_the_requester_may_not_decide(people):
    twin = make_user(Role.APPROVER, people.unit, Depth.DEEP, entra_object_id=people.requester.entra_object_id)

    with pytest.raises(PermissionRefused, match="another account of yours"):
        decide(pending(people, Zone.ZONE_2), twin)


def test_a_superuser_decides_nothing_without_the_role(people):
    boss = make_user(None, people.unit, is_superuser=True, is_staff=True)

    with pytest.raises(PermissionRefused, match="needs the role"):
        decide(pending(people, Zone.ZONE_2), boss)


def test_the_service_principal_never_decides(people):
    robot = make_automation(Role.APPROVER, people.unit, Depth.DEEP)

    with pytest.raises(PermissionRefused, match="service principal"):
        decide(pending(people, Zone.ZONE_2), robot)


def test_c06_a_revoked_role_stops_counting_with_the_next_click(people):
    request = pending(people, Zone.ZONE_2)
    revoke(people.approver, Role.APPROVER, unit_of(people.tenant, "Group"), Depth.DEEP)

    with pytest.raises(PermissionRefused):
        decide(request, people.approver)


def test_an_approver_of_another_unit_or_tenant_decides_nothing(people):
    elsewhere = make_user(Role.APPROVER, unit_of(people.tenant, "Treasury"), Depth.LOCAL)
    stranger = make_people().approver

    for outsider in (elsewhere, stranger):
        with pytest.raises(PermissionRefused):
            decide(pending(people, Zone.ZONE_2), outsider)


def test_c03_a_decision_binds_to_what_was_shown(people):
    request = pending(people, Zone.ZONE_2)

    with pytest.raises(StaleContentError, match="has changed since"):
        services.decide(request.pk, by=people.approver, outcome=Outcome.APPROVE, content_hash="0" * 64)


def test_the_database_itself_refuses_two_parts_for_one_person(people):
    request = pending(people, Zone.ZONE_2)

    with (
        pytest.raises(IntegrityError, match=r"one_part_per_person_at_a_gate|gateparty\.person_key"),
        transaction.atomic(),
    ):
        GateParty.objects.create(gate=request.gate, person_key=people.requester.person_key, part=Part.DECIDER)


def test_the_database_itself_refuses_the_requester_as_approver(people):
    request = pending(people, Zone.ZONE_2)

    with pytest.raises(IntegrityError, match="requester_never_approves"), transaction.atomic():
        EnvironmentRequest.objects.filter(pk=request.pk).update(approver=people.requester)


def test_what_is_decided_stays_decided(people):
    request = decide(pending(people, Zone.ZONE_2), people.approver)

    with pytest.raises(DomainError, match="nothing left to decide"):
        decide(request, people.second_approver, Outcome.REJECT, "Too late.")


class TestZone1:
    """Approved by policy, unless an approver objects within the window."""

    @pytest.fixture
    def people(self, db):
        return make_people(undo_window_seconds=30)

    def test_it_waits_for_its_objection_window_and_is_then_approved_by_policy(self, people, clock):
        request = pending(people, Zone.ZONE_1)
        assert OutboxMessage.objects.filter(event="objection_window", recipient=people.approver).count() == 1
        clock.advance(seconds=29)
        with pytest.raises(DomainError, match="not approved by policy yet"):
            services.approve_by_policy(request.pk)

        clock.advance(seconds=1)
        request = services.approve_by_policy(request.pk)

        assert (request.state, request.approver) == (State.APPROVED, None)
        entry = request.log_entries.get(action=Action.APPROVED)
        assert (entry.actor, entry.policy_version) == ("System", "zones-1")

    def test_an_approver_objects_with_a_reason(self, people, clock):
        request = decide(pending(people, Zone.ZONE_1), people.approver, Outcome.REJECT, "We have a shared sandbox.")

        assert (request.state, request.approver) == (State.REJECTED, people.approver)
        with pytest.raises(DomainError, match="nothing left"):
            services.approve_by_policy(request.pk)

    def test_nobody_can_hurry_it(self, people, clock):
        with pytest.raises(DomainError, match="you can only object"):
            decide(pending(people, Zone.ZONE_1), people.approver)

    def test_the_requester_cannot_object(self, people, clock):
        with pytest.raises(PermissionRefused):
            decide(pending(people, Zone.ZONE_1), people.requester, Outcome.REJECT, "I changed my mind.")


def test_a_withdrawn_request_closes_its_gate(people):
    request = pending(people)

    request = services.withdraw(request.pk, by=people.requester)

    request.gate.refresh_from_db()
    assert (request.state, request.gate.status) == (State.WITHDRAWN, GateStatus.CLOSED)
    with pytest.raises(DomainError):
        decide(request, people.approver)
    gates.close(request.gate.pk)
    assert gates.current_stage(request.gate) is None


class TestAssignment:
    """Claim and reassign: the approver is whoever the open stage is assigned to."""

    def test_the_requesters_manager_is_assigned_when_they_may_decide(self, people):
        request = pending(people, Zone.ZONE_2)

        assert request.approver == people.approver == people.requester.manager

    def test_another_approver_claims_it(self, people):
        request = pending(people, Zone.ZONE_2)

        request = services.assign(request.pk, to=people.second_approver, by=people.second_approver)

        assert request.approver == people.second_approver
        assert (
            request.log_entries.get(action=Action.STAGE_ASSIGNED).action_details["assigned_to"]
            == people.second_approver.upn
        )

    def test_it_is_handed_to_someone_who_may_decide_and_who_is_told(self, people):
        request = pending(people, Zone.ZONE_2)

        services.assign(request.pk, to=people.second_approver, by=people.approver)

        assert OutboxMessage.objects.filter(event="decision_needed", recipient=people.second_approver).exists()

    def test_it_is_not_handed_to_someone_who_may_not_decide(self, people):
        request = pending(people, Zone.ZONE_2)

        for person in (people.requester, people.auditor):
            with pytest.raises(PermissionRefused):
                services.assign(request.pk, to=person, by=people.approver)
        with pytest.raises(PermissionRefused):
            services.assign(request.pk, to=people.approver, by=people.auditor)

    def test_there_is_nothing_to_assign_in_zone_1_or_after_the_decision(self, people):
        first = pending(people, Zone.ZONE_1)
        with pytest.raises(DomainError, match="approved by policy"):
            services.assign(first.pk, to=people.approver, by=people.approver)
        decided = decide(pending(people, Zone.ZONE_2), people.approver)
        with pytest.raises(DomainError, match="nothing to assign"):
            services.assign(decided.pk, to=people.approver, by=people.approver)


def test_submit_says_so_when_nobody_may_decide(db):
    people = make_people()
    for user in User.objects.filter(groups__name=Role.COMPLIANCE_OFFICER, tenant=people.tenant):
        revoke(user, Role.COMPLIANCE_OFFICER, people.tenant)

    with pytest.raises(DomainError, match="ELM Compliance Officer"):
        pending(people, Zone.ZONE_3)


def test_one_person_with_both_roles_is_not_enough_for_two_stages(db):
    people = make_people()
    for role, person in ((Role.APPROVER, people.second_approver), (Role.COMPLIANCE_OFFICER, people.compliance_officer)):
        at = people.tenant if role == Role.COMPLIANCE_OFFICER else unit_of(people.tenant, "Group")
        revoke(person, role, at, Depth.DEEP)
    grant(people.approver, Role.COMPLIANCE_OFFICER, people.tenant)

    with pytest.raises(DomainError, match="Nobody who may decide"):
        pending(people, Zone.ZONE_3)


def test_two_people_are_not_enough_for_three_stages_whatever_they_hold(db):
    roles = (Role.APPROVER, Role.COMPLIANCE_OFFICER, Role.GOVERNANCE_LEAD)
    people = make_people(stages={"3": [role.value for role in roles]})
    able = [people.approver, people.second_approver]
    revoke(people.compliance_officer, Role.COMPLIANCE_OFFICER, people.tenant)
    revoke(people.governance_lead, Role.GOVERNANCE_LEAD, people.tenant)
    for person in able:
        for role in roles[1:]:
            grant(person, role, people.tenant)

    with pytest.raises(DomainError, match="Nobody who may decide holds the role ELM Governance Lead"):
        pending(people, Zone.ZONE_3)

    grant(people.operator, Role.APPROVER, people.tenant)
    assert pending(people, Zone.ZONE_3).state == State.PENDING_APPROVAL
