"""The checkpoint of an export is stamped where there is a time-stamp authority; a silent one stops nothing."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from audit_app import keys, tasks
from audit_app.models import CheckpointTimestamp
from audit_app.notes import fingerprint, public_bytes
from evidence_app.services import export_request
from evidence_app.verifier import elm_verify
from tests.factories import make_request
from tests.tsa import Authority, serving

pytestmark = pytest.mark.django_db


@pytest.fixture
def authority(tmp_path, settings):
    with serving(Authority(tmp_path)) as authority:
        settings.LOG_TSA_URL = authority.address
        settings.LOG_TSA_CERTIFICATES = str(authority.certificates)
        yield authority


def verified(folder, capsys):
    """Return the exit code of the program and the findings about the time stamp."""
    pinned = fingerprint(public_bytes(keys.signing_key()))
    code = elm_verify.main([str(folder), "--json", "--key-fingerprint", pinned])
    findings = json.loads(capsys.readouterr().out)["findings"]
    return code, [(found["class"], found["detail"]) for found in findings if found["entry"] == "checkpoint.tsr"]


def exported(people, request, folder):
    """Export a request; return what the manifest says of the time stamp."""
    export_request(request.pk, folder, by=people.auditor)
    return json.loads((folder / "manifest.json").read_text())["timestamp"]


def test_an_export_holds_a_stamp_of_its_checkpoint_that_openssl_verifies(clock, people, authority, tmp_path, capsys):
    request, folder = make_request(people=people), tmp_path / "one"
    said = exported(people, request, folder)
    assert said == {"status": "stamped", "authority": authority.address, "at": clock.at.isoformat()}

    code, ((kind, advice),) = verified(folder, capsys)
    assert (code, kind) == (0, "KEY_UNKNOWN")
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("no openssl")
    command = advice.partition("openssl ")[2].replace("<its certificates>", str(authority.certificates))
    run = subprocess.run([program, *command.split()], cwd=folder, capture_output=True, text=True)
    assert (run.returncode, "Verification: OK" in run.stdout + run.stderr) == (0, True)

    (folder / "checkpoint.tsr").write_bytes(b"a stamp of something else")
    code, found = verified(folder, capsys)
    assert (code, ("MODIFIED", "The time stamp is of another checkpoint.") in found) == (1, True)


def test_the_same_export_is_stamped_once_and_is_the_same_twice(people, authority, tmp_path):
    request = make_request(people=people)
    for name in ("one", "two"):
        exported(people, request, tmp_path / name)
    assert authority.asked == CheckpointTimestamp.objects.count() == 1
    first, second = ({file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert first == second


def test_an_authority_out_of_reach_stops_no_export_and_the_package_says_so(
    people, authority, settings, tmp_path, capsys, caplog
):
    request = make_request(people=people)
    settings.LOG_TSA_URL = "http://127.0.0.1:9/"
    assert exported(people, request, tmp_path / "one") == {"status": "pending"}
    assert "export_not_timestamped" in caplog.text
    assert verified(tmp_path / "one", capsys) == (0, [])

    settings.LOG_TSA_URL = authority.address
    tasks.timestamp()
    assert exported(people, request, tmp_path / "later")["status"] == "stamped"


def test_without_an_authority_a_package_speaks_of_no_time_stamp(people, tmp_path):
    assert exported(people, make_request(people=people), tmp_path / "one") is None
    assert not (tmp_path / "one/checkpoint.tsr").exists()
