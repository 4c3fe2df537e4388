"""The log and its triggers hold even for those who go around the code, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from accounts_app.models import User
from audit_app import triggers
from audit_app.models import ProvisioningLog
from core_app.errors import DomainError
from tests.factories import make_people, make_tenant

pytestmark = pytest.mark.django_db

TABLE = "audit_app_provisioninglog"
COLUMNS = ", ".join(f'"{field.column}"' for field in ProvisioningLog._meta.concrete_fields)


@pytest.fixture
def entry() -> ProvisioningLog:
    return ProvisioningLog.objects.get(tenant=make_tenant())


def run(statement: str, *parameters: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def refused(statement: str, *parameters: object) -> str:
    """Run a statement that the database must refuse; return what it said."""
    connection.check_constraints()  # while foreign keys wait to be checked, PostgreSQL gives another reason
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        run(statement, *parameters)
    return str(caught.value)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda entry: entry.save(),
        lambda entry: entry.delete(),
        lambda entry: ProvisioningLog.objects.update(actor="nobody"),
        lambda entry: ProvisioningLog.objects.filter(pk=entry.pk).delete(),
        lambda entry: ProvisioningLog.objects.bulk_update([entry], ["actor"]),
    ],
    ids=["save", "delete", "update", "delete many", "bulk update"],
)
def test_the_orm_refuses_in_words(entry: ProvisioningLog, attempt: Callable[[ProvisioningLog], object]) -> None:
    with pytest.raises(DomainError, match="append-only"):
        attempt(entry)


def test_the_orm_below_the_guards_meets_the_triggers(entry: ProvisioningLog) -> None:
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        ProvisioningLog._base_manager.filter(pk=entry.pk).update(actor="nobody")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        ProvisioningLog._base_manager.filter(pk=entry.pk)._raw_delete("default")


@pytest.mark.parametrize(
    "statement", [f"UPDATE {TABLE} SET actor = 'nobody'", f"DELETE FROM {TABLE}"], ids=["update", "delete"]
)
def test_raw_statements_are_refused(entry: ProvisioningLog, statement: str) -> None:
    assert "append-only table audit_app_provisioninglog" in refused(statement)
    assert ProvisioningLog.objects.filter(pk=entry.pk).exists()


def test_an_upsert_is_refused(entry: ProvisioningLog) -> None:
    fresh = ProvisioningLog(**{f.attname: getattr(entry, f.attname) for f in ProvisioningLog._meta.concrete_fields})
    with pytest.raises((DomainError, IntegrityError)), transaction.atomic():
        ProvisioningLog._base_manager.bulk_create(
            [fresh], update_conflicts=True, unique_fields=["id"], update_fields=["actor"]
        )


@pytest.mark.sqlite
@pytest.mark.parametrize("same", ["id", "sequence", "previous_hash"])
def test_insert_or_replace_is_refused_whichever_unique_column_collides(entry: ProvisioningLog, same: str) -> None:
    values = {"id": "'0'", "sequence": "99", "previous_hash": "'f'"}
    del values[same]
    selected = ", ".join(values.get(f.column, f'"{f.column}"') for f in ProvisioningLog._meta.concrete_fields)
    statement = f"INSERT OR REPLACE INTO {TABLE} ({COLUMNS}) SELECT {selected} FROM {TABLE} WHERE id = %s"
    assert "append-only" in refused(statement, entry.pk.hex)


@pytest.mark.postgres
@pytest.mark.parametrize("suffix", ["", " CASCADE"])
def test_truncate_is_refused(entry: ProvisioningLog, suffix: str) -> None:
    assert "TRUNCATE was refused" in refused(f"TRUNCATE {TABLE}{suffix}")


@pytest.mark.postgres
def test_truncating_a_table_it_points_to_is_refused(entry: ProvisioningLog) -> None:
    assert "TRUNCATE was refused" in refused("TRUNCATE accounts_app_tenant CASCADE")


@pytest.mark.postgres
@pytest.mark.parametrize("statement", [f"UPDATE {TABLE} SET actor = 'nobody'", f"DELETE FROM {TABLE}"])
def test_replica_mode_does_not_silence_the_triggers(entry: ProvisioningLog, statement: str) -> None:
    with transaction.atomic():
        run("SET LOCAL session_replication_role = replica")
        assert "append-only" in refused(statement)


def test_every_declared_trigger_is_installed() -> None:
    assert triggers.expected_names() >= {f"{TABLE}_no_update", f"{TABLE}_no_delete"} or connection.vendor != "sqlite"
    assert triggers.missing() == set()


def test_dropped_triggers_are_missed_and_installing_twice_is_harmless() -> None:
    triggers.drop()
    assert triggers.missing() == triggers.expected_names()
    triggers.install()
    triggers.install()
    assert triggers.missing() == set()


@pytest.mark.postgres
def test_a_disabled_trigger_counts_as_missing() -> None:
    run(f"ALTER TABLE {TABLE} DISABLE TRIGGER {TABLE}_no_change")
    assert triggers.missing() == {f"{TABLE}_no_change"}
    run(f"ALTER TABLE {TABLE} ENABLE TRIGGER {TABLE}_no_change")  # fires, but not in replica mode: not enough
    assert triggers.missing() == {f"{TABLE}_no_change"}


@pytest.mark.parametrize("how", ["does nothing", "somewhere else"])
def test_another_trigger_under_the_name_of_one_of_ours_does_not_count(how: str) -> None:
    name = f"{TABLE}_no_update" if connection.vendor == "sqlite" else f"{TABLE}_no_change"
    other = TABLE if how == "does nothing" else "audit_app_anchor"
    if connection.vendor == "sqlite":
        run(f"DROP TRIGGER {name}")
        run(f"CREATE TRIGGER {name} BEFORE UPDATE ON {other} BEGIN SELECT 1; END")
    elif how == "does nothing":
        run(f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    else:
        run(f"DROP TRIGGER {name} ON {TABLE}")
        run(f"CREATE TRIGGER {name} BEFORE UPDATE OR DELETE ON {other} FOR EACH ROW EXECUTE FUNCTION {name}()")
        run(f"ALTER TABLE {other} ENABLE ALWAYS TRIGGER {name}")
    assert triggers.missing() == {name}


@pytest.mark.postgres
@pytest.mark.parametrize("event", ["UPDATE OF actor OR DELETE", "UPDATE", "UPDATE OR DELETE WHEN"])
def test_a_trigger_that_fires_on_less_does_not_count(event: str) -> None:
    name = f"{TABLE}_no_change"
    when = "WHEN (false)" if event.endswith("WHEN") else ""
    run(
        f"CREATE OR REPLACE TRIGGER {name} BEFORE {event.removesuffix(' WHEN')} ON {TABLE} "
        f"FOR EACH ROW {when} EXECUTE FUNCTION {name}()"
    )
    run(f"ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER {name}")
    assert triggers.missing() == {name}


@pytest.mark.django_db(transaction=True)
def test_triggers_roles_and_people_are_there_again_after_a_flush() -> None:
    make_tenant()
    call_command("flush", interactive=False, verbosity=0)
    assert not ProvisioningLog.objects.exists()
    assert triggers.missing() == set()
    people = make_people()
    assert people.requester.groups.exists()
    assert User.objects.filter(upn="anonymous@invalid").exists()
    assert "append-only" in refused(f"DELETE FROM {TABLE}")
