"""A13 and A14 of the fault list, further: rows that nobody could have written by the program. Each is a finding or a
sentence, and none stops the verification of the rest."""

from __future__ import annotations

from io import StringIO
from uuid import UUID

import pytest
from django.core.management import call_command
from structlog.testing import capture_logs

from audit_app import scheduled
from audit_app.canonical import VERSION_TAG
from audit_app.checkpoints import checkpoint_due
from tests.faults.tampered import LOG, found, put, sql
from tests.faults.test_a_tampering import log  # noqa: F401 - the fixture

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

TREE, LEAF, HEAD, CHECKPOINT = (f"audit_app_{name}" for name in ("logtree", "treeleaf", "chainhead", "checkpoint"))
DEEP = "[" * 100_000


def chain_of(tenant: str) -> str:
    return f"tenant:{UUID(tenant)}"


def loosened(table: str) -> None:
    """Rid a table of its constraints."""
    sql(f"CREATE TABLE loose AS SELECT * FROM {table}")
    sql(f"DROP TABLE {table}")
    sql(f"ALTER TABLE loose RENAME TO {table}")


def twice(tenant: str) -> None:
    loosened(LEAF)
    columns = 'tenant_id, "index", leaf_hash'
    sql(f"INSERT INTO {LEAF} (entry, {columns}) SELECT '{'0' * 32}', {columns} FROM {LEAF} "
        'WHERE tenant_id = %s AND "index" = 4', tenant)  # fmt: skip


def negative(tenant: str) -> None:
    loosened(LEAF)
    sql(f'UPDATE {LEAF} SET "index" = -4 WHERE tenant_id = %s AND "index" = 4', tenant)


def of_tree(change: str):
    return lambda tenant: sql(f"UPDATE {TREE} SET {change} WHERE tenant_id = %s", tenant)


def of_leaf(change: str):
    return lambda tenant: sql(f'UPDATE {LEAF} SET {change} WHERE tenant_id = %s AND "index" = 4', tenant)


def of_checkpoints(change: str, *values: str):
    return lambda tenant: sql(f"UPDATE {CHECKPOINT} SET {change} WHERE tenant_id = %s", *values, tenant)


def of_chain(change: str):
    return lambda tenant: sql(f"UPDATE {HEAD} SET {change} WHERE chain = %s", chain_of(tenant))


HOSTILE = {
    "edge of others": (of_tree("edge = zeroblob(length(edge))"), "MODIFIED", "tree"),
    "edge as text": (of_tree("edge = 'none'"), "MODIFIED", "tree"),
    "size too small": (of_tree("size = size - 1"), "MODIFIED", "tree"),
    "size too large": (of_tree("size = size + 1"), "MODIFIED", "tree"),
    "no tree": (lambda tenant: sql(f"DELETE FROM {TREE} WHERE tenant_id = %s", tenant), "MODIFIED", "tree"),
    "index twice": (twice, "FORKED", "tree"),
    "index negative": (negative, "DELETED", "tree"),
    "leaf too short": (of_leaf("leaf_hash = x'00'"), "MODIFIED", "tree"),
    "leaf as a number": (of_leaf("leaf_hash = 1000000000000"), "MODIFIED", "tree"),
    "note that is none": (of_checkpoints("note = %s", "none"), "MODIFIED", "checkpoint"),
    "note of no text": (of_checkpoints("note = 'elm/' || %s || note", "\N{EM DASH}\n"), "MODIFIED", "checkpoint"),
    "note with odd signs": (of_checkpoints("note = replace(note, '=', %s)", "é"), "MODIFIED", "checkpoint"),
    "key that is none": (of_checkpoints("public_key = 'none'"), "MODIFIED", "checkpoint"),
    "key too short": (of_checkpoints("public_key = '00'"), "MODIFIED", "checkpoint"),
    "anchor of no name": (
        lambda tenant: sql("UPDATE audit_app_anchor SET name = '/dev/zero' WHERE tenant_id = %s", tenant),
        "MODIFIED",
        "/dev/zero",
    ),
    "sequenced too small": (of_chain("sequenced = 0"), "MODIFIED", "tenant"),
    "sequenced too large": (of_chain("sequenced = sequenced + 5"), "MODIFIED", "tenant"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a13_a_hostile_row_is_a_finding_and_stops_nothing(log, name):  # noqa: F811 - the fixture
    attack, kind, place = HOSTILE[name]
    attack(log.tenant.replace("-", ""))  # as SQLite keeps it
    sql(f"UPDATE {LOG} SET actor = 'x' WHERE chain = %s AND sequence = 2", log.elsewhere)

    named = found()

    assert any(what == kind and where.startswith(place) for what, where in named), named
    assert ("MODIFIED", f"{log.elsewhere}#2") in named, "the rest is verified all the same"
    if place == "tree" or name.startswith("sequenced"):
        with capture_logs() as lines:
            assert scheduled.verify(is_full=False)[0].ok is False
            checkpoint_due()  # refuses in words, and goes on with the other tenant
        assert "log_does_not_verify" in {line["event"] for line in lines}


def test_a01_hostile_values_of_entries_are_findings(log):  # noqa: F811
    values = (
        "canonical = x''",
        "canonical = 'none'",
        "canonical = 1000000000000",
        "entry_hash = 'none'",
        "entry_hash = ''",
    )
    for number, change in enumerate(values, 2):
        sql(f"UPDATE {LOG} SET {change} WHERE chain = %s AND sequence = %s", log.chain, number)
    put(log.chain, len(values) + 2, VERSION_TAG + DEEP.encode())
    assert {("MODIFIED", f"{log.chain}#{number}") for number in range(2, len(values) + 3)} <= found()


def test_a13_a_value_of_another_type_cannot_be_verified_and_it_says_so(log):  # noqa: F811
    sql(f"UPDATE {LOG} SET timestamp = 'yesterday' WHERE chain = %s AND sequence = 4", log.chain)
    err = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("verify_log", "--json", stdout=StringIO(), stderr=err)
    assert (ended.value.code, err.getvalue().startswith("Cannot verify: somebody put")) == (2, True)


def test_a13_a_damaged_memory_of_the_signer_is_named(log, settings):  # noqa: F811
    for content in ("[]", '{"size":"1","edge":"","incarnation":1}', "\x00"):
        for file in settings.LOG_SIGNER_FOLDER.glob("*.json"):
            file.write_text(content)
        assert ("MODIFIED", f"tree:{log.tenant}") in found()
        with capture_logs() as lines:
            checkpoint_due()
        assert {line["event"] for line in lines} == {"checkpoint_refused"}
