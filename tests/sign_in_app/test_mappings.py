"""Which Entra group has which role is proposed by one person, confirmed by another, and logged."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from accounts_app.privileges import verify_privileges
from accounts_app.roles import Role
from accounts_app.services import grant, revoke_role, roles_of
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from core_app.errors import DomainError, InvalidInputError, PermissionRefused
from sign_in_app.mappings import Terms, confirm_mapping, end_mapping, propose_mapping
from sign_in_app.membership import synchronise
from sign_in_app.models import GroupMapping
from tests.factories import People, make_people, make_user, unit_of
from tests.screens import client_of, page_of

pytestmark = pytest.mark.django_db
ADD = "/admin/sign_in_app/groupmapping/add/"


@pytest.fixture
def second(people: People):
    return make_user(Role.GOVERNANCE_LEAD, people.tenant)


def propose(people: People, role: Role = Role.AUDITOR, **more) -> GroupMapping:
    terms = Terms(more.pop("group_id", uuid4()), "SG-ELM", role, **more)
    return propose_mapping(people.tenant.pk, terms, by=people.governance_lead)


def test_a_mapping_is_made_by_two_people_on_the_screen_and_logged(people: People, second) -> None:
    lead = client_of(people.governance_lead)
    said = {"tenant": people.tenant.pk, "group_id": uuid4(), "group_name": "SG-ELM", "role": Role.AUDITOR, "depth": ""}
    lead.post(ADD, said)
    made = GroupMapping.objects.get()
    assert lead.get(page_of(made)).status_code == 200
    assert lead.post(page_of(made, "confirm"), {"_form_submitted": "on"}).status_code == 403
    assert not GroupMapping.objects.in_force().exists()
    client_of(second).post(page_of(made, "confirm"), {"_form_submitted": "on"})
    assert GroupMapping.objects.in_force().get().confirmed_by == second
    lead.post(page_of(made, "end"), {"_form_submitted": "on"})
    assert not GroupMapping.objects.in_force().exists()
    wanted = [Action.GROUP_MAPPING_PROPOSED, Action.GROUP_MAPPING_CONFIRMED, Action.GROUP_MAPPING_ENDED]
    entries = ProvisioningLog.objects.filter(action__in=wanted).order_by("sequence")
    assert [(entry.action, entry.actor) for entry in entries] == [
        (wanted[0], people.governance_lead.upn),
        (wanted[1], second.upn),
        (wanted[2], people.governance_lead.upn),
    ]


def test_a_second_account_of_the_same_person_does_not_confirm(people: People) -> None:
    made, lead = propose(people), people.governance_lead
    double = make_user(Role.GOVERNANCE_LEAD, people.tenant, entra_object_id=lead.entra_object_id)
    for account in (lead, double):
        with pytest.raises(PermissionRefused, match="second person"):
            confirm_mapping(made.pk, by=account)
    refused = ProvisioningLog.objects.filter(action=Action.DECISION_REFUSED).order_by("sequence")
    assert [(entry.actor, entry.action_details) for entry in refused] == [
        (account.upn, {"confirm": str(made)}) for account in (lead, double)
    ]
    with pytest.raises(IntegrityError, match="a_mapping_needs_a_second_person"), transaction.atomic():
        GroupMapping.objects.filter(pk=made.pk).update(confirmed_by=lead, confirmed_at=made.proposed_at)


def test_only_those_who_govern_the_tenant_say_who_gets_roles(people: People, second) -> None:
    made = propose(people)
    for stranger in (people.operator, people.auditor, people.approver, make_people().governance_lead):
        with pytest.raises(PermissionRefused):
            propose_mapping(people.tenant.pk, Terms(uuid4(), "SG", Role.AUDITOR), by=stranger)
        for verb in (confirm_mapping, end_mapping):
            with pytest.raises(PermissionRefused):
                verb(made.pk, by=stranger)
    confirm_mapping(made.pk, by=second)
    with pytest.raises(DomainError, match="confirmed already"):
        confirm_mapping(made.pk, by=second)
    end_mapping(made.pk, by=second)
    with pytest.raises(DomainError, match="ended already"):
        end_mapping(made.pk, by=second)


def test_what_is_wrong_with_a_mapping_is_said_all_at_once(people: People) -> None:
    elsewhere = unit_of(make_people().tenant, "Retail")
    for terms, fields in [
        (Terms(uuid4(), " ", Role.REQUESTER), {"group_name", "business_unit"}),
        (Terms(uuid4(), "SG", Role.APPROVER, elsewhere), {"business_unit"}),
        (Terms(uuid4(), "SG", Role.APPROVER, unit_of(people.tenant, "Retail"), "organisation"), {"depth"}),
    ]:
        with pytest.raises(InvalidInputError) as wrong:
            propose_mapping(people.tenant.pk, terms, by=people.governance_lead)
        assert {field for field, _ in wrong.value.problems} == fields
    group = propose(people).group_id
    with pytest.raises(InvalidInputError, match="exists already"):
        propose(people, group_id=group)


def test_two_groups_that_give_the_same_take_nothing_while_one_is_left(people: People, second) -> None:
    retail = unit_of(people.tenant, "Retail")
    groups = [
        confirm_mapping(propose(people, Role.APPROVER, business_unit=retail, depth="deep").pk, by=second).group_id
        for _ in range(2)
    ]
    person = make_user(at=retail)
    by_hand = make_user(at=retail)
    grant(by_hand, Role.OPERATOR, people.tenant)
    for groups_now, holds in ((groups, True), (groups[:1], True), ([], False), (groups[1:], True)):
        with transaction.atomic():
            synchronise(person, groups_now)
        assert client_of(person).get("/admin/gates_app/gate/").status_code == (200 if holds else 403)
        assert verify_privileges(is_production=False).findings == ()
    with transaction.atomic():
        synchronise(by_hand, [])
    assert by_hand.groups.filter(name=Role.OPERATOR).exists()


def test_a_requester_stays_one_while_a_group_is_left_and_what_was_taken_by_hand_comes_back(people, second) -> None:
    units = [unit_of(people.tenant, name) for name in ("Retail", "Treasury")]
    groups = [
        confirm_mapping(propose(people, Role.REQUESTER, business_unit=unit).pk, by=second).group_id for unit in units
    ]
    person = make_user(at=people.tenant)
    for groups_now, unit, roles in ((groups[:1], units[0], 1), (groups[1:], units[1], 1), ([], units[1], 0)):
        with transaction.atomic():
            synchronise(person, groups_now)
        assert (person.business_unit, len(roles_of(person))) == (unit, roles)
    with transaction.atomic():
        synchronise(person, groups)
    revoke_role(person.pk, roles_of(person)[0], by=second, reason="Asks for too many.")
    assert roles_of(person) == []
    with transaction.atomic():
        synchronise(person, groups)
    assert [str(each) for each in roles_of(person)] == ["ELM Requester"]
    told = ProvisioningLog.objects.filter(action__in=(Action.ROLE_GRANTED, Action.ROLE_REVOKED)).order_by("sequence")
    mine = [(entry.action, entry.actor) for entry in told if entry.action_details["person"] == person.upn]
    granted, revoked = (Action.ROLE_GRANTED, "System"), (Action.ROLE_REVOKED, "System")
    assert mine == [granted, revoked, granted, (Action.ROLE_REVOKED, second.upn), granted]
    assert verify_privileges(is_production=False).findings == ()


def test_of_two_units_the_first_is_kept_until_its_group_is_left(people: People, second) -> None:
    retail, treasury = unit_of(people.tenant, "Retail"), unit_of(people.tenant, "Treasury")
    by_treasury, by_retail = (
        confirm_mapping(propose(people, Role.REQUESTER, business_unit=unit).pk, by=second).group_id
        for unit in (treasury, retail)
    )
    person = make_user(at=people.tenant)
    for groups, unit in (
        ([by_treasury, by_retail], retail),
        ([by_treasury, by_retail], retail),
        ([by_treasury], treasury),
        ([by_treasury, by_retail], treasury),
        ([], treasury),
    ):
        with transaction.atomic():
            synchronise(person, groups)
        person.refresh_from_db()
        assert person.business_unit == unit
