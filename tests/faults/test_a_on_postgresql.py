"""Some of the A items on PostgreSQL, and A24: many writers at once, sequenced and verified while they write."""

from __future__ import annotations

import os
import threading

import pytest
from django.db import connection, connections, transaction

from accounts_app.models import Tenant
from audit_app import triggers
from audit_app.actions import Action
from audit_app.actors import SYSTEM
from audit_app.checkpoints import sign_now
from audit_app.log import record
from audit_app.models import LogTree, ProvisioningLog, TreeLeaf
from audit_app.verify import verify_log
from requests_app.choices import State, Zone
from tests.factories import make_request
from tests.faults.tampered import LOG, classes, found, plant_leaves, rewrite, sign_again, sql

pytestmark = pytest.mark.postgres
WRITERS = 8
ENTRIES = int(os.environ.get("ELM_LOG_ENTRIES", "25" if os.environ.get("ELM_ASSURANCE") != "1" else "2500"))  # of each


def rewritten_and_signed(chain):
    rewrite(chain, 3, to_tail=True, actor="somebody.else@contoso.example")
    plant_leaves()
    sign_again()


ATTACKS = {
    "A1": (lambda chain: sql(f"UPDATE {LOG} SET actor = 'x' WHERE chain = %s AND sequence = 3", chain), {"MODIFIED"}),
    "A3": (lambda chain: rewrite(chain, 3, to_tail=True, actor="x@contoso.example"), {"MODIFIED"}),
    "A4": (lambda chain: sql(f"DELETE FROM {LOG} WHERE chain = %s AND sequence = 3", chain), {"DELETED"}),
    "A5": (lambda chain: sql(f"DELETE FROM {LOG} WHERE chain = %s AND sequence > 3", chain),
           {"TRUNCATED", "DELETED", "STATE_MISMATCH"}),
    "A12": (rewritten_and_signed, {"SPLIT_VIEW"}),
    "A13": (lambda _chain: sql("UPDATE audit_app_treeleaf SET leaf_hash = '\\x00' WHERE \"index\" = 2"), {"MODIFIED"}),
    "A14": (lambda _chain: sql("UPDATE audit_app_checkpoint SET root = 'x'"), {"MODIFIED"}),
}  # fmt: skip


@pytest.mark.django_db
def test_a01_to_a14_raw_edits_are_named_on_postgresql_too(clock, people):
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
    """Every writer has a request of its own and all of them the tenant's chain; nobody waits for the signer."""
    requests = [make_request(people=people) for _ in range(WRITERS)]
    errors = []

    def write(request):
        try:
            tenant = Tenant.objects.get(pk=people.tenant.pk)
            for number in range(ENTRIES):
                with transaction.atomic():
                    record(Action.REMINDER_SENT, on=request, by=SYSTEM, details={"number": number})
                with transaction.atomic():
                    record(Action.PREFLIGHT_CHECKED, on=tenant, by=SYSTEM, details={"number": number})
        except Exception as error:  # noqa: BLE001 - the test shows it
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=[request]) for request in requests]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        sign_now()
        assert verify_log().defects == []
    for thread in threads:
        thread.join()
    sign_now()
    report = verify_log()
    assert (errors, report.findings) == ([], [])
    assert report.entries == LogTree.objects.get().size == TreeLeaf.objects.count() == ProvisioningLog.objects.count()
    assert report.entries >= 2 * WRITERS * ENTRIES
