"""Evidence: whole or not at all, of what an auditor may see, in the same bytes each time, and itself in the log."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
import zipfile
from base64 import b64decode
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection

from accounts_app.models import User
from accounts_app.roles import Depth, Role
from accounts_app.services import grant
from audit_app import canonical, keys, triggers
from audit_app.actions import Action
from audit_app.checkpoints import sign_now
from audit_app.models import ProvisioningLog
from audit_app.notes import fingerprint, public_bytes
from audit_app.verify import verify_log
from core_app.errors import DomainError, PermissionRefused
from evidence_app.quarters import quarter_named
from evidence_app.questions import QUESTIONS
from evidence_app.services import NotExportedError, export_evidence
from evidence_app.snapshot import snapshot
from evidence_app.verifier import elm_verify
from requests_app.choices import State, Zone
from tests.factories import make_people, make_request, make_user, unit_of

TABLES = ("requests", "decisions", "runs", "steps", "proofs", "gaps", "environments", "holds", "retention")
FILES = {
    "log.ndjson",
    "chains.ndjson",
    "log.csv",
    *(f"{table}.{kind}" for table in TABLES for kind in ("ndjson", "csv")),
    "answers.ndjson",
    "questions.json",
    *(f"answer_{question.name}.csv" for question in QUESTIONS),
    "tree.ndjson",
    "checkpoint.note",
    "keys.json",
    "elm_verify.py",
    "oscal-assessment-results.json",
    "oscal-component-definition.json",
    "manifest.json",
    "manifest.sig",
}


@pytest.fixture
def quarter_past(people, clock):
    """A completed and a rejected request in the first quarter; it is the second one by now."""
    completed = make_request(State.COMPLETED, people=people, zone=Zone.ZONE_3)
    clock.advance(days=3)
    rejected = make_request(State.REJECTED, people=people, zone=Zone.ZONE_2)
    clock.at = datetime(2026, 4, 2, tzinfo=UTC)
    return completed, rejected


def lines(folder, name):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def exported(people, folder, quarter="2026Q1", by=None):
    return export_evidence(people.tenant.pk, quarter, folder, by=by or people.auditor)


def exports_of(people):
    entries = ProvisioningLog.objects.filter(tenant=people.tenant, action=Action.EVIDENCE_EXPORTED)
    return list(entries.order_by("sequence"))


def run_command(people, folder, *more, quarter="2026Q1", upn=None):
    out, err = StringIO(), StringIO()
    arguments = ["--quarter", quarter, "--output", str(folder), "--as", upn or people.auditor.upn, *more]
    code = 0
    try:
        call_command("export_evidence", *arguments, stdout=out, stderr=err)
    except SystemExit as ended:
        code = ended.code
    return code, out.getvalue(), err.getvalue()


def test_a_quarters_entries_can_be_verified_from_the_files_alone(people, quarter_past, tmp_path):
    folder = tmp_path / "evidence"
    evidence = exported(people, folder)

    assert {path.name for path in folder.iterdir()} == FILES | {"oscal-poam.json"}
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest == evidence.manifest
    for name, facts in manifest["files"].items():
        content = (folder / name).read_bytes()
        assert facts == {
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
            "lines": content.count(b"\n"),
        }
    entries, chains = lines(folder, "log.ndjson"), {row["chain"]: row for row in lines(folder, "chains.ndjson")}
    in_quarter = ProvisioningLog.objects.filter(timestamp__lt=datetime(2026, 4, 1, tzinfo=UTC))
    assert len(entries) == manifest["counts"]["entries"] == in_quarter.count() > 0
    previous = {chain: row["first_previous_hash"] for chain, row in chains.items()}
    for entry in entries:
        content = b64decode(entry["canonical"])
        assert canonical.digest(content) == entry["entry_hash"]
        sealed = canonical.decode(content)
        named = (sealed["chain"], sealed["sequence"], sealed["previous_hash"])
        assert named == (entry["chain"], entry["sequence"], entry["previous_hash"])
        assert entry["previous_hash"] == previous[entry["chain"]]
        previous[entry["chain"]] = entry["entry_hash"]
    assert previous == {chain: row["head_hash"] for chain, row in chains.items()}


def test_the_manifest_says_what_it_is_about_and_what_the_verification_found(people, quarter_past, tmp_path):
    exported(people, tmp_path / "evidence")

    manifest = json.loads((tmp_path / "evidence" / "manifest.json").read_text())
    assert manifest["format"] == "elm-evidence-1"
    assert (manifest["quarter"], manifest["quarter_has_ended"], manifest["scope"]) == ("2026Q1", True, "tenant")
    assert (manifest["from"], manifest["until"]) == ("2026-01-01T00:00:00+00:00", "2026-04-01T00:00:00+00:00")
    assert manifest["tenant"]["id"] == str(people.tenant.pk)
    assert manifest["counts"]["requests"] == 2
    assert manifest["signature"] == "manifest.sig"
    assert manifest["verification"] == {"ok": True, "findings": 0, "first_findings": []}
    requests = {row["request_number"]: row for row in lines(tmp_path / "evidence", "requests.ndjson")}
    completed, rejected = quarter_past
    assert requests[completed.request_number]["state"] == State.COMPLETED
    assert requests[rejected.request_number]["approver__upn"] == people.approver.upn


def test_e04_the_same_state_gives_the_same_bytes(people, quarter_past, tmp_path):
    exported(people, tmp_path / "first")
    exported(people, tmp_path / "second")

    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_an_export_is_an_entry_of_the_tenants_chain_with_its_digests(people, quarter_past, tmp_path):
    evidence = exported(people, tmp_path / "evidence")

    (entry,) = exports_of(people)
    content = (tmp_path / "evidence" / "manifest.json").read_bytes()
    assert (entry.actor, entry.success, entry.chain) == (people.auditor.upn, True, people.tenant.log_chain().key)
    assert entry.action_details["manifest_sha256"] == hashlib.sha256(content).hexdigest()
    assert entry.action_details["counts"] == evidence.manifest["counts"]
    assert entry.action_details["sha256"]["log.ndjson"] == evidence.manifest["files"]["log.ndjson"]["sha256"]
    assert verify_log().ok


def test_only_what_happened_in_the_quarter_is_in_it(people, clock, tmp_path):
    early = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    clock.at = datetime(2026, 3, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    last = make_request(people=people)
    clock.at = datetime(2026, 4, 1, tzinfo=UTC)
    make_request(people=people)

    exported(people, tmp_path / "first")
    exported(people, tmp_path / "second", "2026Q2")

    rows = lines(tmp_path / "first", "requests.ndjson")
    assert [row["id"] for row in rows] == [str(early.pk), str(last.pk)]
    assert len(lines(tmp_path / "second", "requests.ndjson")) == 1
    second = json.loads((tmp_path / "second" / "manifest.json").read_text())
    assert second["quarter_has_ended"] is False


def test_e03_a_quarter_without_entries_is_a_valid_empty_package(people, clock, tmp_path):
    exported(people, tmp_path / "evidence", "2025Q4")

    assert {path.name for path in (tmp_path / "evidence").iterdir()} == FILES
    manifest = json.loads((tmp_path / "evidence" / "manifest.json").read_text())
    assert manifest["counts"] == dict.fromkeys(("entries", "chains", *TABLES), 0)
    pin = fingerprint(public_bytes(keys.signing_key()))
    assert elm_verify.main([str(tmp_path / "evidence"), "--key-fingerprint", pin]) == 0


def test_an_auditor_of_one_unit_takes_only_its_requests_and_their_entries(people, clock, tmp_path):
    treasury = unit_of(people.tenant, "Treasury")
    theirs = make_request(people=people)
    elsewhere = make_user(Role.REQUESTER, treasury)
    other = make_people(people.tenant)
    stranger = make_request(people=type(other)(**{**_fields(other), "requester": elsewhere}))
    auditor = make_user(Role.AUDITOR, people.unit, Depth.LOCAL)
    grant(auditor, Role.APPROVER, treasury)  # approving there is not auditing there

    exported(people, tmp_path / "evidence", by=auditor)

    manifest = json.loads((tmp_path / "evidence" / "manifest.json").read_text())
    assert manifest["scope"] == "business units"
    assert [row["id"] for row in lines(tmp_path / "evidence", "requests.ndjson")] == [str(theirs.pk)]
    chains = {row["chain"] for row in lines(tmp_path / "evidence", "chains.ndjson")}
    assert chains == {f"request:{theirs.pk}"}
    assert str(stranger.pk) not in (tmp_path / "evidence" / "log.ndjson").read_text()


def _fields(people):
    return {name: getattr(people, name) for name in type(people).__dataclass_fields__}


def test_nobody_but_an_auditor_of_the_tenant_exports(people, quarter_past, tmp_path):
    boss = User.objects.create_superuser("root@contoso.example", "x" * 20)
    stranger = make_people().auditor
    others = (people.requester, people.approver, people.governance_lead, people.operator, boss, stranger)
    for person in others:
        with pytest.raises(PermissionRefused, match="ELM Auditor"):
            exported(people, tmp_path / "evidence", by=person)
    people.auditor.is_active = False
    people.auditor.save()
    with pytest.raises(PermissionRefused):
        exported(people, tmp_path / "evidence")
    assert list(tmp_path.iterdir()) == []
    assert exports_of(people) == []


def test_nothing_is_replaced_and_nothing_is_left_where_it_cannot_be_written(people, quarter_past, tmp_path):
    (tmp_path / "evidence").mkdir()
    with pytest.raises(DomainError, match="exists already"):
        exported(people, tmp_path / "evidence")
    assert exports_of(people) == []

    with pytest.raises(NotExportedError, match="create it first"):
        exported(people, tmp_path / "missing" / "evidence")
    (entry,) = exports_of(people)
    assert (entry.success, "create it first" in entry.error_message) == (False, True)
    assert [path.name for path in tmp_path.iterdir()] == ["evidence"]


def test_a_place_that_was_taken_meanwhile_is_not_overwritten(people, quarter_past, tmp_path, monkeypatch):
    target = tmp_path / "evidence"

    def somebody_is_quicker(stage, *arguments):
        (target / "theirs").mkdir(parents=True)
        return written(stage, *arguments)

    written = sys.modules["evidence_app.services"]._written
    monkeypatch.setattr("evidence_app.services._written", somebody_is_quicker)
    with pytest.raises(NotExportedError):
        exported(people, target)

    assert [path.name for path in target.iterdir()] == ["theirs"]
    assert [path.name for path in tmp_path.iterdir()] == ["evidence"]
    assert [entry.success for entry in exports_of(people)] == [True, False]


@pytest.mark.parametrize("name", ["", "2026", "2026Q5", "Q1 2026", "1999Q1", "2026Q1; DROP"])
def test_what_is_no_quarter_is_refused(name):
    with pytest.raises(DomainError, match="is no quarter"):
        quarter_named(name, datetime(2026, 4, 2, tzinfo=UTC))


def test_a_quarter_that_has_not_begun_is_refused_and_the_last_one_of_a_year_ends_with_it():
    now = datetime(2026, 4, 2, tzinfo=UTC)
    with pytest.raises(DomainError, match="has not begun"):
        quarter_named("2026Q3", now)
    assert quarter_named("2025q4", now).end == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_log_that_was_tampered_with_is_exported_as_it_is_and_says_so(people, quarter_past, tmp_path):
    completed, _ = quarter_past
    connection.check_constraints()  # PostgreSQL drops no trigger while a foreign key waits to be checked
    triggers.drop()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE audit_app_provisioninglog SET canonical = %s WHERE chain = %s AND sequence = 2",
            [b"\xff forged", f"request:{completed.pk}"],
        )

    code, out, err = run_command(people, tmp_path / "evidence")

    assert (code, "does NOT verify" in out, "verify_log" in err) == (1, True, True)
    manifest = json.loads((tmp_path / "evidence" / "manifest.json").read_text())
    assert manifest["verification"]["ok"] is False
    assert manifest["verification"]["first_findings"][0]["class"] == "MODIFIED"
    assert any(b64decode(row["canonical"]) == b"\xff forged" for row in lines(tmp_path / "evidence", "log.ndjson"))
    assert exports_of(people)[0].action_details["verified"] is False


def test_the_command_exports_and_explains(people, quarter_past, tmp_path):
    code, out, _ = run_command(people, tmp_path / "evidence")
    assert (code, "the log verifies" in out) == (0, True)
    code, out, _ = run_command(people, tmp_path / "again", "--json")
    assert (code, json.loads(out)["quarter"]) == (0, "2026Q1")
    refusals = [
        (run_command(people, tmp_path / "evidence"), "exists already"),
        (run_command(people, tmp_path / "x", quarter="2026Q9"), "is no quarter"),
        (run_command(people, tmp_path / "x", upn="nobody@contoso.example"), "There is nobody"),
        (run_command(people, tmp_path / "x", upn=people.requester.upn), "is no ELM Auditor"),
        (run_command(people, tmp_path / "x", "--tenant", "Elsewhere"), people.tenant.name),
    ]
    for (code, _, err), sentence in refusals:
        assert (code, sentence in err) == (2, True), err


def test_the_command_needs_no_more_than_the_quarter_where_there_is_one_auditor(
    people, quarter_past, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    call_command("export_evidence", "--quarter", "2026Q1")
    assert "manifest.json" in zipfile.ZipFile(tmp_path / "evidence-2026Q1.zip").namelist()

    second = make_user(Role.AUDITOR, people.tenant)
    with pytest.raises(SystemExit):
        call_command("export_evidence", "--quarter", "2026Q2")
    said = capsys.readouterr().err
    assert "--as" in said
    assert {people.auditor.upn, second.upn} <= set(re.findall(r"\S+@\w+\.\w+", said))


def test_a_host_without_the_key_says_that_what_it_exports_is_not_signed(people, quarter_past, tmp_path, settings):
    sign_now()
    settings.LOG_SIGNING_KEY_FILE = tmp_path / "nowhere" / "log_key.pem"
    settings.PRODUCTION = True  # elsewhere a host makes its own key

    code, out, err = run_command(people, tmp_path / "evidence")

    assert (code, "; NOT signed; " in out, "Export on the host that signs" in err) == (1, True, True)
    assert {path.name for path in (tmp_path / "evidence").iterdir()} == FILES - {"manifest.sig"} | {"oscal-poam.json"}
    assert json.loads((tmp_path / "evidence" / "manifest.json").read_text())["signature"] is None
    assert exports_of(people)[0].action_details["signed"] is False


def test_a_log_that_nobody_has_signed_yet_is_exported_without_a_checkpoint(people, tmp_path, settings):
    settings.LOG_SIGNING_KEY_FILE = tmp_path / "nowhere" / "log_key.pem"
    settings.PRODUCTION = True
    make_request(people=people)
    quarter = _quarter_of(ProvisioningLog.objects.latest("timestamp").timestamp)

    evidence = exported(people, tmp_path / "evidence", quarter)

    names = {path.name for path in (tmp_path / "evidence").iterdir()}
    wanted = FILES - {"manifest.sig", "checkpoint.note"} | {"oscal-poam.json"}
    assert names == wanted == set(evidence.manifest["files"]) | {"manifest.json"}
    assert evidence.manifest["checkpoint"] is None
    assert json.loads((tmp_path / "evidence" / "keys.json").read_text())["keys"] == []
    assert len(lines(tmp_path / "evidence", "log.ndjson")) == evidence.manifest["counts"]["entries"] > 0


def test_an_auditor_of_several_tenants_names_one(people, quarter_past, tmp_path):
    other = make_people()
    type(people.auditor).objects.filter(pk=people.auditor.pk).update(tenant=None)  # who belongs to one audits no other
    grant(people.auditor, Role.AUDITOR, other.tenant)

    code, _, err = run_command(people, tmp_path / "evidence")
    assert (code, people.tenant.name in err, other.tenant.name in err) == (2, True, True)
    code, _, _ = run_command(people, tmp_path / "evidence", "--tenant", other.tenant.name)
    assert code == 0
    manifest = json.loads((tmp_path / "evidence" / "manifest.json").read_text())
    assert manifest["tenant"]["name"] == other.tenant.name


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_what_is_written_during_an_export_is_not_in_it_and_does_not_wait(people, tmp_path):
    with snapshot():
        before = ProvisioningLog.objects.count()
        writer = connection.copy()
        with writer.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
            cursor.execute("UPDATE accounts_app_tenant SET name = 'Renamed' WHERE id = %s", [people.tenant.pk])
        writer.close()
        people.tenant.refresh_from_db()
        assert (people.tenant.name != "Renamed", ProvisioningLog.objects.count()) == (True, before)
    people.tenant.refresh_from_db()
    assert people.tenant.name == "Renamed"


@pytest.mark.sqlite  # files and their order are the same on both databases
@pytest.mark.django_db(transaction=True)
def test_an_export_that_is_killed_leaves_nothing_under_its_name_and_can_be_repeated(
    people, process_environment, tmp_path
):
    make_request(State.COMPLETED, people=people)
    folder = tmp_path / "evidence"
    dying = (
        "import os, signal, sys\n"
        "from evidence_app.folder import StagedFolder\n"
        "StagedFolder.publish = lambda stage: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from django.core.management import execute_from_command_line\n"
        "execute_from_command_line(sys.argv)\n"
    )
    quarter = _quarter_of(ProvisioningLog.objects.latest("timestamp").timestamp)
    arguments = ["export_evidence", "--quarter", quarter, "--output", str(folder), "--as", people.auditor.upn]
    killed = subprocess.run([sys.executable, "-c", dying, *arguments], env=process_environment, cwd=Path.cwd())
    assert killed.returncode == -signal.SIGKILL
    assert not folder.exists()
    assert len(exports_of(people)) == 1  # rather an entry without evidence than evidence without an entry

    exported(people, folder, quarter)

    assert {path.name for path in folder.iterdir()} == FILES


def _quarter_of(at):
    return f"{at.year}Q{(at.month + 2) // 3}"
