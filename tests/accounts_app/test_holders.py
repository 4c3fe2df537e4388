"""Who is told counts as they hold the role now: the membership, the grant, the tenant; by themselves or by a group."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from guardian.shortcuts import assign_perm

from accounts_app.roles import Role
from accounts_app.services import holders_of_tenant
from notifications_app.catalogue import Event
from notifications_app.models import OutboxMessage
from provisioning_app.tenants import halt
from tests.factories import People, make_people, make_user

pytestmark = pytest.mark.django_db


def told_of(event: Event) -> list[str]:
    return sorted(OutboxMessage.objects.filter(event=event).values_list("recipient__upn", flat=True))


def test_who_left_the_roles_group_is_not_alerted_and_who_holds_it_by_a_group_is(people: People) -> None:
    people.operator.groups.remove(Group.objects.get(name=Role.OPERATOR))
    team = Group.objects.create(name="SG-ELM-Operators")
    assign_perm("accounts_app.operator_organisation", team, people.tenant)
    by_group = make_user(Role.REQUESTER, people.tenant)
    by_group.groups.add(team, Group.objects.get(name=Role.OPERATOR))

    halt(people.tenant.pk, "The credential is refused.")

    assert told_of(Event.TENANT_HALTED) == [by_group.upn]


def test_a_grant_over_another_tenant_than_ones_own_does_not_count(people: People) -> None:
    stranger = make_people().operator
    assign_perm("accounts_app.operator_organisation", stranger, people.tenant)
    assert list(holders_of_tenant(Role.OPERATOR, people.tenant)) == [people.operator]
