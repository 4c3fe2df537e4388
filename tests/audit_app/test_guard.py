"""What is done to the log from outside is recorded: refused writes, and altered tables on PostgreSQL."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from celery import signals
from django.conf import settings
from django.core.signals import request_finished
from django.db import DatabaseError, IntegrityError, connection, transaction
from structlog.contextvars import bound_contextvars
from structlog.testing import capture_logs

from audit_app import attempts, guard, scheduled, triggers
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from audit_app.verify import verify_log
from core_app import tenancy
from core_app.errors import DomainError
from requests_app.models import EnvironmentRequest
from tests.factories import make_people, make_request, make_tenant

TABLE = "audit_app_provisioninglog"


def run(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def refusals(**filters: Any) -> list[ProvisioningLog]:
    return list(ProvisioningLog.objects.filter(action=Action.LOG_WRITE_REFUSED, **filters).order_by("timestamp"))


@transaction.atomic
def meddle(request: EnvironmentRequest) -> None:
    """Change a request and the log in one transaction."""
    with tenancy.of(request.tenant_id):
        EnvironmentRequest.objects.filter(pk=request.pk).update(business_justification="Nobody asked for this.")
        run(f"UPDATE {TABLE} SET actor = 'nobody'")


@pytest.mark.django_db(transaction=True)
def test_a_refused_write_is_recorded_although_its_transaction_rolls_back() -> None:
    people = make_people()
    request = make_request(people=people)
    with capture_logs() as lines, bound_contextvars(correlation_id="agent-7f3a.42"):
        with pytest.raises(IntegrityError, match="append-only"):
            meddle(request)
        said = [line for line in lines if line["event"] == "log_write_refused"]
    assert [(line["table"], line["operation"], line["log_level"]) for line in said] == [(TABLE, "UPDATE", "error")]

    request_finished.send(sender=None)

    (entry,) = refusals()
    assert (entry.chain, entry.success, entry.correlation_id) == (
        people.tenant.log_chain().key,
        False,
        "agent-7f3a.42",
    )
    facts = {"table": TABLE, "operation": "UPDATE", "attempts": 1, "counted_by": "application"}
    assert (entry.action_details, entry.error_message) == (facts, f"UPDATE on {TABLE} was refused.")
    request.refresh_from_db()
    assert request.business_justification != "Nobody asked for this."
    assert verify_log().ok


@pytest.mark.django_db(transaction=True)
def test_refusals_outside_of_a_request_are_recorded_once_for_every_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the ORM refuses in a task, and the database a command: there nobody says whose rows are meant."""
    tenants = {make_tenant().pk, make_tenant().pk}
    entry = ProvisioningLog.objects.first()
    for attempt in (entry.delete, entry.delete, ProvisioningLog.objects.delete):
        with pytest.raises(DomainError):
            attempt()
    signals.task_postrun.send(sender=None)
    recorded = refusals()
    assert {entry.tenant_id for entry in recorded} == tenants
    assert [entry.action_details["attempts"] for entry in recorded] == [3, 3]

    with pytest.raises(IntegrityError, match="append-only"):
        run(f"DELETE FROM {TABLE}")
    assert len(refusals()) == 4  # the next statement records it

    with transaction.atomic():
        attempts.notice(TABLE, "UPDATE")
        guard.write_down()  # the open transaction could take the record with it
        assert attempts.any_noticed()
    monkeypatch.setattr(guard, "tenants", unreachable)
    with capture_logs() as lines:
        guard.write_down()
    assert [line["event"] for line in lines] == ["log_write_refused_not_recorded"]


def unreachable() -> None:
    raise DatabaseError("The disk is full.")


@pytest.mark.django_db
def test_other_refusals_are_nobodys_attempt_on_the_log() -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        run("UPDATE no_such_table SET a = 1")
    assert not attempts.any_noticed()


@pytest.mark.sqlite
@pytest.mark.django_db
def test_sqlite_keeps_no_record_of_definitions_and_nothing_is_looked_at() -> None:
    guard.look()
    assert not settings.LOG_SIGNER_FOLDER.exists()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_the_database_counts_what_other_programs_are_refused() -> None:
    tenant = make_tenant()
    with capture_logs() as lines:
        guard.look()
    assert [line["event"] for line in lines] == ["log_tables_seen_for_the_first_time"]
    for _ in range(2):
        with pytest.raises(psycopg.IntegrityError, match="append-only"), connection.connection.transaction():
            connection.connection.execute(f"UPDATE {TABLE} SET actor = 'nobody'")  # past all our code

    assert scheduled.verify(is_full=True)[0].ok

    (entry,) = refusals()
    assert (entry.tenant_id, entry.action_details["attempts"]) == (tenant.pk, 2)
    assert entry.action_details["counted_by"] == "database"
    guard.look()
    assert len(refusals()) == 1  # once


ALTERED = {
    "trigger off and on": (
        (f"ALTER TABLE {TABLE} DISABLE TRIGGER {TABLE}_no_change",
         f"ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER {TABLE}_no_change"),
        {"altered": [f"trigger {TABLE}_no_change"]},
    ),
    "rule and gone": (
        (f"CREATE RULE hide AS ON DELETE TO {TABLE} DO INSTEAD NOTHING", f"DROP RULE hide ON {TABLE}"),
        {"altered": [f"table {TABLE}"]},
    ),
    "column": (
        (f"ALTER TABLE {TABLE} ADD COLUMN more integer",),
        {"added": [f"column {TABLE}.more"], "altered": [f"table {TABLE}"]},
    ),
    "counter set back": (
        ("SELECT setval('audit_app_refused_writes', 1, false)",),
        {"altered": ["sequence audit_app_refused_writes"]},
    ),
}  # fmt: skip


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a15_altered_tables_are_recorded_although_nothing_is_left_of_it() -> None:
    tenant = make_tenant()
    with pytest.raises(IntegrityError, match="append-only"):
        run(f"UPDATE {TABLE} SET actor = 'nobody'")
    guard.look()
    try:
        for number, (name, (statements, expected)) in enumerate(ALTERED.items(), 1):
            with transaction.atomic():
                for statement in statements:
                    run(statement)
            with capture_logs() as lines:
                guard.look()
            assert [line["event"] for line in lines] == ["log_table_altered"], name
            entries = ProvisioningLog.objects.filter(action=Action.LOG_TABLE_ALTERED).order_by("sequence")
            assert (len(entries), {entry.tenant_id for entry in entries}) == (number, {tenant.pk}), name
            assert {**entries[number - 1].action_details, "since": ""} == {**expected, "since": ""}, name
        assert triggers.missing() == set()
        run(f"ALTER TABLE {TABLE} DROP COLUMN more")
        guard.look()

        known = ProvisioningLog.objects.count()
        run(f"ANALYZE {TABLE}")
        run(f"VACUUM {TABLE}")  # work as usual alters nothing
        guard.look()
        assert ProvisioningLog.objects.count() == known
    finally:
        run(f"ALTER TABLE {TABLE} DROP COLUMN IF EXISTS more")


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_memory_that_is_missing_or_damaged_is_an_alarm_and_no_silent_new_beginning() -> None:
    make_tenant()
    memory = settings.LOG_SIGNER_FOLDER / "catalogue.state"
    scheduled.verify(is_full=True)
    for forget, how in ((memory.unlink, "missing"), (lambda: memory.write_text("[]"), "damaged")):
        forget()
        with capture_logs() as lines:
            guard.look()
            guard.look()
        assert [(line["event"], line["memory"]) for line in lines] == [("log_tables_forgotten", how)]
    entries = ProvisioningLog.objects.filter(action=Action.LOG_TABLE_ALTERED).order_by("sequence")
    assert [(entry.action_details["memory"], entry.success) for entry in entries] == [
        ("missing", False),
        ("damaged", False),
    ]
    assert verify_log().ok
