"""A web server without the key hands out a signed package all the same: the signer makes it, as who waits for it."""

from __future__ import annotations

import json
import os
import signal
from contextlib import redirect_stdout
from datetime import timedelta
from io import BytesIO, StringIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from celery import current_app
from django.core.files.storage import FileSystemStorage, storages
from django.test import override_settings

from accounts_app import services as accounts
from accounts_app.roles import Role
from audit_app import keys
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from audit_app.notes import fingerprint, public_bytes
from core_app import clock as core_clock
from evidence_app import handover, tasks
from evidence_app.quarters import quarter_of
from evidence_app.verifier import elm_verify
from requests_app.choices import State, Zone
from tests.factories import make_request
from tests.faults.processes import forked
from tests.processes import environment_in
from tests.screens import client_of, page_of
from tests.workers import Workers

SILENT = "the host that signs the log did not answer within"


def on_the_shelf():
    """Return what lies between signer and web server."""
    return handover._names(storages["evidence"])


def exports():
    return ProvisioningLog.objects.filter(action=Action.EVIDENCE_EXPORTED)


def verified(package, pin):
    """Return what the offline verifier says of a downloaded package."""
    out = StringIO()
    with redirect_stdout(out):
        return elm_verify.main([str(package), "--json", "--key-fingerprint", pin]), json.loads(out.getvalue())


@pytest.fixture
def pin():
    return fingerprint(public_bytes(keys.signing_key()))


@pytest.fixture
def keyless(settings, tmp_path, pin):
    """This process is a web server: what it needs to be the signer, the key, is elsewhere."""
    key = settings.LOG_SIGNING_KEY_FILE
    settings.LOG_SIGNING_KEY_FILE, settings.PRODUCTION = tmp_path / "nowhere.pem", True
    return key


@pytest.fixture
def asked(people, clock):
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    return page_of(people.tenant, "export_evidence"), {"quarter": quarter_of(clock.at)}, request


@pytest.fixture
def the_signer(keyless, monkeypatch):
    """Let the signer's task run with the key as soon as it is asked; what a test adds happens before."""
    before = []

    def send(name, args, **_options):
        assert name == tasks.export.name
        with override_settings(LOG_SIGNING_KEY_FILE=keyless, PRODUCTION=False):
            for act in before:
                act()
            tasks.export(*json.loads(json.dumps(args)))

    monkeypatch.setattr(current_app._get_current_object(), "send_task", send)
    return before


@pytest.mark.flow
@pytest.mark.django_db(transaction=True)
def test_a_worker_that_alone_has_the_key_makes_what_the_web_server_hands_out(people, tmp_path, keyless, pin, settings):
    request = make_request(State.REJECTED, people=people, zone=Zone.ZONE_2)
    quarter = quarter_of(request.created_at)
    settings.EVIDENCE_WAIT_SECONDS = 120  # the worker has yet to start
    environment = environment_in(Path(os.environ["ELM_STATE_DIR"])) | {"ELM_LOG_SIGNING_KEY_FILE": str(keyless)}
    current_app.control.purge()  # other tests' doorbells
    signer, auditor = Workers(environment, tmp_path / "signer.log"), client_of(people.auditor)
    signer.start("worker", "--concurrency=1", "--without-gossip", "--without-mingle", "--loglevel=WARNING")
    try:
        of_quarter = auditor.post(page_of(people.tenant, "export_evidence"), {"quarter": quarter})
        of_request = auditor.post(page_of(request, "evidence_package"), {"package": "zip"})
    finally:
        signer.stop()

    for name, answer in ((quarter, of_quarter), (request.request_number, of_request)):
        assert answer["Content-Disposition"].endswith(f'-{name}.zip"'), (tmp_path / "signer.log").read_text()
        package = tmp_path / f"{name}.zip"
        package.write_bytes(answer.getvalue())
        code, found = verified(package, pin)
        assert (code, found["findings"]) == (0, [])
    assert on_the_shelf() == []
    assert [(entry.actor, entry.action_details["signed"]) for entry in exports()] == [(people.auditor.upn, True)] * 2


@pytest.mark.django_db
def test_the_signer_asks_anew_what_the_person_may_and_its_words_are_on_the_page(people, asked, the_signer):
    address, said, _request = asked
    auditor = client_of(people.auditor)
    lost = accounts.roles_of(people.auditor)[0]
    the_signer.append(lambda: accounts.revoke_role(people.auditor.pk, lost, by=people.governance_lead, reason="Left."))

    page = auditor.post(address, said)

    assert page.status_code == 409
    assert f"needs the role {Role.AUDITOR} for it." in page.content.decode()
    assert (exports().count(), on_the_shelf()) == (0, [])


@pytest.mark.django_db
def test_what_is_refused_at_the_web_server_never_reaches_the_signer(people, asked, the_signer, clock):
    address, said, _request = asked
    auditor = client_of(people.auditor)
    the_signer.append(pytest.fail)
    assert client_of(people.governance_lead).post(address, said).status_code == 403
    clock.advance(minutes=11)
    page = auditor.post(address, said)
    assert (page.status_code, "Sign in again, then repeat it." in page.content.decode()) == (403, True)


@pytest.mark.django_db
def test_a_signer_without_room_says_so_without_its_paths(people, asked, the_signer, settings, tmp_path):
    address, said, _request = asked
    (tmp_path / "taken").write_text("no folder")
    the_signer.append(lambda: setattr(settings, "EVIDENCE_DOWNLOAD_FOLDER", tmp_path / "taken"))

    page = client_of(people.auditor).post(address, said)

    assert (page.status_code, "could not write the package" in page.content.decode()) == (409, True)
    assert str(tmp_path) not in page.content.decode()
    assert on_the_shelf() == []


@pytest.mark.django_db
@pytest.mark.parametrize("which", ["quarter", "request"])
def test_when_the_signer_is_silent_the_page_says_so_and_gives_the_package_unsigned(
    people, asked, keyless, settings, which
):
    settings.EVIDENCE_WAIT_SECONDS = 0
    auditor = client_of(people.auditor)
    address, said, request = asked
    unsigned = said | {"unsigned": "unsigned"}
    if which == "request":
        address, said, unsigned = page_of(request, "evidence_package"), {"package": "zip"}, {"package": "unsigned"}
    assert "Download it unsigned" not in auditor.get(address).content.decode()

    page = auditor.post(address, said)

    assert (page.status_code, exports().count()) == (409, 0)
    assert SILENT in page.content.decode()
    button = 'name="unsigned" value="unsigned"' if which == "quarter" else 'name="package" value="unsigned"'
    assert button in page.content.decode()
    answer = auditor.post(address, unsigned)
    assert answer["Content-Disposition"].endswith('-unsigned.zip"')
    assert "manifest.sig" not in ZipFile(BytesIO(answer.getvalue())).namelist()
    assert exports().get().action_details["signed"] is False


@pytest.mark.django_db
def test_a_broker_that_is_down_is_a_silent_signer(people, asked, keyless, monkeypatch):
    def refuse(name, **_options):
        raise ConnectionError("nobody listens")

    monkeypatch.setattr(current_app._get_current_object(), "send_task", refuse)
    address, said, _request = asked
    page = client_of(people.auditor).post(address, said)
    assert (page.status_code, SILENT in page.content.decode()) == (409, True)


class Deadly(FileSystemStorage):
    """A disk on which the process that writes a package dies half-way."""

    def _save(self, name, content):
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.read(100))
        os.kill(os.getpid(), signal.SIGKILL)


def _die(settings, key, order):
    settings.LOG_SIGNING_KEY_FILE, settings.PRODUCTION = key, False
    deadly = {"BACKEND": f"{__name__}.Deadly", "OPTIONS": settings.STORAGES["evidence"]["OPTIONS"]}
    settings.STORAGES = {**settings.STORAGES, "evidence": deadly}
    tasks.export(*order)


@pytest.mark.django_db(transaction=True)
def test_a_signer_that_is_killed_hands_out_no_half_package_and_its_rest_is_swept(
    people, keyless, monkeypatch, settings
):
    request = make_request(State.REJECTED, people=people, zone=Zone.ZONE_2)
    address, said = page_of(people.tenant, "export_evidence"), {"quarter": quarter_of(request.created_at)}
    auditor, settings.EVIDENCE_WAIT_SECONDS = client_of(people.auditor), 0
    ends = []

    def send(_name, args, **_options):
        signer = forked(_die, settings, keyless, args)
        signer.join(60)
        ends.append(signer.exitcode)

    monkeypatch.setattr(current_app._get_current_object(), "send_task", send)
    page = auditor.post(address, said)

    assert ends == [-signal.SIGKILL]
    assert (page.status_code, SILENT in page.content.decode()) == (409, True)
    (left,) = on_the_shelf()
    assert left.endswith(".zip")
    handover.sweep()
    assert on_the_shelf() == [left]  # somebody may still be waiting
    later = core_clock.now() + timedelta(hours=2)
    with core_clock.using(lambda: later):
        handover.sweep()
    assert on_the_shelf() == []
