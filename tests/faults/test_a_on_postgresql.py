"""Some of the A items on PostgreSQL, and A24: many writers at once, sequenced and verified while they write."""

from __future__ import annotations

import json
import os
import signal
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection, connections, transaction

from audit_app import scheduled, triggers
from audit_app.actions import Action
from audit_app.actors import SYSTEM
from audit_app.checkpoints import sign_now
from audit_app.log import record
from audit_app.models import LogTree, ProvisioningLog, TreeLeaf
from audit_app.verify import verify_log
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.factories import make_request
from tests.faults.tampered import (
    LOG,
    classes,
    copy,
    entry,
    exchange,
    found,
    plant_leaves,
    put,
    put_in,
    rewrite,
    sign_again,
    sql,
)

pytestmark = pytest.mark.postgres
WRITERS, OWN = 8, 9  # entries of its own chain that a writer makes in a transaction
ENTRIES = int(os.environ.get("ELM_LOG_ENTRIES", "400"))  # of all together; the assurance writes a million
PAUSE = 0.1 if ENTRIES < 10_000 else 10  # seconds between two looks


def rewritten_and_signed(chain):
    rewrite(chain, 3, to_tail=True, actor="somebody.else@contoso.example")
    plant_leaves()
    sign_again()


def deleted_with_its_request(chain):
    sql(f"DELETE FROM {LOG} WHERE chain = %s", chain)
    sql("DELETE FROM audit_app_chainhead WHERE chain = %s", chain)
    sql("DELETE FROM requests_app_environmentrequest WHERE id = %s", chain.partition(":")[2])


def moved(chain):
    to = f"SELECT chain FROM {LOG} WHERE environment_request_id IS NULL LIMIT 1"
    columns = f"chain = ({to}), sequence = 99, environment_request_id = NULL"
    sql(f"UPDATE {LOG} SET {columns} WHERE chain = %s AND sequence = 3", chain)


def forked(chain):
    sql(f"ALTER TABLE {LOG} DROP CONSTRAINT one_entry_per_chain_and_sequence")
    copy(chain, 3, sequence=3)


def spelt_otherwise(chain):
    other = bytes(entry(chain, 3)["canonical"]).replace(b'"sequence":3', b'"sequence":3.0')
    put(chain, 3, other)


def named_alike(chain):
    alike = "UPDATE {0} SET actor = replace(actor, 'o', U&'\\043E') WHERE chain = %s AND sequence = 3"  # Cyrillic
    sql(alike.format(LOG), chain)


# Names of attacks, what is done, and every class that is then found
ATTACKS = {
    "A1": (lambda chain: sql(f"UPDATE {LOG} SET actor = 'x' WHERE chain = %s AND sequence = 3", chain), {"MODIFIED"}),
    "A2": (lambda chain: rewrite(chain, 3, actor="x@contoso.example"), {"MODIFIED"}),
    "A3": (lambda chain: rewrite(chain, 3, to_tail=True, actor="x@contoso.example"), {"MODIFIED"}),
    "A4": (lambda chain: sql(f"DELETE FROM {LOG} WHERE chain = %s AND sequence = 3", chain), {"DELETED"}),
    "A5": (lambda chain: sql(f"DELETE FROM {LOG} WHERE chain = %s AND sequence > 3", chain),
           {"TRUNCATED", "DELETED", "STATE_MISMATCH"}),
    "A6": (deleted_with_its_request, {"DELETED"}),
    "A7": (lambda chain: put_in(chain, 3), {"INSERTED", "MODIFIED"}),
    "A8": (lambda chain: exchange(chain, 2, 3), {"MODIFIED", "REORDERED"}),
    "A9": (moved, {"MOVED", "DELETED", "INSERTED"}),
    "A12": (rewritten_and_signed, {"SPLIT_VIEW"}),
    "A13": (lambda _chain: sql("UPDATE audit_app_treeleaf SET leaf_hash = '\\x00' WHERE \"index\" = 2"), {"MODIFIED"}),
    "A14": (lambda _chain: sql("UPDATE audit_app_checkpoint SET root = 'x'"), {"MODIFIED"}),
    "A19": (named_alike, {"MODIFIED"}),
    "A20": (spelt_otherwise, {"MODIFIED"}),
    "A23": (lambda _chain: sql("UPDATE audit_app_logtree SET incarnation = 2"), {"INCARNATION_CHANGE"}),
    "two entries at one place": (forked, {"FORKED", "INSERTED", "MODIFIED"}),
}  # fmt: skip


@pytest.mark.django_db
def test_a01_to_a23_raw_edits_are_named_on_postgresql_too(clock, people):
    chain = make_request(State.REJECTED, people=people, zone=Zone.ZONE_2).log_chain().key
    sign_now()
    connection.check_constraints()  # no trigger is dropped while a foreign key waits to be checked
    assert found() == set()
    for name, (attack, expected) in ATTACKS.items():
        with transaction.atomic():
            triggers.drop()
            attack(chain)
            assert classes() == expected, name
            transaction.set_rollback(True)
    assert found() == set()


@pytest.mark.django_db(transaction=True)
def test_a24_eight_writers_and_a_signer_leave_nothing_to_find(people):
    """Every writer, a process, has a request of its own, and all of them the tenant's chain.

    What is new is signed for and verified all the time, everything at the end.
    """
    requests = [make_request(people=people).pk for _ in range(WRITERS)]
    began = time.monotonic()
    with writers(requests, ENTRIES // WRITERS) as are_writing:
        looks, alarms = 0, []
        while are_writing():
            sign_now()
            alarms += scheduled.verify(is_full=False)[0].findings
            looks += 1
    seconds = time.monotonic() - began
    sign_now()
    began = time.monotonic()
    report = verify_log()
    verified_in = time.monotonic() - began

    assert looks > 0  # it was signed for and verified while they wrote
    assert (alarms, report.findings) == ([], [])
    assert report.entries == LogTree.objects.get().size == TreeLeaf.objects.count() == ProvisioningLog.objects.count()
    assert report.entries >= ENTRIES
    leave_figures(
        {
            "entries": report.entries,
            "writers": WRITERS,
            "false alarms": len(alarms) + len(report.findings),
            "verifications while they wrote": looks,
            "entries written a second": round(report.entries / seconds),
            "entries verified a second": round(report.entries / verified_in),
        }
    )


@contextmanager
def writers(requests, entries):
    """Let a process for each request write meanwhile; yield what says, after a pause, whether any still does."""
    connections.close_all()  # no process inherits a connection
    children = {os.fork() or _write_and_end(request, entries) for request in requests}

    def are_writing() -> bool:
        time.sleep(PAUSE)
        for child in tuple(children):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                children.discard(child)
                assert os.waitstatus_to_exitcode(status) == 0
        return bool(children)

    try:
        yield are_writing
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _write_and_end(request_id, entries):
    """Be a writer: a transaction with some entries of its own chain, then one with an entry of the tenant's."""
    code = 1
    try:
        request = EnvironmentRequest.objects.select_related("tenant").get(pk=request_id)
        for number in range(entries // (OWN + 1)):
            for subject, count in ((request, OWN), (request.tenant, 1)):
                with transaction.atomic():
                    for _ in range(count):
                        record(Action.REMINDER_SENT, on=subject, by=SYSTEM, details={"number": number})
        code = 0
    except Exception:  # noqa: BLE001 - what went wrong is shown; nothing of pytest's may run in this process
        traceback.print_exc()
    finally:
        os._exit(code)


def leave_figures(figures):
    """Leave figures to the assurance report."""
    if file := os.environ.get("ELM_ASSURANCE_FIGURES"):
        with Path(file).open("a") as stream:
            stream.write(json.dumps(figures) + "\n")
