"""The package of one request: as a page, and as an archive that verifies without showing any other request."""

from __future__ import annotations

import json
import re
from zipfile import ZipFile

import pytest
from django.urls import reverse
from django.utils import translation

from accounts_app.models import User
from accounts_app.roles import Depth, Role
from audit_app import keys
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from audit_app.notes import fingerprint, public_bytes
from core_app.errors import DomainError, PermissionRefused
from evidence_app import services
from evidence_app.questions import QUESTIONS
from evidence_app.services import export_evidence, export_request
from evidence_app.verifier import elm_verify
from tests.catalogues import other_language  # noqa: F401 - a fixture
from tests.evidence_app.history import BEGIN, QUARTER
from tests.factories import make_user
from tests.screens import client_of, page_of

pytestmark = pytest.mark.django_db


def verified(path):
    return elm_verify.main([str(path), "--key-fingerprint", fingerprint(public_bytes(keys.signing_key()))])


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def lines(folder, name):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def exports():
    return ProvisioningLog.objects.filter(action=Action.EVIDENCE_EXPORTED).order_by("sequence")


def test_a_request_s_package_verifies_alone_and_shows_nothing_of_another(history, tmp_path):
    request, auditor = history.governed, history.people.auditor
    export_request(request.pk, tmp_path / "one", by=auditor)

    assert verified(tmp_path / "one") == 0
    manifest = json.loads((tmp_path / "one/manifest.json").read_text())
    assert (manifest["scope"], manifest["request"]) == ("request", request.request_number)
    assert manifest["counts"]["entries"] == request.log_entries.count()
    everything = b"".join(contents(tmp_path / "one").values())
    for other in (history.rejected, history.by_policy, history.elsewhere):
        assert str(other.pk).encode() not in everything
        assert other.environment_name.encode() not in everything
    assert exports().last().action_details["request"] == request.request_number


def test_it_holds_summary_approval_chain_provisioning_trail_and_environment(history, tmp_path):
    export_request(history.governed.pk, tmp_path / "one", by=history.people.auditor)

    (request,) = lines(tmp_path / "one", "requests.ndjson")
    assert request["request_number"] == history.governed.request_number
    decided = [row["decided_by_upn"] for row in lines(tmp_path / "one", "decisions.ndjson")]
    assert decided == [history.people.approver.upn, history.people.compliance_officer.upn]
    (run,) = lines(tmp_path / "one", "runs.ndjson")
    steps = lines(tmp_path / "one", "steps.ndjson")
    assert {row["run_id"] for row in steps} == {run["id"]}
    settings = {row["setting"]: row for row in lines(tmp_path / "one", "proofs.ndjson")}
    assert settings["protectionLevel"]["after"] == "Standard"
    (environment,) = lines(tmp_path / "one", "environments.ndjson")
    assert (environment["request_id"], environment["status_name"]) == (str(history.governed.pk), "Active")
    (gap,) = lines(tmp_path / "one", "gaps.ndjson")
    assert gap["closed_at"]
    (kept,) = lines(tmp_path / "one", "retention.ndjson")
    assert (kept["years"], kept["not_begun"]) == (6, "its environment exists")
    page = (tmp_path / "one/package.html").read_text()
    for words in ("Approval chain", "Provisioning trail", "Environment now", "Retention and legal hold", "Standard"):
        assert words in page
    assert "<script" not in page
    log = (tmp_path / "one/log.csv").read_text(encoding="utf-8-sig")
    assert "ProvisioningCompleted" in log


@pytest.mark.parametrize("what", ["request", "quarter"])
def test_e4_the_same_package_twice_is_the_same_to_the_byte(history, tmp_path, what, other_language):  # noqa: F811 - the fixture
    """Also with the tables, answers, page and proofs; whatever time has passed in between, in whatever language."""

    def export(folder):
        if what == "request":
            return export_request(history.governed.pk, folder, by=history.people.auditor)
        return export_evidence(history.people.tenant.pk, QUARTER, folder, by=history.people.auditor)

    if what == "quarter":
        history.world.clock.at = BEGIN.replace(month=4, day=2)  # the quarter has ended: no export changes it any more
    export(tmp_path / "first.zip")
    history.world.clock.advance(hours=2)
    with translation.override(other_language):
        export(tmp_path / "second.zip")
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()
    assert verified(tmp_path / "first.zip") == 0


def test_a_quarter_s_package_holds_every_table_and_every_answer(history, tmp_path):
    export_evidence(history.people.tenant.pk, QUARTER, tmp_path / "quarter", by=history.people.auditor)

    assert verified(tmp_path / "quarter") == 0
    manifest = json.loads((tmp_path / "quarter/manifest.json").read_text())
    names = {"requests": 3, "decisions": 4, "runs": 2, "gaps": 1, "environments": 2, "holds": 1, "retention": 3}
    assert {name: manifest["counts"][name] for name in names} == names
    answers = lines(tmp_path / "quarter", "answers.ndjson")
    assert {row["question"] for row in answers} <= {question.name for question in QUESTIONS}
    asked = json.loads((tmp_path / "quarter/questions.json").read_text())["questions"]
    assert [each["name"] for each in asked] == [question.name for question in QUESTIONS]
    assert sum(each["rows"] for each in asked) == len(answers)
    for each in asked:
        table = (tmp_path / "quarter" / each["rendering"]).read_text(encoding="utf-8-sig")
        assert table.startswith(",".join(f'"{name}"' for name in each["columns"]))
    for rendering, facts in manifest["renderings"].items():
        assert {rendering, facts["of"]} <= set(manifest["files"])


def test_only_an_auditor_of_its_unit_takes_it(history, tmp_path, monkeypatch):
    people = history.people
    for person in (people.requester, people.governance_lead, people.operator, history.unit_auditor):
        with pytest.raises(PermissionRefused, match="ELM Auditor"):
            export_request(history.governed.pk, tmp_path / "one", by=person)
    of_unit = make_user(Role.AUDITOR, people.unit, Depth.LOCAL)
    export_request(history.governed.pk, tmp_path / "one", by=of_unit)
    monkeypatch.setattr(services, "MOST_EXPORTS_AN_HOUR", 1)
    with pytest.raises(DomainError, match="within an hour"):
        export_request(history.governed.pk, tmp_path / "two", by=of_unit)


def test_the_page_shows_it_and_hands_it_out(history, tmp_path, monkeypatch):
    request, people = history.governed, history.people
    address = page_of(request, "evidence_package")
    auditor = client_of(people.auditor)
    shown = auditor.get(page_of(request)).content.decode()
    assert address in shown
    assert "Its records are kept for 6 years after its environment is gone" in shown
    assert address not in client_of(people.operator).get(page_of(request)).content.decode()
    assert client_of(people.operator).get(address).status_code == 403
    assert client_of(history.elsewhere.requester).get(address).status_code == 404

    page = auditor.get(address).content.decode()
    for words in (people.approver.upn, "Managed environment", "Standard", "Environment now", "Active"):
        assert words in page
    assert auditor.post(address, {}).status_code == 200  # nothing was asked for
    before = exports().count()
    answer = auditor.post(address, {"package": "zip"})
    assert answer["Content-Disposition"].endswith(f'"evidence-{request.request_number}.zip"')
    (tmp_path / "one.zip").write_bytes(answer.getvalue())
    assert (verified(tmp_path / "one.zip"), exports().count()) == (0, before + 1)
    with ZipFile(tmp_path / "one.zip") as files:
        assert "package.html" in files.namelist()

    history.world.clock.advance(minutes=11)
    refused = auditor.post(address, {"package": "zip"})
    assert (refused.status_code, "Sign in again" in refused.content.decode()) == (403, True)


def test_the_page_of_a_request_says_what_there_is_not(history):
    page = client_of(history.people.auditor).get(page_of(history.by_policy, "evidence_package")).content.decode()
    assert "the policy" in page
    rejected = client_of(history.people.auditor).get(page_of(history.rejected, "evidence_package")).content.decode()
    assert "Nothing has been provisioned yet." in rejected
    assert "There is no environment." in rejected
    assert re.search(r"until 2032-02-\d\d at least", rejected)


# The questions' page


def questions_page(history):
    return reverse("admin:accounts_app_tenant_questions", args=[history.people.tenant.pk])


def test_an_auditor_reads_the_questions_asks_one_and_takes_the_answer(history):
    auditor = client_of(history.people.auditor)
    assert questions_page(history) in auditor.get(page_of(history.people.tenant)).content.decode()
    listed = auditor.get(questions_page(history)).content.decode()
    assert all(question.name in listed for question in QUESTIONS)

    asked = auditor.get(questions_page(history), {"question": "who_approved", "period": QUARTER})
    page = asked.content.decode()
    assert history.people.compliance_officer.upn in page
    assert "Use the shared environment." in page
    empty = auditor.get(questions_page(history), {"question": "which_gaps_were_open", "period": "anything"})
    assert empty.context["period"] == QUARTER  # what is no period is the newest quarter
    before = exports().count()
    answer = auditor.post(questions_page(history), {"question": "who_approved", "period": QUARTER, "form": "csv"})
    assert answer["Content-Disposition"].endswith('-2026Q1.csv"')
    assert history.people.approver.upn in answer.getvalue().decode("utf-8-sig")
    assert exports().count() == before + 1
    assert auditor.get(questions_page(history), {"question": "anything"}).status_code == 404
    history.world.clock.advance(minutes=11)
    again = auditor.post(questions_page(history), {"question": "who_approved", "period": QUARTER, "form": "ndjson"})
    assert (again.status_code, "Sign in again" in again.content.decode()) == (403, True)


def test_an_auditor_of_a_unit_is_asked_only_what_their_unit_answers(history):
    auditor = client_of(history.unit_auditor)
    listed = auditor.get(questions_page(history)).content.decode()
    assert "who_approved" in listed
    assert "who_can_export" not in listed
    assert auditor.get(questions_page(history), {"question": "who_can_export"}).status_code == 403
    assert User.objects.filter(pk=history.unit_auditor.pk).exists()
