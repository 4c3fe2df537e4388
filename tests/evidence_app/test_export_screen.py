"""An auditor takes a quarter out on the tenant's page: one archive, or words why not, after a fresh sign-in."""

from __future__ import annotations

import json
import os
from contextlib import redirect_stdout
from datetime import UTC, datetime
from io import BytesIO, StringIO
from zipfile import ZipFile

import pytest
from django.conf import settings

from accounts_app.models import User
from accounts_app.roles import Depth, Role
from audit_app import keys, triggers
from audit_app.actions import Action
from audit_app.models import ProvisioningLog, TreeLeaf
from audit_app.notes import fingerprint, public_bytes
from evidence_app import services
from evidence_app.quarters import quarters_between
from evidence_app.services import export_evidence
from evidence_app.verifier import elm_verify
from requests_app.choices import State
from tests.factories import PASSWORD, make_people, make_request, make_user
from tests.screens import client_of, page_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def first_quarter(people, clock):
    """A request in the first quarter; it is the second one by now."""
    request = make_request(State.PENDING_APPROVAL, people=people)
    clock.at = datetime(2026, 4, 2, tzinfo=UTC)
    return request


def address(people):
    return page_of(people.tenant, "export_evidence")


def exports():
    return ProvisioningLog.objects.filter(action=Action.EVIDENCE_EXPORTED)


def left():
    folder = settings.EVIDENCE_DOWNLOAD_FOLDER
    return list(folder.iterdir()) if folder.exists() else []


def package(client, people, quarter="2026Q1"):
    """Download as a browser does, to the end."""
    answer = client.post(address(people), {"quarter": quarter})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    return ZipFile(BytesIO(answer.getvalue()))


def verified(archive):
    out = StringIO()
    pin = fingerprint(public_bytes(keys.signing_key()))
    with redirect_stdout(out):
        return elm_verify.main([str(archive), "--json", "--key-fingerprint", pin])


def test_an_auditor_downloads_a_quarter_that_verifies_and_nothing_of_it_stays(people, first_quarter, tmp_path):
    auditor = client_of(people.auditor)
    assert address(people) in auditor.get(page_of(people.tenant)).content.decode()
    page = auditor.get(address(people))
    assert page.context["form"].fields["quarter"].choices == [
        ("2026Q2", "April to June 2026 (not ended yet)"),
        ("2026Q1", "January to March 2026"),
    ]
    assert 'value="2026Q1" selected' in page.content.decode()
    assert exports().count() == 0

    answer = auditor.post(address(people), {"quarter": "2026Q1"})

    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    assert "no-store" in answer["Cache-Control"]
    assert answer["Content-Disposition"].endswith('-2026Q1.zip"')
    assert left() == []
    archive = tmp_path / "2026Q1.zip"
    archive.write_bytes(answer.getvalue())
    assert int(answer["Content-Length"]) == archive.stat().st_size
    assert verified(archive) == 0
    with ZipFile(archive) as files:
        assert json.loads(files.read("manifest.json"))["counts"]["requests"] == 1
    entry = exports().get()
    assert (entry.actor, entry.success, entry.action_details["quarter"]) == (people.auditor.upn, True, "2026Q1")


def test_a_stale_session_is_led_to_the_password_and_back_with_the_quarter(people, first_quarter, clock):
    auditor = client_of(people.auditor)
    clock.advance(minutes=11)

    refused = auditor.post(address(people), {"quarter": "2026Q2"})
    again = refused.context["sign_in_again"]

    assert (refused.status_code, exports().count(), left()) == (403, 0, [])
    assert "Sign in again, then repeat it." in refused.content.decode()
    assert auditor.post(again, {"password": "wrong"}).status_code == 403
    assert auditor.post(address(people), {"quarter": "2026Q2"}).status_code == 403
    back = auditor.post(again, {"password": PASSWORD})["Location"]
    assert back == f"{address(people)}?quarter=2026Q2"
    assert 'value="2026Q2" selected' in auditor.get(back).content.decode()
    assert package(auditor, people, "2026Q2").testzip() is None


def test_it_is_there_for_auditors_alone(people, first_quarter):
    boss = User.objects.create_superuser("root@contoso.example", "x" * 20)
    for person, status in (
        (people.governance_lead, 403),
        (people.operator, 403),
        (people.requester, 404),
        (people.approver, 404),
        (make_people().auditor, 404),
        (boss, 404),
    ):
        client = client_of(person)
        assert client.get(address(people)).status_code == status, person
        assert client.post(address(people), {"quarter": "2026Q1"}).status_code == status, person
    assert address(people) not in client_of(people.operator).get(page_of(people.tenant)).content.decode()
    assert exports().count() == 0

    of_a_unit = client_of(make_user(Role.AUDITOR, people.unit, Depth.LOCAL))
    assert json.loads(package(of_a_unit, people).read("manifest.json"))["scope"] == "business units"


def test_what_is_refused_is_said_on_the_page_and_leaves_nothing(people, first_quarter, monkeypatch, tmp_path):
    auditor = client_of(people.auditor)
    for quarter in ("2026Q3", "2025Q4", "../../etc", ""):
        page = auditor.post(address(people), {"quarter": quarter})
        assert (page.status_code, page["Content-Type"][:9]) == (200, "text/html")
        assert page.context["form"].errors["quarter"]

    monkeypatch.setattr(services, "MOST_EXPORTS_AN_HOUR", 1)
    package(auditor, people)
    page = auditor.post(address(people), {"quarter": "2026Q1"})
    assert page.status_code == 409
    assert "You have exported 1 times within an hour. Wait, then export again." in page.content.decode()

    (tmp_path / "taken").write_text("no folder")
    monkeypatch.setattr(settings, "EVIDENCE_DOWNLOAD_FOLDER", tmp_path / "taken")
    page = auditor.post(address(people), {"quarter": "2026Q1"})
    assert (page.status_code, "tell your operators" in page.content.decode()) == (409, True)
    assert str(tmp_path) not in page.content.decode()
    assert exports().count() == 1


def test_what_a_killed_process_left_is_gone_with_the_next_export(people, first_quarter, clock):
    folder = settings.EVIDENCE_DOWNLOAD_FOLDER
    old, young = folder / "export-old", folder / "export-young"
    for each, age in ((old, 25 * 3600), (young, 3600)):
        each.mkdir(parents=True)
        (each / "log.ndjson").touch()
        os.utime(each, (clock.at.timestamp() - age,) * 2)

    package(client_of(people.auditor), people)

    assert left() == [young]
    (young / "log.ndjson").unlink()
    young.rmdir()


def test_a_tree_with_a_missing_leaf_is_exported_as_it_is_and_the_manifest_says_so(people, first_quarter, tmp_path):
    make_request(State.DRAFT, people=people)  # of the second quarter: the first one's package needs its leaf
    export_evidence(people.tenant.pk, "2026Q1", tmp_path / "before", by=people.auditor)
    entry = ProvisioningLog.objects.filter(environment_request=first_quarter).earliest("sequence")
    triggers.drop()
    TreeLeaf.objects.filter(entry=entry.pk).delete()

    evidence = export_evidence(people.tenant.pk, "2026Q1", tmp_path / "after.zip", by=people.auditor)

    found = evidence.manifest["verification"]
    assert found["ok"] is False
    assert "The tree has no subtree" in found["tree"]
    assert verified(tmp_path / "after.zip") == 1


def test_the_quarters_on_offer_begin_with_the_log_and_never_before_this_century():
    now = datetime(2026, 5, 1, tzinfo=UTC)
    first = datetime(2025, 12, 31, 23, tzinfo=UTC)
    assert [each.in_words() for each in quarters_between(first, now)] == [
        "April to June 2026",
        "January to March 2026",
        "October to December 2025",
    ]
    for no_beginning in (None, datetime(2031, 1, 1, tzinfo=UTC)):
        assert [each.name for each in quarters_between(no_beginning, now)] == ["2026Q2"]
    assert quarters_between(datetime(1970, 1, 1, tzinfo=UTC), now)[-1].name == "2000Q1"
