"""The groups are what the table of roles says, after every migration and every flush."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission

from accounts_app.roles import PERMISSIONS, Role, synchronise

pytestmark = pytest.mark.django_db


def permissions_of(role: Role) -> set[str]:
    held = Group.objects.get(name=role.value).permissions.select_related("content_type")
    return {f"{permission.content_type.app_label}.{permission.codename}" for permission in held}


@pytest.mark.parametrize("role", list(Role))
def test_a_role_s_group_has_exactly_the_permissions_of_the_table(role: Role) -> None:
    assert permissions_of(role) == set(PERMISSIONS[role])


def test_synchronising_mends_what_was_changed_by_hand() -> None:
    group = Group.objects.get(name=Role.AUDITOR.value)
    group.permissions.set(Permission.objects.filter(codename__in=["delete_tenant"]))
    Group.objects.get(name=Role.OPERATOR.value).delete()
    synchronise()
    assert permissions_of(Role.AUDITOR) == set(PERMISSIONS[Role.AUDITOR])
    assert permissions_of(Role.OPERATOR) == set(PERMISSIONS[Role.OPERATOR])


@pytest.mark.parametrize("role", list(Role))
def test_no_role_changes_or_deletes_the_log(role: Role) -> None:
    assert not {
        name for name in permissions_of(role) if name.endswith(("change_provisioninglog", "delete_provisioninglog"))
    }


def test_only_the_auditor_exports() -> None:
    exporting = {role for role in Role if any("export_" in name for name in permissions_of(role))}
    assert exporting == {Role.AUDITOR}


def test_only_requesters_write_request_fields_and_only_three_roles_decide() -> None:
    writing = {role for role in Role if "requests_app.change_environmentrequest" in permissions_of(role)}
    deciding = {role for role in Role if "requests_app.decide_environmentrequest" in permissions_of(role)}
    assert writing == {Role.REQUESTER}
    assert deciding == {Role.APPROVER, Role.COMPLIANCE_OFFICER, Role.GOVERNANCE_LEAD}
