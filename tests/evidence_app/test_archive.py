"""Evidence of ended quarters is kept by the installation itself: once, whole, under a name of its own, read back."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import IntegrityError, transaction

from audit_app import keys
from audit_app.actions import Action
from audit_app.anchors import AnchorError, LocalDirectory
from audit_app.models import ProvisioningLog
from audit_app.notes import fingerprint, public_bytes
from audit_app.verify import verify_log
from evidence_app import archive, tasks
from evidence_app.models import EvidenceCopy
from evidence_app.services import export_evidence
from evidence_app.verifier import elm_verify
from requests_app.choices import State, Zone
from tests.factories import make_people, make_request
from tests.screens import client_of, page_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def ended(people, clock):
    """Something happened in the first quarter; it has ended an hour ago."""
    make_request(State.REJECTED, people=people, zone=Zone.ZONE_2)
    clock.at = datetime(2026, 4, 1, 1, tzinfo=UTC)
    return people


def files():
    return sorted(path for path in settings.LOG_ANCHOR_FOLDER.rglob("*") if path.is_file() and "evidence" in path.parts)


def stored_entries():
    return ProvisioningLog.objects.filter(action=Action.EVIDENCE_STORED)


def run(*arguments):
    out, err = StringIO(), StringIO()
    try:
        call_command("store_evidence", *arguments, stdout=out, stderr=err)
    except SystemExit as ended:
        return ended.code, out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_an_ended_quarter_is_stored_once_as_an_auditor_would_get_it(ended, tmp_path):
    tasks.store()
    tasks.store()

    (copy,) = EvidenceCopy.objects.all()
    (file,) = files()
    assert (copy.quarter, copy.tenant, copy.is_worm, copy.parts) == ("2026Q1", ended.tenant, False, 1)
    assert file == settings.LOG_ANCHOR_FOLDER / copy.name
    assert copy.manifest_sha256 in copy.name
    assert (hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_size) == (copy.sha256, copy.size)
    assert elm_verify.main([str(file), "--key-fingerprint", fingerprint(public_bytes(keys.signing_key()))]) == 0
    (entry,) = stored_entries()
    said = entry.action_details
    assert (entry.actor, said["quarter"], said["name"], said["worm"]) == ("System", "2026Q1", copy.name, False)
    assert (said["signed"], said["verified"], said["sha256"]) == (True, True, copy.sha256)
    export_evidence(ended.tenant.pk, "2026Q1", tmp_path / "mine.zip", by=ended.auditor)
    assert (tmp_path / "mine.zip").read_bytes() == file.read_bytes()
    assert verify_log().ok


def test_a_quarter_is_stored_when_it_has_ended_and_for_every_tenant(people, clock):
    make_request(people=people)
    others = make_people()
    tasks.store()
    assert EvidenceCopy.objects.count() == 0
    clock.at = datetime(2026, 4, 1, 0, 59, tzinfo=UTC)
    tasks.store()
    assert EvidenceCopy.objects.count() == 0
    clock.advance(minutes=1)
    tasks.store()
    found = set(EvidenceCopy.objects.values_list("tenant", "quarter"))
    assert found == {(people.tenant.pk, "2026Q1"), (others.tenant.pk, "2026Q1")}


def test_a_large_package_is_stored_in_parts_that_make_it_up_again(ended, monkeypatch):
    monkeypatch.setattr(archive, "PART", 10_000)
    (copy,) = archive.store_ended()
    assert copy.parts == len(files()) > 1
    assert files()[0].name.endswith(".zip.001")
    joined = b"".join(file.read_bytes() for file in files())
    assert (hashlib.sha256(joined).hexdigest(), len(joined)) == (copy.sha256, copy.size)
    assert [wrong for _, wrong in archive.verify_copies()] == [""]


def test_what_was_stored_is_read_back_and_what_differs_is_named(ended):
    code, out, _ = run()
    copy = EvidenceCopy.objects.get()
    assert (code, out) == (0, f"{copy.name} in {copy.place}, {copy.size} bytes, not WORM\n1 new.\n")
    code, out, _ = run("--verify")
    assert (code, "as it was stored." in out, "1 copies, 0 not" in out) == (0, True, True)
    (file,) = files()
    file.chmod(0o600)
    file.write_bytes(file.read_bytes() + b"x")
    code, out, _ = run("--verify")
    assert (code, "is not what was stored" in out) == (1, True)
    file.unlink()
    assert "is gone from" in run("--verify")[1]


def test_a_store_that_does_not_take_it_is_an_alarm_and_gets_it_later(ended, monkeypatch, caplog):
    def refuse(store, name, content, until=None):
        raise AnchorError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(LocalDirectory, "keep", refuse)
        assert archive.store_ended() == []
        assert run("--quarter", "2026Q1")[0] == 2
        patch.setattr(LocalDirectory, "read", lambda store, name: refuse(store, name, b""))
        patch.setattr(LocalDirectory, "place", "elsewhere")
    assert "evidence_not_stored" in caplog.text
    assert (stored_entries().count(), files()) == (0, [])
    assert len(archive.store_ended()) == 1
    monkeypatch.setattr(LocalDirectory, "read", lambda store, name: refuse(store, name, b""))
    assert [wrong for _, wrong in archive.verify_copies()] == ["no room"]


def test_only_the_host_that_signs_stores_evidence(ended, monkeypatch):
    monkeypatch.setattr(settings, "PRODUCTION", True)
    assert archive.store_ended() == []
    code, _, err = run("--quarter", "2026Q1")
    assert (code, "Only the host that signs" in err) == (2, True)


def test_the_command_stores_one_quarter_and_explains(ended):
    for arguments, words in (
        (["--quarter", "2026Q9"], "is no quarter"),
        (["--quarter", "2026Q2"], "has not ended"),
        (["--quarter", "2026Q1", "--tenant", "Elsewhere"], "no tenant named Elsewhere"),
    ):
        code, _, err = run(*arguments)
        assert (code, words in err) == (2, True), err
    assert run("--quarter", "2026Q1", "--tenant", ended.tenant.name)[1].endswith("1 new.\n")
    assert run("--quarter", "2026Q1")[1] == "0 new.\n"


def test_where_it_is_stored_is_never_changed_and_seen_by_who_audits_the_whole_tenant(ended):
    archive.store_ended()
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        EvidenceCopy.objects.update(is_worm=True)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        EvidenceCopy.objects.all().delete()
    copy = EvidenceCopy.objects.get()
    page = client_of(ended.auditor).get(page_of(copy)).content.decode()
    assert copy.sha256 in page
    assert "Not confirmed as WORM" in page
    assert client_of(make_people().auditor).get(page_of(copy)).status_code == 404
