"""E1, E2 and E6 of the fault list: evidence that is taken out while others write, go away, or come too late.

E3 and E4 are in ``tests/evidence_app/test_export_evidence.py``, E5 in ``test_oscal.py`` there.
"""

from __future__ import annotations

import json
import threading
from contextlib import redirect_stdout
from io import BytesIO, StringIO
from zipfile import ZipFile

import pytest
from django.conf import settings
from django.db import connections, transaction
from django.test import Client
from structlog.testing import capture_logs

from accounts_app.models import Tenant
from audit_app import keys
from audit_app.actions import Action
from audit_app.actors import SYSTEM
from audit_app.log import record
from audit_app.models import LogAccess, ProvisioningLog
from audit_app.notes import fingerprint, public_bytes
from evidence_app.quarters import quarter_of
from evidence_app.services import export_evidence
from evidence_app.verifier import elm_verify
from requests_app.choices import State, Zone
from tests.factories import make_people, make_request
from tests.screens import client_of, page_of

WRITERS = 3


def verified(package) -> tuple[int, list]:
    """Return the offline verifier's exit code, and what it found."""
    out = StringIO()
    with redirect_stdout(out):
        code = elm_verify.main(
            [str(package), "--json", "--key-fingerprint", fingerprint(public_bytes(keys.signing_key()))]
        )
    return code, json.loads(out.getvalue())["findings"]


@pytest.mark.postgres  # on SQLite the export holds the write lock: nobody writes meanwhile
@pytest.mark.django_db(transaction=True)
def test_e01_an_export_while_much_is_written_is_of_one_moment_and_counts_what_it_holds(people, tmp_path):
    request = make_request(State.REJECTED, people=people, zone=Zone.ZONE_2)
    quarter, has_ended, written = quarter_of(request.created_at), threading.Event(), []

    def write():
        try:
            tenant = Tenant.objects.get(pk=people.tenant.pk)
            while not has_ended.is_set():
                with transaction.atomic():
                    written.append(record(Action.PREFLIGHT_CHECKED, on=tenant, by=SYSTEM).pk)
                make_request(people=people)
        finally:
            connections.close_all()

    writers = [threading.Thread(target=write) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        packages = [export_evidence(people.tenant.pk, quarter, tmp_path / name, by=people.auditor) for name in "abc"]
    finally:
        has_ended.set()
        for writer in writers:
            writer.join()

    for package in packages:
        lines = [json.loads(line) for line in (package.folder / "log.ndjson").read_text().splitlines()]
        assert package.manifest["counts"]["entries"] == len(lines) > 0
        heads = {}
        for line in lines:  # no chain has a hole, and none ends where another file says that it goes on
            assert line["sequence"] == heads.get(line["chain"], 0) + 1
            heads[line["chain"]] = line["sequence"]
        chains = [json.loads(line) for line in (package.folder / "chains.ndjson").read_text().splitlines()]
        assert {chain["chain"]: chain["head_sequence"] for chain in chains} == heads
        assert package.verified
        assert verified(package.folder)[0] == 0, verified(package.folder)
    counts = [package.manifest["counts"]["entries"] for package in packages]
    assert counts == sorted(set(counts)), "others wrote meanwhile"
    assert len(written) > WRITERS


@pytest.fixture
def address(people):
    make_request(State.REJECTED, people=people, zone=Zone.ZONE_2)
    return page_of(people.tenant, "export_evidence")


def current_quarter():
    return quarter_of(ProvisioningLog.objects.latest("timestamp").timestamp)


def left():
    folder = settings.EVIDENCE_DOWNLOAD_FOLDER
    return list(folder.iterdir()) if folder.exists() else []


@pytest.mark.django_db
def test_e02_a_client_that_goes_away_at_half_leaves_nothing_behind_and_is_in_the_log(people, address):
    auditor, said = client_of(people.auditor), {"quarter": current_quarter()}
    with capture_logs() as lines:
        answer = auditor.post(address, said)
        first = next(iter(answer.streaming_content))
        answer._iterator.close()  # what the server does when the client is gone
    (aborted,) = [line for line in lines if line["event"] == "download_aborted"]
    assert (aborted["sent"], aborted["actor"]) == (len(first), people.auditor.upn)
    assert 0 < aborted["sent"] < aborted["size"] == int(answer["Content-Length"])
    assert left() == []
    assert ProvisioningLog.objects.get(action=Action.EVIDENCE_EXPORTED).success
    assert LogAccess.objects.filter(page=LogAccess.Page.EXPORT, refused=False).count() == 1

    with capture_logs() as lines:
        again = auditor.post(address, said)
        assert ZipFile(BytesIO(again.getvalue())).testzip() is None
    assert [line["event"] for line in lines] == []


@pytest.mark.django_db
def test_e06_an_address_that_was_passed_on_or_kept_gives_nothing(clock, people, address):
    """A package has no address: it is the answer to one POST of one auditor who has just signed in."""
    said = {"quarter": current_quarter()}
    auditor = client_of(people.auditor)
    stolen = auditor.cookies["sessionid"].value
    assert ZipFile(BytesIO(auditor.post(address, said).getvalue())).testzip() is None

    kept = auditor.get(address)
    assert (kept.status_code, kept["Content-Type"].startswith("text/html"), left()) == (200, True, [])
    for other, status in ((people.requester, 404), (make_people().auditor, 404), (people.governance_lead, 403)):
        assert client_of(other).post(address, said).status_code == status
    assert Client().post(address, said).status_code == 302

    clock.advance(minutes=11)
    assert auditor.post(address, said).status_code == 403  # it wants a fresh sign-in
    auditor.post("/admin/logout/")
    thief = Client()
    thief.cookies["sessionid"] = stolen
    assert thief.post(address, said).status_code == 302
    assert ProvisioningLog.objects.filter(action=Action.EVIDENCE_EXPORTED).count() == 1
