"""The second wall: as the application's role, PostgreSQL shows and takes only rows of the tenants that code named."""

from __future__ import annotations

from io import StringIO
from uuid import uuid4

import pytest
from celery import current_app
from django.apps import apps
from django.conf import settings
from django.core.management import call_command, get_commands, load_command_class
from django.db import ProgrammingError, connection, transaction

from accounts_app import row_security
from accounts_app.models import User
from accounts_app.privileges import verify_privileges
from audit_app import checkpoints
from audit_app.models import Checkpoint
from audit_app.notes import fingerprint
from core_app import tenancy
from elm_project import app_role
from evidence_app.services import export_evidence
from gates_app.levels import Outcome
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.app_role import ROLE, as_app_role
from tests.factories import PASSWORD, decide, make_people, make_request
from tests.fill import fill
from tests.screens import client_of, dialog_of, page_of

LIST = "/admin/requests_app/environmentrequest/"
NEEDS_NO_ROWS = {"fields", "classify", "health", "makemessages"}  # commands that read no table of a tenant


def tables():
    return [policy.table for policy in row_security.policies()]


def counted(table):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        return cursor.fetchone()[0]


@pytest.fixture(scope="module")
def made(django_db_setup, django_db_blocker):
    """Two tenants with at least a row in every table, made once and undone after the last test."""
    with django_db_blocker.unblock(), transaction.atomic():
        both = make_people(), make_people()
        requests = [make_request(State.FAILED, people=people, zone=Zone.ZONE_3) for people in both]
        checkpoints.sign_now()  # the rows of the log's tree have to make sense
        for people, request in zip(both, requests, strict=True):
            if connection.vendor == "postgresql":
                fill(people.tenant.pk, request, people.requester)
            User.objects.filter(tenant=people.tenant).update(is_staff=True)
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks outstanding is not altered
            app_role.give(ROLE)
        yield both
        transaction.set_rollback(True)


@pytest.fixture
def two(made, db):
    """The two tenants, met as the owner of the tables."""
    return made


@pytest.fixture
def app(made, db, settings):
    """The two tenants, met as the application's role, which sees nothing by itself."""
    signed_by = Checkpoint.objects.values_list("public_key", flat=True).first()
    settings.LOG_KEY_FINGERPRINTS = [fingerprint(bytes.fromhex(signed_by))]
    with as_app_role():
        yield made


def test_every_table_of_ours_has_a_policy_or_is_named_as_shared():
    ours = {m._meta.db_table for c in apps.get_app_configs() if c.name.endswith("_app") for m in c.get_models()}
    shared = {apps.get_model(label)._meta.db_table for label in row_security.SHARED}
    assert ours - shared <= set(tables())


def test_nothing_asks_who_is_signed_in_before_it_may_be_known():
    after = settings.MIDDLEWARE.index("django.contrib.auth.middleware.AuthenticationMiddleware") + 1
    assert settings.MIDDLEWARE[after] == "accounts_app.tenancy.middleware"


def test_every_task_and_command_says_whose_rows_it_works_on():
    silent = [
        name
        for name, task in current_app.tasks.items()
        if not name.startswith("celery.") and not hasattr(task.run, "works_everywhere")
    ]
    for name, app_name in get_commands().items():
        if str(app_name).endswith(("_app", "elm_project")) and name not in NEEDS_NO_ROWS:
            command = load_command_class(app_name, name)
            silent += [] if hasattr(command.handle, "works_everywhere") else [name]
    assert silent == []


@pytest.mark.postgres
def test_without_a_word_about_whose_rows_every_table_is_empty(app):
    assert {table: count for table in tables() if (count := counted(table))} == {}
    with tenancy.of():
        assert {table: count for table in tables() if (count := counted(table))} == {}
    with tenancy.everywhere("to see that the test sees something"):
        seen = {table for table in tables() if counted(table)}
    assert seen == set(tables())


@pytest.mark.postgres
def test_of_each_table_a_tenant_sees_its_own_rows_and_no_other_s(app):
    first, second = (people.tenant.pk for people in app)
    for table in tables():
        with tenancy.of(first):
            one = counted(table)
        with tenancy.of(second):
            other = counted(table)
        with tenancy.of(first, second):
            both = counted(table)
        of_none = 0
        if table.endswith(("accounts_app_user", "historicaluser")):
            with tenancy.of(uuid4()):
                of_none = counted(table)  # accounts of no tenant
        assert one + other - of_none == both, table
        assert one, table
        assert one == other, table


@pytest.mark.postgres
def test_a_row_of_another_tenant_is_neither_written_nor_changed_nor_deleted(app):
    first, second = app
    with tenancy.of(second.tenant.pk), connection.cursor() as cursor:
        for change in (
            "UPDATE requests_app_environmentrequest SET environment_name = 'X' WHERE tenant_id = %s",
            "DELETE FROM accounts_app_delegation WHERE tenant_id = %s",
            "UPDATE accounts_app_tenant SET name = 'X' WHERE id = %s",
        ):
            cursor.execute(change, [first.tenant.pk])
            assert cursor.rowcount == 0
        for smuggled in (
            "UPDATE notifications_app_outboxmessage SET tenant_id = %s",
            "INSERT INTO requests_app_requestcounter (tenant_id, last) VALUES (%s, 9)",
        ):
            with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
                cursor.execute(smuggled, [first.tenant.pk])


@pytest.mark.postgres
def test_what_is_shown_only_narrows_and_ends_with_its_block_even_after_a_failure(app):
    first, second = (people.tenant.pk for people in app)
    table = "requests_app_environmentrequest"
    with tenancy.of(first):
        with tenancy.of(second):
            assert counted(table) == 0
            with tenancy.of(first):
                assert counted(table) == 0
        with pytest.raises(ProgrammingError), transaction.atomic(), tenancy.everywhere("a failure in a savepoint"):
            counted("no_such_table")
        assert counted(table) == 1
        with tenancy.everywhere("test"), pytest.raises(ProgrammingError), transaction.atomic(), tenancy.of(second):
            counted("no_such_table")
        assert counted(table) == 1
    assert counted(table) == 0


@pytest.mark.postgres
def test_which_tenants_are_shown_is_asked_once_per_statement(app):
    with tenancy.of(app[0].tenant.pk), connection.cursor() as cursor:
        for table in tables():
            cursor.execute(f"EXPLAIN SELECT * FROM {table}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            filters = [line for line in plan.splitlines() if "Filter" in line or "Cond" in line]
            assert "InitPlan" in plan, table
            assert not any("elm_shown_tenants()" in line or "current_setting" in line for line in filters), plan


@pytest.mark.postgres
def test_a_person_of_a_tenant_lists_opens_and_decides_as_before(app):
    people, others = app
    with tenancy.everywhere("to prepare the test"):
        request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
        foreign = make_request(State.PENDING_APPROVAL, people=others, zone=Zone.ZONE_2)
        client = client_of(people.approver)
        own = set(EnvironmentRequest.objects.filter(tenant=people.tenant))

    assert set(client.get(LIST).context["cl"].result_list) == own
    assert client.get(page_of(request)).status_code == 200
    assert client.get(page_of(foreign)).status_code == 404
    said = {"_form_submitted": "on", "content_hash": request.content_hash, "comment": "Fine."}
    assert client.post(dialog_of(request, "approve"), said).status_code == 302
    with tenancy.of(people.tenant.pk):
        assert EnvironmentRequest.objects.get(pk=request.pk).state == State.APPROVED
    assert tenancy.shown() == ""


@pytest.mark.postgres
def test_a_verb_of_one_tenant_cannot_reach_a_request_of_another(app):
    people, others = app
    with tenancy.everywhere("to prepare the test"):
        foreign = make_request(State.PENDING_APPROVAL, people=others, zone=Zone.ZONE_2)
    with tenancy.of(people.tenant.pk), pytest.raises(EnvironmentRequest.DoesNotExist):
        decide(foreign, people.approver, Outcome.APPROVE)


@pytest.mark.postgres
def test_people_sign_in_with_a_password_though_their_tenant_is_not_known_yet(app, client):
    said = {"username": app[0].auditor.upn, "password": PASSWORD}
    assert client.post("/admin/login/", said).status_code == 302
    assert client.get(LIST).status_code == 200


@pytest.mark.postgres
def test_evidence_is_exported_and_verified_as_the_application_s_role(app, tmp_path, clock):
    people, _ = app
    with tenancy.everywhere("to prepare the test"):
        evidence = export_evidence(people.tenant.pk, "2026Q1", tmp_path / "evidence", by=people.auditor)
    assert evidence.verified


@pytest.mark.postgres
def test_the_log_verifies_and_privileges_are_compared_as_the_application_s_role(app):
    for command in ("verify_log", "verify_privileges"):
        out = StringIO()
        with pytest.raises(SystemExit) as ended:
            call_command(command, stdout=out)
        assert ended.value.code == (1 if "DIRECT_PERMISSION" in out.getvalue() else 0), out.getvalue()
        assert "POLICY_MISSING" not in out.getvalue()
    assert "requests_app_environmentrequest               present" in out.getvalue()


@pytest.mark.postgres
def test_a_policy_that_is_missing_or_off_or_another_is_named_and_installed_again(two):
    with connection.cursor() as cursor:
        cursor.execute("DROP POLICY rows_of_shown_tenants ON gates_app_gate")
        cursor.execute("ALTER TABLE gates_app_stage DISABLE ROW LEVEL SECURITY")
        cursor.execute("COMMENT ON POLICY rows_of_shown_tenants ON gates_app_decision IS 'true'")
    lacking = ["gates_app_decision", "gates_app_gate", "gates_app_stage"]
    assert row_security.missing() == lacking
    found = verify_privileges(is_production=False)
    assert [each.subject for each in found.findings if each.kind == "POLICY_MISSING"] == lacking
    assert sorted(each.table for each in found.policies if not each.present) == lacking
    row_security.install()
    assert row_security.missing() == []


@pytest.mark.postgres
def test_the_application_s_role_adds_to_the_log_only_and_one_with_powers_is_refused(two):
    app_role.give(ROLE)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT privilege_type FROM information_schema.role_table_grants "
            "WHERE table_name = 'audit_app_provisioninglog' AND grantee = %s ORDER BY 1",
            [ROLE],
        )
        assert [right for (right,) in cursor.fetchall()] == ["INSERT", "SELECT"]
        cursor.execute("CREATE ROLE elm_too_much BYPASSRLS")
    err = StringIO()
    with pytest.raises(SystemExit):
        call_command("app_role", "elm_too_much", stderr=err)
    assert "bypasses row-level security" in err.getvalue()


@pytest.mark.sqlite
def test_on_sqlite_there_is_no_row_level_security_and_it_says_so(two):
    err = StringIO()
    with pytest.raises(SystemExit):
        call_command("app_role", stderr=err)
    assert "Only PostgreSQL has roles" in err.getvalue()
    assert row_security.missing() == []
