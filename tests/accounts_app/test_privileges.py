"""``verify_privileges``: green as installed, red as soon as anybody could do more, or anything protects less."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import connection
from guardian.shortcuts import assign_perm

from accounts_app.database_rights import excess, rights_on_protected
from accounts_app.models import BusinessUnitUserObjectPermission, TenantUserObjectPermission, User
from accounts_app.privileges import verify_privileges
from accounts_app.roles import PERMISSIONS, Role
from audit_app import triggers
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from elm_project import app_role
from tests.app_role import ROLE, as_app_role
from tests.factories import make_automation, make_people, make_user

pytestmark = pytest.mark.django_db


def permission(name):
    label, codename = name.split(".")
    return Permission.objects.get(content_type__app_label=label, codename=codename)


def kinds(**options):
    found = verify_privileges(**{"is_production": False, **options})
    return [(each.kind, each.subject) for each in found.findings]


def run(*arguments):
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("verify_privileges", *arguments, stdout=out)
    return ended.value.code, out.getvalue()


def test_a_fresh_installation_is_as_expected_and_that_is_logged(people):
    code, out = run("--json")

    document = json.loads(out)
    assert (code, document["ok"], document["findings"]) == (0, True, [])
    roles = {cell["role"] for cell in document["tables"]}
    assert roles == {role.value for role in Role}
    log = [cell for cell in document["tables"] if cell["table"] == "audit_app.provisioninglog"]
    assert {verb for cell in log for verb in cell["effective"]} == {"view", "add", "export"}
    entry = ProvisioningLog.objects.get(tenant_id=people.tenant.pk, action=Action.ACCESS_REVIEWED)
    assert (entry.success, entry.action_details["findings"], len(entry.action_details["sha256"])) == (True, 0, 64)


def test_every_role_and_table_is_in_the_table(people):
    found = verify_privileges(is_production=False)

    given = {
        (cell.role, f"{cell.table.split('.')[0]}.{verb}_{cell.table.split('.')[1]}")
        for cell in found.cells
        for verb in cell.expected
    }
    assert given == {(role.value, name) for role, names in PERMISSIONS.items() for name in names}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("verb", ["change", "delete"])
def test_a_role_that_could_change_the_log_is_found(people, role, verb):
    Group.objects.get(name=role.value).permissions.add(permission(f"audit_app.{verb}_provisioninglog"))

    code, out = run()

    assert code == 1
    assert f"LOG_CAN_BE_CHANGED  {role.value}" in out
    assert ProvisioningLog.objects.get(action=Action.ACCESS_REVIEWED, tenant_id=people.tenant.pk).success is False


def test_what_a_role_may_beyond_the_table_and_what_it_lacks_is_found(people):
    requester = Group.objects.get(name=Role.REQUESTER.value)
    requester.permissions.add(permission("requests_app.decide_environmentrequest"))
    requester.permissions.remove(permission("requests_app.add_environmentrequest"))

    assert kinds() == [("EXCESS", Role.REQUESTER.value), ("MISSING", Role.REQUESTER.value)]


def test_permissions_past_the_roles_are_found(people):
    people.approver.user_permissions.add(permission("requests_app.decide_environmentrequest"))
    Group.objects.create(name="Friends").permissions.add(permission("accounts_app.view_user"))

    assert kinds() == [("DIRECT_PERMISSION", people.approver.upn), ("DIRECT_PERMISSION", "Friends")]


def test_an_account_that_could_change_the_log_is_found(people):
    people.operator.user_permissions.add(permission("audit_app.delete_provisioninglog"))

    assert ("LOG_CAN_BE_CHANGED", people.operator.upn) in kinds()


def test_a_grant_across_tenants_and_one_to_an_automation_are_found(people):
    others = make_people()
    assign_perm("accounts_app.auditor_organisation", people.auditor, others.tenant)
    make_automation(Role.APPROVER, people.unit)

    assert [kind for kind, _ in kinds()] == ["FOREIGN_GRANT", "FOREIGN_GRANT", "UNEXPLAINED_GRANT"]


def test_a_superuser_is_a_note_and_no_finding(people):
    make_user(None, people.unit, is_superuser=True)

    found = verify_privileges(is_production=False)

    assert found.ok
    assert any("break-glass" in note.text for note in found.notes)


def test_a_dropped_trigger_is_found(people):
    table = ProvisioningLog._meta.db_table
    name, where = (
        (f"{table}_no_update", "") if connection.vendor == "sqlite" else (f"{table}_no_change", f" ON {table}")
    )
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {name}{where}")

    code, out = run("--json")

    found = json.loads(out)["findings"]
    assert (code, [(each["class"], each["subject"]) for each in found]) == (1, [("TRIGGER_MISSING", name)])
    assert ProvisioningLog.objects.get(action=Action.ACCESS_REVIEWED, tenant_id=people.tenant.pk).success is False


@pytest.mark.postgres
def test_a_database_role_that_may_write_into_the_log_is_found_also_by_who_is_not_told_of_it(people):
    """On a column, on every table that shows what was signed, and by the application's role as well."""
    table = ProvisioningLog._meta.db_table
    append_only = [each.table for each in triggers.declared() if isinstance(each, triggers.AppendOnly)]
    assert {table, "audit_app_treeleaf", "audit_app_checkpoint", "audit_app_anchor"} <= set(append_only)
    more = [*((each, right) for each in append_only for right in ("UPDATE", "DELETE", "TRUNCATE"))]
    more += [(each, "DELETE") for each in triggers.COUNTED] + [(table, "UPDATE (actor)")]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("CREATE ROLE elm_reader")
        app_role.give(ROLE)
        cursor.execute(f"GRANT SELECT, INSERT ON {table} TO elm_reader")
        with as_app_role():
            assert [*excess(rights_on_protected())] == []
        for each, right in more:
            cursor.execute(f"GRANT {right} ON {each} TO elm_reader")
            with as_app_role():
                found = [*excess(rights_on_protected())]
            said = f"REVOKE {right.split()[0]} ON {each} FROM elm_reader;"
            assert [(one.kind, one.subject, one.detail) for one in found] == [("DATABASE_GRANT", "elm_reader", said)]
            cursor.execute(f"REVOKE {right} ON {each} FROM elm_reader")
        cursor.execute(f"GRANT DELETE ON {table} TO PUBLIC")
    assert ("DATABASE_GRANT", "elm_reader") in kinds()


def test_triggers_and_grants_that_are_as_they_should_be_are_listed(people):
    User.objects.filter(pk=people.auditor.pk).update(is_active=False)

    found = verify_privileges(is_production=False)

    assert found.ok
    listed = {each.table: each for each in found.triggers}
    assert {table for table, each in listed.items() if each.append_only} == triggers.append_only_tables()
    assert all(each.expected == each.effective for each in found.triggers)
    assert {name for each in found.triggers for name in each.effective} == triggers.expected_names()
    counts = {(each["role"], each["depth"]): (each["expected"], each["effective"]) for each in found.grants_by_role()}
    assert sum(number for number, _ in counts.values()) == sum(
        model.objects.count() for model in (BusinessUnitUserObjectPermission, TenantUserObjectPermission)
    )
    assert {key for key, (given, in_force) in counts.items() if given != in_force} == {("ELM Auditor", "organisation")}


def test_a_grant_that_does_not_fit_is_not_expected_and_another_tenants_is_not_told(people):
    make_automation(Role.APPROVER, people.unit)
    others = make_people()

    found = verify_privileges(is_production=False)

    (ours,) = (
        each
        for each in found.grants
        if (each.role, each.depth, each.tenant_id) == ("ELM Approver", "local", people.tenant.pk)
    )
    assert ours.effective == ours.expected + 1
    assert {each.tenant_id for each in found.grants} == {people.tenant.pk, others.tenant.pk}
    assert {each.tenant_id for each in found.of_tenant(people.tenant.pk).grants} == {people.tenant.pk}


def test_a_trigger_that_is_not_ours_is_found(people):
    table = ProvisioningLog._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"CREATE TRIGGER swallow AFTER INSERT ON {table} BEGIN SELECT 1; END")
        else:
            cursor.execute("CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
            cursor.execute(f"CREATE TRIGGER swallow BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION swallow()")

    code, out = run()

    assert code == 1
    assert "swallow NOT EXPECTED" in out
    assert "TRIGGER_UNKNOWN     swallow" in out


@pytest.mark.postgres
def test_database_roles_are_listed_with_what_they_may_do_to_append_only_tables(people):
    table = ProvisioningLog._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE elm_adder; CREATE ROLE elm_member; CREATE ROLE elm_migrator")
        cursor.execute(f"GRANT INSERT ON {table} TO elm_adder; GRANT UPDATE (actor) ON {table} TO elm_adder")
        cursor.execute("GRANT elm_adder TO elm_member")
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # nothing may be pending on a table whose owner changes
        cursor.execute(f"ALTER TABLE {table} OWNER TO elm_migrator")

    found = verify_privileges(is_production=False)

    held = {each.role: each for each in found.database_rights if each.table == table}
    assert (held["elm_migrator"].standing, len(held["elm_migrator"].effective)) == ("owner", 4)
    assert held["elm_migrator"].expected == held["elm_migrator"].effective
    for role in ("elm_adder", "elm_member"):
        assert (held[role].expected, held[role].effective) == (("INSERT",), ("INSERT", "UPDATE"))
    assert {each.subject for each in found.findings} == {"elm_adder", "elm_member"}
    _, out = run()
    assert f"{table:45} elm_migrator (owner): INSERT UPDATE DELETE TRUNCATE" in out
    assert "elm_adder: INSERT UPDATE NOT EXPECTED" in out


@pytest.mark.sqlite
def test_sqlite_has_no_roles_to_list(people):
    assert verify_privileges(is_production=False).database_rights == ()


@pytest.mark.postgres
def test_in_production_the_application_may_not_connect_with_power_over_the_log(people):
    assert [kind for kind, _ in kinds(is_production=True)] == ["DATABASE_OWNER"]


@pytest.mark.sqlite
def test_without_a_database_it_says_that_it_cannot_verify(people):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE auth_group RENAME TO somewhere_else")
    try:
        code, _ = run()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE somewhere_else RENAME TO auth_group")
    assert code == 2
