"""A1 to A15, A17, A19 to A24 of the fault list: the log in the database is attacked with raw SQL, and every attack has
its name. Built once, every attack on a copy of its own."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from io import StringIO
from uuid import UUID

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import transaction

from audit_app import canonical, scheduled, triggers
from audit_app.actors import SYSTEM
from audit_app.checkpoints import accept_restore, checkpoint_due, sign_now
from audit_app.models import LogTree, ProvisioningLog, VerificationRun
from audit_app.verify import verify_log
from audit_app.witness import SignerRefusedError
from requests_app.choices import State, Zone
from tests.factories import make_people, make_request
from tests.faults import tampered
from tests.faults.tampered import (
    ACCENTED,
    LOG,
    Built,
    classes,
    entry,
    found,
    plant_leaves,
    rewrite,
    sign_again,
    sql,
    unguarded,
)

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

OTHER_TENANT = "(SELECT id FROM accounts_app_tenant WHERE id <> tenant_id LIMIT 1)"
OTHER_REQUEST = "(SELECT id FROM requests_app_environmentrequest r WHERE r.id <> environment_request_id LIMIT 1)"
CHANGES = {
    "id": "'00000000000000000000000000000001'",
    "environment_request_id": OTHER_REQUEST,
    "sequence": "sequence + 100",
    "action": "action + 1",
    "action_details": """'{"approved": true}'""",
    "actor": "'somebody.else@contoso.example'",
    "actor_type": "3 - actor_type + 1",
    "timestamp": "'2026-01-01 00:00:00'",
    "success": "NOT success",
    "error_message": "'none'",
    "correlation_id": "'other'",
    "chain": "'request:other'",
    "tenant_id": OTHER_TENANT,
    "subject": "'REQ-99999'",
    "from_state": "coalesce(from_state, 0) + 1",
    "to_state": "coalesce(to_state, 0) + 1",
    "policy_version": "'none'",
    "canonical": "x'00'",
    "previous_hash": "'" + "f" * 64 + "'",
    "entry_hash": "'" + "f" * 64 + "'",
}


@pytest.fixture
def log(built: Built, django_db_blocker, tmp_path):
    with django_db_blocker.unblock(), built.copied(tmp_path):
        unguarded()
        sql("UPDATE audit_app_anchor SET place = %s", f"directory {settings.LOG_ANCHOR_FOLDER}")  # it is a copy as well
        yield built


@pytest.fixture
def older(built: Built, django_db_blocker, tmp_path):
    """The database is yesterday's; the signer's host is today's."""
    with django_db_blocker.unblock(), built.copied(tmp_path, "older.sqlite3"):
        yield built


def test_a01_every_column_of_the_log_is_attacked():
    assert set(CHANGES) == {field.column for field in ProvisioningLog._meta.concrete_fields}


def test_a24_without_an_attack_nothing_is_found(log):
    report = verify_log()
    assert (report.ok, report.findings) == (True, [])
    assert report.entries == ProvisioningLog.objects.count()


@pytest.mark.parametrize("column", CHANGES)
def test_a01_a_changed_column_is_modified_or_moved(log, column):
    place = f"WHERE chain = '{log.chain}' AND sequence = 4"
    sql(f"UPDATE {LOG} SET {column} = {CHANGES[column]} {place}")
    moved = column in ("chain", "tenant_id", "environment_request_id")
    assert ("MOVED" if moved else "MODIFIED") in classes()
    number = 104 if column == "sequence" else 4
    assert any(entry.endswith(f"#{number}") for _, entry in found())


def test_a02_an_entry_that_was_hashed_anew_is_modified(log):
    rewrite(log.chain, 4, actor="somebody.else@contoso.example")
    assert found() == {("MODIFIED", f"{log.chain}#4")}


@pytest.mark.parametrize("thorough", [False, True, "no checkpoint left"])
def test_a03_a_chain_rewritten_to_its_tail_does_not_have_the_signed_root(log, thorough):
    rewrite(log.chain, 4, to_tail=True, actor="somebody.else@contoso.example")
    if not thorough:
        first, *_ = sorted(place for kind, place in found() if kind == "MODIFIED")
        assert (classes(), f"{log.chain}#4" in {place for _, place in found()}) == ({"MODIFIED"}, True), first
        return
    plant_leaves()
    expected = {"MODIFIED"}
    if thorough is not True:
        sql("DELETE FROM audit_app_anchor")
        sql("DELETE FROM audit_app_checkpoint")
        expected.add("DELETED")  # the anchors still hold what was signed
    assert classes() == expected
    assert any(place.startswith(f"tree:{log.tenant}") for _, place in found())


def test_a04_a_missing_entry_is_deleted(log):
    sql(f"DELETE FROM {LOG} WHERE chain = %s AND sequence = 4", log.chain)
    assert ("DELETED", f"{log.chain}#5") in found()
    assert any(kind == "DELETED" and place.startswith("tree:") for kind, place in found())


@pytest.mark.parametrize("thorough", [False, True])
def test_a05_missing_last_entries_are_truncated(log, thorough):
    cut_off(log.other, thorough)
    if not thorough:
        assert "DELETED" in classes()  # by the leaves
        return
    (finding,) = [one for one in verify_log().defects if one.entry.startswith(f"tree:{log.tenant}")]
    assert (finding.classification, "signed over them" in finding.detail) == ("TRUNCATED", True)


def cut_off(chain: str, thorough: bool) -> None:
    """Delete the end of a chain and set its head back; if thorough, everything in the database that knows of it."""
    (last, before) = (sql("SELECT sequence FROM audit_app_chainhead WHERE chain = %s", chain)[0][0], 2)
    kept = entry(chain, before)
    (tenant,) = sql("SELECT tenant_id FROM audit_app_chainhead WHERE chain = %s", chain)[0]
    (first,) = sql(
        f'SELECT min("index") FROM audit_app_treeleaf WHERE entry IN (SELECT id FROM {LOG} WHERE chain = %s '
        "AND sequence > %s)",
        chain,
        before,
    )[0]
    sql(f"DELETE FROM {LOG} WHERE chain = %s AND sequence > %s", chain, before)
    sql(
        "UPDATE audit_app_chainhead SET sequence = %s, sequenced = %s, entry_hash = %s WHERE chain = %s",
        *(before, before, kept["entry_hash"], chain),
    )
    assert last > before
    if thorough:
        later = f'SELECT entry FROM audit_app_treeleaf WHERE tenant_id = %s AND "index" >= {first}'
        sql(f"DELETE FROM {LOG} WHERE id IN ({later})", tenant)
        sql(f'DELETE FROM audit_app_treeleaf WHERE tenant_id = %s AND "index" >= {first}', tenant)
        sql("DELETE FROM audit_app_anchor WHERE tenant_id = %s", tenant)
        sql("DELETE FROM audit_app_checkpoint WHERE tenant_id = %s AND size > %s", tenant, first)
        sql("UPDATE audit_app_logtree SET size = %s WHERE tenant_id = %s", first, tenant)


def test_a05_only_what_nobody_has_signed_for_may_escape_and_its_age_is_printed(log):
    assert any(re.search(r"^\d+ entries since the checkpoint of .* \(\d+ s\)", tail) for tail in verify_log().tails)
    sql(f"DELETE FROM {LOG} WHERE chain = %s", log.unsigned)
    sql("DELETE FROM audit_app_chainhead WHERE chain = %s", log.unsigned)
    sql("DELETE FROM requests_app_environmentrequest WHERE id = %s", log.unsigned.partition(":")[2].replace("-", ""))
    assert verify_log().ok


def test_a06_a_request_deleted_with_its_log_is_deleted(log):
    for table, column in ((LOG, "chain"), ("audit_app_chainhead", "chain")):
        sql(f"DELETE FROM {table} WHERE {column} = %s", log.chain)
    sql("DELETE FROM requests_app_environmentrequest WHERE id = %s", log.chain.partition(":")[2].replace("-", ""))
    assert classes() == {"DELETED"}
    assert "are gone" in verify_log().defects[0].detail


def test_a07_a_forged_entry_in_the_middle_is_inserted(log):
    tampered.put_in(log.chain, 4)
    assert ("INSERTED", f"{log.chain}#4") in found()


def test_a08_exchanged_entries_are_modified_and_reordered(log):
    tampered.exchange(log.chain, 4, 6)
    assert found() == {(kind, f"{log.chain}#{at}") for kind in ("MODIFIED", "REORDERED") for at in (4, 6)}


@pytest.mark.parametrize("target", ["other", "elsewhere"])
def test_a09_an_entry_put_on_another_chain_is_moved(log, target):
    chain = getattr(log, target)
    sql(
        f"UPDATE {LOG} SET chain = %s, sequence = 99, (environment_request_id, tenant_id) = "
        f"(SELECT environment_request_id, tenant_id FROM {LOG} WHERE chain = %s LIMIT 1) "
        "WHERE chain = %s AND sequence = 4",
        *(chain, chain, log.chain),
    )
    assert ("MOVED", f"{chain}#99") in found()


def test_a10_an_entry_with_an_old_time_is_backdated(log, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("core_app.clock._source", lambda: tampered.BEGIN.replace(month=1))
        late = make_request()
        people = make_people(type(late.tenant).objects.get(pk=log.tenant))
        backdated = make_request(people=people)
    sign_now()
    assert ("BACKDATED", f"{backdated.log_chain().key}#1") in found()


def test_a11_an_older_backup_is_truncated_and_not_signed_for(older, caplog):
    assert "TRUNCATED" in classes()
    assert all(place.startswith("tree:") for _, place in found())
    with pytest.raises(SignerRefusedError, match="accept_restore"):
        sign_now()
    assert checkpoint_due() == []
    assert "checkpoint_refused" in caplog.text


def test_a12_a_log_rebuilt_and_signed_with_the_stolen_key_is_a_split_view(log):
    rewrite(log.chain, 4, to_tail=True, actor="somebody.else@contoso.example")
    plant_leaves()
    sign_again()
    assert classes() == {"SPLIT_VIEW"}
    (settings.LOG_SIGNER_FOLDER / f"{log.tenant}.json").unlink()  # the anchors alone say it as well
    assert classes() == {"SPLIT_VIEW"}


def test_a13_an_edited_leaf_is_told_from_an_edited_entry(log):
    (key,) = sql("SELECT id FROM " + LOG + " WHERE chain = %s AND sequence = 4", log.chain)[0]
    sql("UPDATE audit_app_treeleaf SET leaf_hash = %s WHERE entry = %s", bytes(32), key)
    (finding,) = verify_log().defects
    assert (finding.classification, "the entries are as they were signed" in finding.detail) == ("MODIFIED", True)


@pytest.mark.parametrize("gone", ["= 2", "BETWEEN 1 AND 4", "< 5"])
def test_a13_leaves_that_are_missing_are_named(log, gone):
    sql(f'DELETE FROM audit_app_treeleaf WHERE "index" {gone}')
    assert "DELETED" in classes()


def test_a14_a_checkpoint_that_is_gone_is_deleted_as_long_as_an_anchor_holds_it(log):
    """The tree is whole: without the copies nothing would say that more was signed for."""
    sql("DELETE FROM audit_app_anchor")
    (signed_at,) = sql("SELECT min(signed_at) FROM audit_app_checkpoint")[0]
    sql("DELETE FROM audit_app_checkpoint WHERE signed_at = %s AND tenant_id = %s", signed_at, UUID(log.tenant).hex)
    (finding,) = verify_log().defects
    first, *_ = sorted((settings.LOG_ANCHOR_FOLDER / "checkpoints" / log.tenant).rglob("*.note"))
    assert (finding.classification, finding.entry.endswith(first.name)) == ("DELETED", True)


@pytest.mark.parametrize("change", ["note = replace(note, 'elm/', 'elm/x')", "size = size + 1", "root = 'x'",
                                    "signed_at = '2026-01-01 00:00:00'", "incarnation = 7"])  # fmt: skip
def test_a14_an_edited_checkpoint_is_modified(log, change):
    sql(f"UPDATE audit_app_checkpoint SET {change}")
    assert "MODIFIED" in classes()
    assert all(place.startswith("checkpoint:") for kind, place in found() if kind == "MODIFIED")


def test_a15_triggers_that_are_back_hide_nothing(log):
    sql(f"UPDATE {LOG} SET actor = 'x' WHERE chain = '{log.chain}' AND sequence = 4")
    triggers.install()
    assert triggers.missing() == set()
    assert found() == {("MODIFIED", f"{log.chain}#4")}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda file, _older: file.unlink(), "UNANCHORED_TAIL"),
        (lambda file, _older: file.write_bytes(b"garbage"), "MODIFIED"),
        (lambda file, older: file.write_bytes(older.read_bytes()), "SPLIT_VIEW"),
    ],
    ids=["gone", "overwritten", "older"],
)
def test_a17_an_anchor_that_is_not_what_it_was_is_named(log, change, expected):
    older, *_, newest = sorted((settings.LOG_ANCHOR_FOLDER / "checkpoints" / log.tenant).rglob("*.note"))
    newest.chmod(0o600)
    change(newest, older)
    assert classes() == {expected}
    assert all(newest.name in place for _, place in found())


@pytest.mark.parametrize("attacked", ["column", "bytes", "bytes and hash", "everything"])
@pytest.mark.parametrize(
    "likeness",
    [unicodedata.normalize("NFD", ACCENTED), ACCENTED.replace("a", "\u0430", 1)],
    ids=["the same letter in another form", "a Cyrillic letter that looks the same"],
)
def test_a19_a_name_that_looks_the_same_is_modified(log, likeness, attacked):
    """The entry was signed for as it was: nothing but the likeness is changed."""
    chain, sequence, content = sql(f"SELECT chain, sequence, canonical FROM {LOG} WHERE actor = %s", ACCENTED)[0]
    forged = content.replace(ACCENTED.encode(), likeness.encode())
    assert (likeness != ACCENTED, forged != content, verify_log().ok) == (True, True, True)
    place = (chain, sequence)
    if attacked in ("column", "everything"):
        sql(f"UPDATE {LOG} SET actor = %s WHERE chain = %s AND sequence = %s", likeness, *place)
    if attacked == "bytes":
        sql(f"UPDATE {LOG} SET canonical = %s WHERE chain = %s AND sequence = %s", forged, *place)
    elif attacked != "column":
        tampered.put(*place, forged)
    assert found() == {("MODIFIED", f"{chain}#{sequence}")}


@pytest.mark.parametrize(
    "other_bytes",
    [
        lambda text: text.replace('"sequence":4', '"sequence":4.0'),
        lambda text: json.dumps(dict(reversed(json.loads(text).items())), separators=(",", ":")),
        lambda text: text.replace("@", "\\u0040"),
        lambda text: text.replace('":', '": '),
    ],
    ids=["1.0", "order", "escape", "space"],
)
@pytest.mark.parametrize("is_hashed", [False, True])
def test_a20_the_same_json_in_other_bytes_is_modified(log, other_bytes, is_hashed):
    tag, text = canonical.VERSION_TAG, bytes(entry(log.chain, 4)["canonical"])[len(canonical.VERSION_TAG) :].decode()
    changed = other_bytes(text)
    assert changed != text
    assert json.loads(changed) == json.loads(text)
    if is_hashed:
        tampered.put(log.chain, 4, tag + changed.encode())
    else:
        sql(f"UPDATE {LOG} SET canonical = %s WHERE chain = %s AND sequence = 4", tag + changed.encode(), log.chain)
    assert found() == {("MODIFIED", f"{log.chain}#4")}


@pytest.mark.parametrize("bit", [0, 6, 7])
@pytest.mark.parametrize("column", ["entry_hash", "previous_hash", "canonical", "action_details", "actor"])
def test_d18_one_flipped_bit_is_named_with_its_row(log, column, bit):
    (value,) = sql(f"SELECT {column} FROM {LOG} WHERE chain = %s AND sequence = 4", log.chain)[0]
    content = bytearray(value if isinstance(value, bytes) else value.encode())
    content[len(content) // 2] ^= 1 << bit
    flipped = bytes(content) if isinstance(value, bytes) else bytes(content).decode("latin-1")
    sql("PRAGMA ignore_check_constraints=ON")  # a disk asks no constraint
    sql(f"UPDATE {LOG} SET {column} = %s WHERE chain = %s AND sequence = 4", flipped, log.chain)
    assert ("MODIFIED", f"{log.chain}#4") in found()


@pytest.mark.parametrize("column", ["actor", "action_details", "error_message"])
def test_d18_a_byte_that_is_no_text_is_named_with_its_row(log, column):
    sql("PRAGMA ignore_check_constraints=ON")
    sql(f"UPDATE {LOG} SET {column} = CAST(x'7BFF7D' AS TEXT) WHERE chain = %s AND sequence = 4", log.chain)
    assert found() == {("MODIFIED", f"{log.chain}#4")}


@pytest.mark.parametrize("is_full", [True, False])
def test_d18_a_value_that_cannot_be_read_is_an_alarm_and_keeps_no_other_tenant_from_being_verified(
    log, caplog, is_full
):
    sql(f"UPDATE {LOG} SET timestamp = 'x' WHERE chain = %s AND sequence = 4", log.chain)
    sql(f"UPDATE {LOG} SET actor = 'x' WHERE chain = %s AND sequence = 2", log.elsewhere)
    err = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("verify_log", stdout=StringIO(), stderr=err)
    assert (ended.value.code, "none of its type" in err.getvalue()) == (2, True)

    report, run = scheduled.verify(is_full=is_full)

    assert found(report) == {("MODIFIED", f"tree:{log.tenant}"), ("MODIFIED", f"{log.elsewhere}#2")}
    assert (VerificationRun.objects.get().ok, run.ok, "log_does_not_verify" in caplog.text) == (False, False, True)


@pytest.mark.parametrize("bit", [0, 7])
@pytest.mark.parametrize(
    ("table", "column", "where"),
    [("audit_app_treeleaf", "leaf_hash", '"index" = 3'), ("audit_app_logtree", "edge", "size > 0")],
    ids=["leaf", "edge"],
)
def test_d18_one_flipped_bit_of_a_leaf_or_of_the_trees_edge_is_named(log, table, column, where, bit):
    (value,) = sql(f"SELECT {column} FROM {table} WHERE {where}")[0]
    sql(f"UPDATE {table} SET {column} = %s WHERE {where}", bytes([value[0] ^ 1 << bit]) + value[1:])
    assert classes() == {"MODIFIED"}
    assert all(place.startswith("tree:") for _, place in found())


def test_a21_a_missing_heartbeat_is_told_and_alarmed_and_no_contradiction(log, caplog, monkeypatch):
    monkeypatch.setattr(log.clock, "at", log.clock.at)
    log.clock.advance(minutes=16)
    report, run = scheduled.verify(is_full=True)
    assert report.ok
    assert "HEARTBEAT_GAP" in {finding.classification for finding in report.findings}
    assert "log_not_signed_for" in caplog.text
    assert (VerificationRun.objects.get().pk, run.ok) == (run.pk, True)
    assert len(checkpoint_due()) == 2
    log.clock.advance(minutes=1)
    assert checkpoint_due() == []
    log.clock.advance(minutes=4)
    assert len(checkpoint_due()) == 2  # although nothing has happened since


def test_a23_an_accepted_restore_is_an_incarnation_and_no_contradiction(older, monkeypatch):
    monkeypatch.setattr(older.clock, "at", older.clock.at)
    for tenant in LogTree.objects.values_list("tenant", flat=True):
        accept_restore(tenant, by=SYSTEM, reason="The disk was lost.")
    assert sign_now()
    make_request(State.REJECTED, zone=Zone.ZONE_2)
    sign_now()
    report = verify_log()
    assert report.ok, report.defects
    assert "INCARNATION_CHANGE" in {finding.classification for finding in report.findings}


@pytest.mark.parametrize("signer_remembers", [True, False])
def test_a23_an_incarnation_that_nobody_accepted_is_a_contradiction(log, signer_remembers):
    sql("UPDATE audit_app_logtree SET incarnation = 2")
    if signer_remembers:
        with pytest.raises(SignerRefusedError):
            sign_now()
    else:
        shutil.rmtree(settings.LOG_SIGNER_FOLDER)
    assert classes() == {"INCARNATION_CHANGE"}


def test_a23_an_incarnation_that_a_later_restore_cut_off_is_told_and_no_contradiction(older, monkeypatch):
    """Signed for as the second incarnation, then restored to before that: the third one's entry speaks for both."""
    monkeypatch.setattr(older.clock, "at", older.clock.at)
    tenants = list(LogTree.objects.values_list("tenant", flat=True))
    with transaction.atomic():
        for tenant in tenants:
            accept_restore(tenant, by=SYSTEM, reason="The disk was lost.")
        transaction.set_rollback(True)  # and with it the log of the second incarnation
    for tenant in tenants:
        accept_restore(tenant, by=SYSTEM, reason="The disk was lost again.")
    sign_now()
    report = verify_log()
    told = [one.detail for one in report.findings if one.classification == "INCARNATION_CHANGE"]
    assert (report.ok, len(told)) == (True, 2 * len(tenants)), report.defects
    assert any("Incarnation 2 was signed for and lost" in detail for detail in told)
