"""O7 of the fault list: a backup is restored every month, and what was restored verifies."""

from __future__ import annotations

import json
import os
import time
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from audit_app import triggers
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from audit_app.verify import verify_log
from elm_project import backups
from elm_project.backups import database_in_use
from requests_app.choices import State, Zone
from tests.factories import make_people, make_request

pytestmark = pytest.mark.django_db(transaction=True)


def drill(*arguments):
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("restore_drill", "--json", *arguments, stdout=out)
    return ended.value.code, json.loads(out.getvalue())


def logged():
    return list(ProvisioningLog.objects.filter(action=Action.RESTORE_DRILLED).order_by("timestamp"))


def databases():
    """Return the names of what drills could have left behind."""
    if connection.vendor == "sqlite":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE 'elm_drill_%%'")
        return cursor.fetchall()


def test_o7_a_backup_is_restored_verified_and_its_times_are_logged_for_every_tenant(transactional_db):
    people, others = make_people(), make_people()
    make_request(State.COMPLETED, people=people, zone=Zone.ZONE_3)
    entries = ProvisioningLog.objects.count()

    code, report = drill()

    assert (code, report["passed"], report["problems"]) == (0, True, [])
    assert (report["entries"], report["rows"] > entries) == (entries, True)
    assert 0 < report["recovery_time_seconds"] <= report["recovery_point_seconds"] < 600
    assert report["backup_bytes"] > 10_000
    drilled = logged()
    assert {entry.chain for entry in drilled} == {each.tenant.log_chain().key for each in (people, others)}
    for entry in drilled:
        assert (entry.success, entry.actor) == (True, "System")
        times = ("recovery_time_seconds", "recovery_point_seconds", "entries")
        assert [entry.action_details[name] for name in times] == [report[name] for name in times]
    assert databases() == []
    assert verify_log().ok


def test_o7_a_backup_that_does_not_verify_fails_the_drill_and_touches_nothing(transactional_db):
    people = make_people()
    request = make_request(State.COMPLETED, people=people)
    triggers.drop()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE audit_app_provisioninglog SET actor = 'mallory' WHERE chain = %s AND sequence = 2",
            [f"request:{request.pk}"],
        )
    triggers.install()

    code, report = drill()

    assert (code, report["passed"]) == (1, False)
    assert report["problems"] == [f"MODIFIED request:{request.pk}#2: Columns differ from what was hashed: actor."]
    (entry,) = logged()
    assert (entry.success, "MODIFIED" in entry.error_message) == (False, True)
    assert databases() == []


def test_o7_a_stored_backup_is_as_old_as_it_is_and_rubbish_is_no_backup(transactional_db, tmp_path):
    make_request(State.COMPLETED, people=make_people())
    stored = database_in_use().back_up(tmp_path).file
    yesterday = time.time() - 86_400
    os.utime(stored, (yesterday, yesterday))
    make_request()

    code, report = drill("--backup", str(stored))
    assert (code, report["backup_seconds"]) == (0, 0)
    assert 86_400 <= report["recovery_point_seconds"] < 87_000
    assert report["entries"] < ProvisioningLog.objects.count()

    for rubbish in (tmp_path / "missing", tmp_path / "rubbish"):
        code, report = drill("--backup", str(rubbish))
        assert (code, len(report["problems"])) == (1, 1)
        (tmp_path / "rubbish").write_bytes(b"not a backup" * 100)
    assert databases() == []


@pytest.mark.postgres
def test_a_backup_shows_one_moment_however_much_is_written_meanwhile(transactional_db, tmp_path, monkeypatch):
    make_people()
    run = backups.PostgreSQL._run

    def written_meanwhile(database, program, *arguments):
        if program == "pg_dump":
            make_people()
        run(database, program, *arguments)

    monkeypatch.setattr(backups.PostgreSQL, "_run", written_meanwhile)
    code, report = drill()
    assert (code, report["problems"]) == (0, [])


@pytest.mark.postgres
def test_without_postgresqls_programs_the_drill_says_what_is_missing(transactional_db, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(backups, "_INSTALLED", tmp_path)
    code, report = drill()
    assert (code, report["problems"]) == (
        1,
        ["pg_dump is not installed; install PostgreSQL's client programs of the server's version."],
    )
