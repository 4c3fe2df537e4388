"""What examiners ask, each question answered from what really happened, and within what the auditor reaches."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from accounts_app.models import User
from accounts_app.roles import Role
from accounts_app.scope import scope_of
from audit_app import triggers
from core_app.errors import DomainError, PermissionRefused, SignInAgainError
from evidence_app import answers
from evidence_app.answers import Form, ask
from evidence_app.questions import QUESTIONS, question_named
from evidence_app.selection import ALL, in_period
from requests_app.models import EnvironmentRequest
from tests.evidence_app.history import BEGIN, QUARTER

pytestmark = pytest.mark.django_db


def answer(history, name, period=QUARTER, by=None):
    reach = scope_of(by or history.people.auditor).own[Role.AUDITOR]
    return list(question_named(name).answer(in_period(history.people.tenant, period, reach)))


def of(rows, request):
    return [row for row in rows if row["request"] == request.request_number]


def test_who_approved(history):
    rows = answer(history, "who_approved")
    people = history.people
    first, second = of(rows, history.governed)
    assert (first["stage"], first["role"], first["decided_by"]) == (1, "ELM Approver", people.approver.upn)
    assert (second["stage"], second["decided_by"]) == (2, people.compliance_officer.upn)
    assert {row["asked_by"] for row in rows} == {people.requester.upn}
    (by_policy,) = of(rows, history.by_policy)
    assert (by_policy["decided_by"], by_policy["outcome"], by_policy["stage"]) == ("the policy", "Approve", None)
    (rejected,) = of(rows, history.rejected)
    assert (rejected["outcome"], rejected["comment"]) == ("Reject", "Use the shared environment.")


def test_why_this_zone(history):
    rows = answer(history, "why_this_zone")
    (row,) = of(rows, history.governed)
    assert (row["zone"], row["zone_by_rules_today"], row["same_rules_today"]) == (3, 3, True)
    assert "The data is Restricted" in row["because"]
    assert "CUSTOMER_PII" in row["flags"]
    (small,) = of(rows, history.by_policy)
    assert (small["zone"], small["because"]) == (1, "No rule asks for more than Zone 1.")


def test_what_was_refused(history):
    rows = answer(history, "what_was_refused")
    assert [(row["action"], row["by"]) for row in rows] == [
        ("DecisionRefused", history.people.requester.upn),
        ("Rejected", history.people.approver.upn),
    ]
    assert "You asked for this yourself" in rows[0]["why"]
    assert rows[1]["why"] == "Use the shared environment."


def test_were_duties_kept_apart(history):
    rows = answer(history, "were_duties_kept_apart")
    (row,) = of(rows, history.governed)
    assert (row["deciders"], row["people"], row["parts"]) == (2, 3, 3)
    assert all(row["kept_apart"] for row in rows)


def test_what_was_applied_and_when(history):
    rows = of(answer(history, "what_was_applied"), history.governed)
    timeout = next(row for row in rows if "timeout" in row["setting"].lower())
    assert timeout["desired"] == timeout["found"]
    assert timeout["at"] > BEGIN
    assert all(row["as_desired"] for row in rows)
    run = history.governed.runs.get()
    assert {(row["correlation_id"], row["environment_id"]) for row in rows} == {(str(run.pk), run.environment_id)}


def test_which_gaps_were_open_and_for_how_long(history):
    (row,) = answer(history, "which_gaps_were_open")
    gap = history.governed.gaps.get()
    assert (row["control"], row["is_open"]) == ("Environment group", False)
    assert row["seconds_open"] == (gap.closed_at - gap.opened_at).total_seconds() > 3600


def test_a_gap_that_is_open_is_counted_to_now_and_no_further_than_the_period(history):
    gap = history.governed.gaps.get()
    history.world.clock.at = gap.closed_at - timedelta(seconds=30)
    (row,) = answer(history, "which_gaps_were_open")
    assert row["is_open"]
    assert row["seconds_open"] == (history.world.clock.at - gap.opened_at).total_seconds()


def test_how_long_were_environments_ungoverned(history):
    rows = of(answer(history, "how_long_were_environments_ungoverned"), history.governed)
    seconds = {row["control"]: row["seconds"] for row in rows}
    assert len(seconds) == 8
    assert seconds["Environment group"] > 3600 > seconds["Managed environment"]


def test_which_environments_have_no_request(history):
    (row,) = answer(history, "which_environments_have_no_request")
    assert (row["environment"], row["status"]) == ("Nobody asked for this", "Quarantined")
    assert "belongs to no request" in row["why"]


def test_what_did_the_principal_do(history):
    rows = answer(history, "what_did_the_principal_do")
    provisioning = [row for row in rows if row["about"] == history.governed.request_number]
    assert {"EnvironmentCreated", "ManagedEnabled", "ProvisioningCompleted"} <= {row["action"] for row in provisioning}
    assert {row["principal"] for row in provisioning} == {"Provisioning principal"}
    failed = [row for row in provisioning if not row["succeeded"]]
    assert {row["action"] for row in failed} == {"GroupAssigned"}
    assert all("HTTP" in row["why"] or "500" in row["why"] for row in failed)
    assert {row["correlation_id"] for row in provisioning} == {str(history.governed.runs.get().pk)}


def test_can_a_record_be_changed(history):
    rows = answer(history, "can_a_record_be_changed")
    log = next(row for row in rows if row["what"] == "audit_app_provisioninglog")
    assert (log["kind"], log["as_expected"], log["found"]) == ("triggers", True, log["expected"])
    roles = {row["what"] for row in rows if row["kind"] == "permission"}
    assert roles == {role.value for role in Role}
    assert not [row for row in rows if row["as_expected"] is False]


@pytest.mark.postgres
def test_a_database_role_that_could_change_a_record_is_in_the_answer(people):
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE elm_teller; CREATE ROLE elm_clerk")
        cursor.execute("GRANT INSERT ON audit_app_provisioninglog TO elm_teller")
        cursor.execute("GRANT INSERT, UPDATE ON audit_app_provisioninglog TO elm_clerk")
    rows = ask(people.tenant.pk, "can_a_record_be_changed", ALL, by=people.auditor, at_most=1000).rows
    of_roles = {row["what"]: row for row in rows if row["kind"] == "database role"}
    teller, clerk = (of_roles[f"{role} on audit_app_provisioninglog"] for role in ("elm_teller", "elm_clerk"))
    assert (teller["found"], teller["as_expected"]) == ("INSERT", True)
    assert (clerk["expected"], clerk["found"], clerk["as_expected"]) == ("INSERT", "INSERT, UPDATE", False)
    owner = next(row for name, row in of_roles.items() if name.endswith("(owner) on audit_app_provisioninglog"))
    assert (owner["found"], owner["as_expected"]) == ("INSERT, UPDATE, DELETE, TRUNCATE", True)


def test_a_log_without_its_triggers_is_no_longer_as_expected(history):
    connection.check_constraints()  # PostgreSQL drops no trigger while a foreign key waits to be checked
    triggers.drop()
    rows = answer(history, "can_a_record_be_changed")
    assert not next(row for row in rows if row["what"] == "audit_app_provisioninglog")["as_expected"]
    assert [row for row in rows if row["kind"] == "finding" and "TRIGGER_MISSING" in row["what"]]


def test_who_can_export(history):
    rows = {row["person"]: row for row in answer(history, "who_can_export")}
    auditor, of_unit = rows[history.people.auditor.upn], rows[history.unit_auditor.upn]
    assert (auditor["of"], auditor["may_now"], auditor["exports_in_the_period"]) == ("the whole tenant", True, 1)
    assert (of_unit["of"], of_unit["exports_in_the_period"]) == ("Treasury", 0)
    assert len(rows) == 2

    User.objects.filter(pk=history.people.auditor.pk).update(is_active=False)
    reach = scope_of(history.people.auditor).own[Role.AUDITOR]  # as it was when they asked
    selection = in_period(history.people.tenant, QUARTER, reach)
    gone = {row["person"]: row for row in question_named("who_can_export").answer(selection)}
    assert gone[history.people.auditor.upn]["may_now"] is False


def test_what_was_exported(history):
    (row,) = answer(history, "what_was_exported")
    assert (row["by"], row["of"], row["succeeded"]) == (history.people.auditor.upn, QUARTER, True)
    assert len(row["sha256"]) == 64


def test_who_rotated_what(history):
    rows = answer(history, "who_rotated_what")
    assert [row["action"] for row in rows] == ["CredentialRotationStarted", "CredentialRotated", "SigningKeyRotated"]
    assert (rows[1]["credential"], rows[1]["asked_by"]) == ("provisioning", history.people.operator.upn)
    assert (rows[2]["credential"], rows[2]["by"]) == ("the log's signing key", history.people.governance_lead.upn)


def test_who_changed_the_settings(history):
    *granted, proposed, confirmed, last = answer(history, "who_changed_the_settings")
    assert (proposed["by"], confirmed["by"]) == (history.people.governance_lead.upn, history.lead.upn)
    assert proposed["what"] == "Zone 1: retention years: 4; Undo window seconds: 0"
    assert {row["action"] for row in (*granted, last)} == {"RoleGranted"}
    assert last["what"] == f"ELM Auditor for {history.unit_auditor.upn}, Treasury (local)"


def test_how_long_are_records_kept(history):
    rows = answer(history, "how_long_are_records_kept")
    (governed,), (rejected,), (open_,) = (
        of(rows, each) for each in (history.governed, history.rejected, history.by_policy)
    )
    assert (governed["years"], governed["keep_until"], governed["not_begun"]) == (6, None, "its environment exists")
    assert (open_["years"], open_["not_begun"]) == (4, "the request has not ended")
    assert rejected["keep_until"] == rejected["last_entry_at"].replace(year=2032)


def test_what_is_under_legal_hold(history):
    (row,) = answer(history, "what_is_under_legal_hold")
    assert (row["request"], row["matter"]) == (history.rejected.request_number, "Exam 14")
    assert row["released_at"] - row["placed_at"] == timedelta(minutes=5)


def test_was_the_log_signed_throughout(history):
    rows = answer(history, "was_the_log_signed_throughout")
    assert rows[0]["silent_from"] == BEGIN
    assert rows[0]["minutes"] > 60
    assert question_named("was_the_log_signed_throughout").empty_means


def test_there_are_ten_questions_at_least_and_each_says_how_it_is_answered():
    assert len({question.name for question in QUESTIONS}) == len(QUESTIONS) >= 10
    assert all(question.text.endswith("?") and question.answered_from.endswith(".") for question in QUESTIONS)
    with pytest.raises(DomainError, match="ask one of who_approved"):
        question_named("anything")


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_nothing_of_another_tenant_unit_or_period_is_in_an_answer(history, question):
    theirs = EnvironmentRequest.objects.filter(tenant=history.people.tenant)
    assert history.elsewhere.pk not in theirs.values_list("pk", flat=True)
    everything = json.dumps(answer(history, question.name, "all"), default=str)
    assert str(history.elsewhere.pk) not in everything
    assert history.elsewhere.environment_name not in everything
    if not question.is_of_now:
        assert answer(history, question.name, "2025Q4") == []
    if question.needs_whole_tenant:
        with pytest.raises(PermissionRefused, match="audits all of"):
            answers.ask(history.people.tenant.pk, question.name, QUARTER, by=history.unit_auditor, at_most=9)
    else:
        assert answer(history, question.name, by=history.unit_auditor) == []


def test_whoever_is_no_auditor_gets_no_answer(history):
    for person in (history.people.requester, history.people.governance_lead, history.elsewhere.requester):
        with pytest.raises(PermissionRefused):
            answers.ask(history.people.tenant.pk, "who_approved", QUARTER, by=person, at_most=9)


def test_an_answer_that_is_taken_out_is_the_same_each_time_and_recorded(history, monkeypatch):
    tenant, auditor = history.people.tenant.pk, history.people.auditor

    def taken(form):
        return answers.take_out(tenant, "who_approved", QUARTER, form, by=auditor)

    first, again, sheet = taken(Form.NDJSON), taken(Form.NDJSON), taken(Form.CSV)
    assert first == again
    rows = [json.loads(line) for line in first.splitlines()]
    assert [row["question"] for row in rows] == ["who_approved"] * 4
    assert sheet.decode("utf-8-sig").count("\r\n") == 5
    exports = answer(history, "what_was_exported")
    assert [row["of"] for row in exports] == [QUARTER, "who_approved", "who_approved", "who_approved"]

    monkeypatch.setattr(answers, "MOST_ANSWERS_AN_HOUR", 3)
    with pytest.raises(DomainError, match="within an hour"):
        taken(Form.CSV)
    monkeypatch.setattr(User, "authenticated_at", BEGIN)
    with pytest.raises(SignInAgainError):
        taken(Form.CSV)


def test_a_screen_gets_the_first_rows_and_hears_that_there_are_more(history):
    found = answers.ask(history.people.tenant.pk, "who_approved", QUARTER, by=history.people.auditor, at_most=2)
    assert (len(found.rows), found.has_more) == (2, True)


def run(*arguments):
    out, err = StringIO(), StringIO()
    try:
        call_command("examiner_question", *arguments, stdout=out, stderr=err)
    except SystemExit as ended:
        return ended.code, out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_the_command_lists_the_questions_answers_them_and_explains(history, tmp_path):
    upn = history.people.auditor.upn
    code, out, _ = run()
    assert (code, out.count("\n"), "who_approved" in out) == (0, len(QUESTIONS), True)
    code, out, _ = run("who_approved", "--as", upn, "--period", QUARTER, "--json")
    assert (code, len(out.splitlines()), json.loads(out.splitlines()[0])["stage"]) == (0, 4, 1)
    code, out, _ = run("who_approved", "--as", upn, "--output", str(tmp_path / "answer.csv"))
    assert (code, out) == (0, "")
    assert (tmp_path / "answer.csv").read_bytes().startswith(b'\xef\xbb\xbf"decided_at"')
    for arguments, words in (
        (["anything", "--as", upn], "is no question"),
        (["who_approved"], "--as"),
        (["who_approved", "--as", "nobody@contoso.example"], "There is nobody"),
        (["who_approved", "--as", history.people.requester.upn], "is no ELM Auditor"),
        (["who_approved", "--as", upn, "--period", "2026"], "is no quarter"),
        (["who_approved", "--as", upn, "--output", str(tmp_path / "answer.csv")], "exists"),
    ):
        code, out, err = run(*arguments)
        assert (code, out, words in err) == (2, "", True), err
