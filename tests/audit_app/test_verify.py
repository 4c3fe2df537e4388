"""Whoever gets past the triggers is found out by the walk."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from audit_app import canonical, triggers
from audit_app.chain import seal
from audit_app.models import ChainHead, ProvisioningLog
from audit_app.verify import verify_log
from core_app.clock import ManualClock
from requests_app.choices import State
from requests_app.models import EnvironmentRequest
from tests.factories import make_request

pytestmark = pytest.mark.django_db

LOG = "audit_app_provisioninglog"


@pytest.fixture
def request_row(clock: ManualClock) -> EnvironmentRequest:
    """A rejected request, whose chain has five entries, each a minute apart."""

    def ticking() -> Any:
        return clock.advance(minutes=1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core_app.clock._source", ticking)
        return make_request(State.REJECTED)


@pytest.fixture
def chain(request_row: EnvironmentRequest) -> list[ProvisioningLog]:
    """The entries of a request, with the triggers out of the way."""
    connection.check_constraints()  # PostgreSQL drops no trigger while a foreign key waits to be checked
    triggers.drop()
    return list(request_row.log_entries.order_by("sequence"))


def tamper(statement: str, *parameters: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def change(entry: ProvisioningLog, **columns: Any) -> None:
    ProvisioningLog._base_manager.filter(pk=entry.pk).update(**columns)


def forge(entry: ProvisioningLog, **columns: Any) -> ProvisioningLog:
    """Change an entry and make its own hash right again, as a careful intruder would."""
    for name, value in columns.items():
        setattr(entry, name, value)
    entry.canonical, entry.entry_hash = seal(entry)
    change(entry, **columns, canonical=entry.canonical, entry_hash=entry.entry_hash)
    return entry


def remove(*entries: ProvisioningLog) -> None:
    ProvisioningLog._base_manager.filter(pk__in=[entry.pk for entry in entries])._raw_delete("default")


def findings() -> list[tuple[str, int]]:
    """Return (class, sequence) of every finding about an entry."""
    found = [(finding.classification, finding.entry.rpartition("#")[2]) for finding in verify_log().findings]
    return [(name, int(sequence)) for name, sequence in found if sequence.isdigit()]


def classes() -> set[str]:
    return {found.classification for found in verify_log().findings}


def test_an_untouched_log_verifies(chain: list[ProvisioningLog]) -> None:
    assert len(chain) == 5
    report = verify_log()
    assert report.ok
    assert report.entries == ProvisioningLog.objects.count()


def test_a_changed_column_is_modified(chain: list[ProvisioningLog]) -> None:
    change(chain[1], actor="somebody.else@contoso.example")
    assert findings() == [("MODIFIED", 2)]
    assert "actor" in verify_log().findings[0].detail


def test_changed_bytes_are_modified(chain: list[ProvisioningLog]) -> None:
    change(chain[1], canonical=bytes(chain[1].canonical).replace(b"true", b"null"))
    assert findings() == [("MODIFIED", 2)]


def test_a_changed_hash_is_modified_and_breaks_the_next_link(chain: list[ProvisioningLog]) -> None:
    change(chain[1], entry_hash="0" * 64)
    assert findings() == [("MODIFIED", 2), ("MODIFIED", 3)]


def test_an_entry_rewritten_with_a_right_hash_no_longer_leads_to_the_next(chain: list[ProvisioningLog]) -> None:
    forge(chain[2], actor="somebody.else@contoso.example")
    assert findings() == [("MODIFIED", 4)]


def test_the_last_entry_rewritten_with_a_right_hash_differs_from_the_head(chain: list[ProvisioningLog]) -> None:
    forge(chain[-1], actor="somebody.else@contoso.example")
    assert findings() == [("MODIFIED", 5)]


def test_bytes_that_cannot_be_read_are_modified(chain: list[ProvisioningLog]) -> None:
    garbage = b"ELM-LOG-v9\x00{}"
    change(chain[-1], canonical=garbage, entry_hash=canonical.digest(garbage))
    ChainHead.objects.filter(chain=chain[0].chain).update(entry_hash=canonical.digest(garbage))
    assert findings() == [("MODIFIED", 5)]


def test_a_missing_entry_is_deleted(chain: list[ProvisioningLog]) -> None:
    remove(chain[1])
    assert findings() == [("DELETED", 3)]


def test_a_missing_first_entry_is_deleted(chain: list[ProvisioningLog]) -> None:
    remove(chain[0])
    assert findings() == [("DELETED", 2)]


def test_missing_last_entries_are_truncated(chain: list[ProvisioningLog]) -> None:
    remove(*chain[3:])
    assert findings() == [("TRUNCATED", 4)]
    assert "STATE_MISMATCH" in classes()


def test_a_chain_that_is_gone_is_truncated(chain: list[ProvisioningLog]) -> None:
    remove(*chain)
    assert findings() == [("TRUNCATED", 1)]


def test_a_head_that_is_gone_is_truncated(chain: list[ProvisioningLog]) -> None:
    ChainHead.objects.filter(chain=chain[0].chain).delete()
    assert findings() == [("TRUNCATED", 5)]


def test_a_forged_entry_at_the_end_is_inserted(chain: list[ProvisioningLog]) -> None:
    columns = {field.attname: getattr(chain[-1], field.attname) for field in ProvisioningLog._meta.concrete_fields}
    forged = ProvisioningLog(**columns)
    forged.id, forged.sequence, forged.previous_hash = ProvisioningLog().id, 6, chain[-1].entry_hash
    forged.canonical, forged.entry_hash = seal(forged)
    forged.save(force_insert=True)
    assert findings() == [("INSERTED", 6)]


def test_an_entry_that_was_exchanged_no_longer_leads_to_the_next(chain: list[ProvisioningLog]) -> None:
    remove(chain[2])
    columns = {field.attname: getattr(chain[2], field.attname) for field in ProvisioningLog._meta.concrete_fields}
    forged = ProvisioningLog(**columns)
    forged.id = ProvisioningLog().id
    forged.canonical, forged.entry_hash = seal(forged)
    forged.save(force_insert=True)
    assert findings() == [("MODIFIED", 4)]


def test_an_entry_put_on_another_chain_is_moved(chain: list[ProvisioningLog]) -> None:
    other = make_request()
    change(chain[1], chain=other.log_chain().key, sequence=9, environment_request=other)
    assert {"MOVED", "DELETED"} <= classes()


def test_entries_that_change_places_are_reordered(chain: list[ProvisioningLog]) -> None:
    change(chain[1], sequence=99)
    change(chain[2], sequence=2)
    change(chain[1], sequence=3)
    assert ("REORDERED", 3) in findings()


def test_a_state_changed_past_the_log_is_a_mismatch(chain: list[ProvisioningLog]) -> None:
    tamper("UPDATE requests_app_environmentrequest SET state = 1")
    found = verify_log().findings
    assert [finding.classification for finding in found] == ["STATE_MISMATCH"]
    assert found[0].detail == "The request is in state 1, its log says 5."


def test_a_request_without_any_entry_is_a_mismatch(chain: list[ProvisioningLog]) -> None:
    remove(*chain)
    ChainHead.objects.filter(chain=chain[0].chain).delete()
    assert classes() == {"STATE_MISMATCH"}


def verify(*arguments: str) -> tuple[int | str | None, str, str]:
    """Run the command; return its exit code, standard output and standard error."""
    out, err = StringIO(), StringIO()
    try:
        call_command("verify_log", *arguments, stdout=out, stderr=err)
    except SystemExit as ended:
        return ended.code, out.getvalue(), err.getvalue()
    raise AssertionError("The command did not say how it ended.")


def test_the_command_ends_with_0_when_the_log_is_clean(chain: list[ProvisioningLog]) -> None:
    entries = ProvisioningLog.objects.count()
    code, out, _ = verify("--json")
    assert (code, json.loads(out)) == (0, {"entries": entries, "ok": True, "findings": []})
    assert verify()[:2] == (0, f"{entries} entries: verified.\n")


def test_the_command_ends_with_1_and_lists_its_findings(chain: list[ProvisioningLog]) -> None:
    change(chain[1], actor="somebody.else@contoso.example")
    code, out, _ = verify("--json")
    report = json.loads(out)
    assert (code, report["ok"], report["entries"]) == (1, False, ProvisioningLog.objects.count())
    assert report["findings"] == [
        {
            "class": "MODIFIED",
            "entry": f"{chain[0].chain}#2",
            "detail": "Columns differ from what was hashed: actor.",
        }
    ]
    code, out, _ = verify()
    assert code == 1
    assert "MODIFIED" in out
    assert "1 finding(s)" in out


def test_the_command_ends_with_2_when_it_cannot_verify() -> None:
    with transaction.atomic():
        tamper(f"ALTER TABLE {LOG} RENAME TO put_away")
        code, out, err = verify("--json")
        transaction.set_rollback(True)
    assert (code, out) == (2, "")
    assert "Cannot verify" in err


@pytest.mark.sqlite
def test_the_command_ends_with_2_when_a_stored_value_cannot_be_read(chain: list[ProvisioningLog]) -> None:
    tamper(f"UPDATE {LOG} SET tenant_id = 'x' WHERE id = %s", chain[1].pk.hex)
    assert verify()[0] == 2
    tamper(f"UPDATE {LOG} SET tenant_id = %s", chain[0].tenant_id.hex)
