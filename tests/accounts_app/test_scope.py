"""What a person may see follows from role and depth of their grants."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from guardian.shortcuts import assign_perm, remove_perm

from accounts_app.models import BusinessUnit, Tenant, User
from accounts_app.roles import GRANT_NAMES, Depth, Role
from accounts_app.scope import prefixed, scope_of
from accounts_app.services import grant, holders, revoke
from audit_app.models import ProvisioningLog
from core_app.read_once import reading_once
from requests_app.models import EnvironmentRequest
from tests.factories import make_people, make_request, make_tenant, make_user, unit_of

pytestmark = pytest.mark.django_db

UNITS = ("Group", "Retail", "Cards", "Treasury")
GRANTED = sorted(GRANT_NAMES.values())


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


def reached(user: User, role: Role, tenant: Tenant) -> set[str]:
    scope = scope_of(user)
    return {unit.name for unit in tenant.business_units.all() if scope.holds(role, unit)}


@pytest.mark.parametrize("role", GRANTED)
@pytest.mark.parametrize(
    ("at", "depth", "expected"),
    [
        ("Retail", Depth.LOCAL, {"Retail"}),
        ("Retail", None, {"Retail"}),
        ("Retail", Depth.DEEP, {"Retail", "Cards"}),
        ("Group", Depth.DEEP, set(UNITS)),
        ("Cards", Depth.DEEP, {"Cards"}),
        (None, None, set(UNITS)),
    ],
)
def test_a_role_reaches_as_deep_as_its_grant(
    tenant: Tenant, role: Role, at: str | None, depth: Depth | None, expected: set[str]
) -> None:
    user = make_user(role, unit_of(tenant, at) if at else tenant, depth)
    assert reached(user, role, tenant) == expected
    assert {unit.name for unit in tenant.business_units.all() if user in holders(role, unit)} == expected
    assert not reached(user, role, make_tenant())
    assert all(not reached(user, other, tenant) for other in set(GRANTED) - {role})


@pytest.mark.parametrize("role", GRANTED)
def test_a_grant_to_a_group_counts_for_its_members(tenant: Tenant, role: Role) -> None:
    name = next(word for word, granted in GRANT_NAMES.items() if granted == role)
    team = Group.objects.create(name="Team")
    member = make_user(role, unit_of(tenant, "Treasury"))
    revoke(member, role, unit_of(tenant, "Treasury"))
    member.groups.add(team, Group.objects.get(name=role))
    assert reached(member, role, tenant) == set()
    assign_perm(f"accounts_app.{name}_local", team, unit_of(tenant, "Cards"))
    assign_perm(f"accounts_app.{name}_deep", team, unit_of(tenant, "Treasury"))
    assert reached(member, role, tenant) == {"Cards", "Treasury"}
    assert member in holders(role, unit_of(tenant, "Cards"))
    assert member in holders(role, unit_of(tenant, "Treasury"))
    remove_perm(f"accounts_app.{name}_local", team, unit_of(tenant, "Cards"))
    assign_perm(f"accounts_app.{name}_organisation", team, tenant)
    assert reached(member, role, tenant) == set(UNITS)
    assert member in holders(role, unit_of(tenant, "Cards"))


def test_an_approver_of_one_unit_who_audits_everything_does_not_approve_everywhere(tenant: Tenant) -> None:
    user = make_user(Role.APPROVER, unit_of(tenant, "Cards"))
    grant(user, Role.AUDITOR, tenant)
    assert reached(user, Role.APPROVER, tenant) == {"Cards"}
    assert reached(user, Role.AUDITOR, tenant) == set(UNITS)
    assert scope_of(user).tenants() == {tenant.pk}


def test_a_grant_without_the_role_s_group_counts_for_nothing(tenant: Tenant) -> None:
    user = make_user(Role.APPROVER, unit_of(tenant, "Cards"))
    user.groups.clear()
    assert reached(user, Role.APPROVER, tenant) == set()
    assert user not in holders(Role.APPROVER, unit_of(tenant, "Cards"))


def test_a_revoked_grant_stops_counting(tenant: Tenant) -> None:
    user = make_user(Role.APPROVER, unit_of(tenant, "Group"), Depth.DEEP)
    revoke(user, Role.APPROVER, unit_of(tenant, "Group"), Depth.DEEP)
    assert reached(user, Role.APPROVER, tenant) == set()


def test_a_disabled_account_reaches_nothing(tenant: Tenant) -> None:
    user = make_user(Role.APPROVER, unit_of(tenant, "Cards"), is_active=False)
    assert scope_of(user).reach == {}
    assert user not in holders(Role.APPROVER, unit_of(tenant, "Cards"))


def test_people_see_their_own_requests_and_those_their_roles_reach() -> None:
    people, others = make_people(), make_people()
    own, foreign = make_request(people=people), make_request(people=others)
    local = make_user(Role.APPROVER, unit_of(people.tenant, "Treasury"))
    seen = {
        user: set(EnvironmentRequest.objects.filter(scope_of(user).requests()))
        for user in (people.requester, people.approver, people.auditor, local, others.auditor, make_user())
    }
    assert list(seen.values()) == [{own}, {own}, {own}, set(), {foreign}, set()]


def test_rows_that_point_at_a_request_are_filtered_alike() -> None:
    people, others = make_people(), make_people()
    own, _ = make_request(people=people), make_request(people=others)
    visible = ProvisioningLog.objects.filter(prefixed(scope_of(people.approver).requests(), "environment_request"))
    assert set(visible) == set(own.log_entries.all())
    excluded = EnvironmentRequest.objects.filter(~scope_of(people.approver).requests())
    assert own not in excluded
    hidden = ProvisioningLog.objects.filter(prefixed(~scope_of(people.approver).requests(), "environment_request"))
    assert not set(hidden) & set(own.log_entries.all())


def test_a_filter_can_be_asked_for_some_roles_only(tenant: Tenant) -> None:
    people = make_people(tenant)
    request = make_request(people=people)
    scope = scope_of(people.auditor)
    assert request in EnvironmentRequest.objects.filter(scope.of(Role.AUDITOR))
    assert request not in EnvironmentRequest.objects.filter(scope.of(Role.APPROVER))


def test_compiling_a_scope_takes_three_queries_and_two_of_whoever_only_asks(
    tenant: Tenant, django_assert_num_queries: Any
) -> None:
    user, requester = make_user(Role.APPROVER, unit_of(tenant, "Group"), Depth.DEEP), make_user(Role.REQUESTER)
    for unit in tenant.business_units.all():
        grant(user, Role.OPERATOR, unit)
    with django_assert_num_queries(3):
        scope_of(user)
    with django_assert_num_queries(2):
        scope_of(requester)


def test_the_path_of_a_unit_leads_from_the_root(tenant: Tenant) -> None:
    group, retail, cards = (unit_of(tenant, name) for name in ("Group", "Retail", "Cards"))
    assert cards.path == f"{group.pk}/{retail.pk}/{cards.pk}/"
    assert [unit.name for unit in BusinessUnit.objects.filter(path__startswith=retail.path)] == ["Retail", "Cards"]


def test_a_page_that_is_read_compiles_a_scope_once_and_the_next_click_anew(
    tenant: Tenant, django_assert_num_queries: Any
) -> None:
    lead = make_user(Role.GOVERNANCE_LEAD, tenant)
    with reading_once():
        before = scope_of(lead)
        revoke(lead, Role.GOVERNANCE_LEAD, tenant)
        with django_assert_num_queries(0):
            assert scope_of(lead) is before
    assert before.holds_tenant(tenant.pk, Role.GOVERNANCE_LEAD)
    assert not scope_of(lead).holds_tenant(tenant.pk, Role.GOVERNANCE_LEAD)
