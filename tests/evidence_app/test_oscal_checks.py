"""Every check of every control, on a tenant where it holds and after something that it has to notice."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import pytest
from django.contrib.auth.models import Permission
from django.db import connection, transaction

from accounts_app.roles import Role
from accounts_app.services import confirm_settings, propose_settings
from audit_app import triggers
from audit_app.checkpoints import sign_now
from core_app import clock as core_clock
from core_app.clock import ManualClock
from evidence_app import oscal, reviews
from provisioning_app.choices import FindingKind
from provisioning_app.findings import resolve_finding
from provisioning_app.quarantine import quarantine, release_quarantine
from requests_app.choices import Zone
from tests.evidence_app.history import BEGIN, CLOUD
from tests.evidence_app.oscal_documents import facts_of
from tests.factories import make_user
from tests.faults.tampered import LOG, host_at
from tests.microsoft import WorldMaker
from tests.provisioning_app.reconciling import findings_of, let_pass, our_cloud, reconcile_now, vanish, with_one_clock

pytestmark = [pytest.mark.simulated, pytest.mark.django_db]
CHECKS: Final = {check.key: check for check in oscal.CHECKS}
REQUEST: Final = "requests_app_environmentrequest"


@pytest.fixture(scope="module")
def lived(django_db_setup, django_db_blocker, simulator, tmp_path_factory):
    """A tenant in whose quarter every check has something to look at, and finds nothing."""
    from django.conf import settings  # noqa: PLC0415 - the fixture of that name is one test's

    folder, clock = tmp_path_factory.mktemp("quarter"), ManualClock(BEGIN)
    before = {name: getattr(settings, name) for name in CLOUD}
    simulator.control("POST", "/clock", {"set": BEGIN.isoformat(), "frozen": True})
    try:
        with django_db_blocker.unblock(), transaction.atomic(), host_at(folder), core_clock.using(clock):
            yield governed(WorldMaker(simulator, clock, settings, folder)()), folder
            transaction.set_rollback(True)
    finally:
        simulator.tell_the_time()
        for name, value in before.items():
            setattr(settings, name, value)


def governed(world):
    people = world.people
    second = make_user(Role.GOVERNANCE_LEAD, people.tenant)
    proposal = propose_settings(people.tenant.pk, by=people.governance_lead, values={"undo_window_seconds": 60})
    confirm_settings(proposal.pk, by=second)
    world.provision(Zone.ZONE_3)
    let_pass(world, minutes=30)
    review = reviews.take(people.tenant.pk, by=people.auditor)
    reviews.sign(review.pk, by=people.auditor, statement="Looked at.")
    sign_now()
    world.clock.at = datetime(2026, 4, 2, 9, 0, tzinfo=UTC)
    return world


@pytest.fixture
def world(lived, db, signer):
    """The tenant, for one test; what the test does to it here is undone, what it does at Microsoft is not."""
    world, host = lived
    at = world.clock.at
    with host_at(host):
        yield world
    world.clock.at = at


def found_by(world, key):
    return CHECKS[key].perform(facts_of(world.people))


def edited(statement):
    """Do to the database what no program of ours does."""

    def act(_world):
        connection.check_constraints()
        triggers.drop()
        with connection.cursor() as cursor:
            cursor.execute(statement)

    return act


def environment_of(world):
    return world.people.tenant.environments.get()


def quarantined(world):
    quarantine(environment_of(world).pk, by=world.people.operator, reason="Somebody switched it off.")


def changed_with_our_credential(world):
    """Somebody with the principal's credential changes the environment, outside every run."""
    with_one_clock(world)
    let_pass(world, minutes=30)
    our_cloud(world).bap.patch_environment(environment_of(world).environment_id, description="Not Managed any more")
    let_pass(world, minutes=1)
    reconcile_now()


def given_a_right(world):
    right = Permission.objects.get(codename="decide_environmentrequest")
    world.people.operator.user_permissions.add(right)


def without_triggers(_world):
    triggers.drop()


FAILING: Final = {
    "managed-environments": changed_with_our_credential,
    "sharing-limits": quarantined,
    "environment-groups": edited(f"UPDATE {LOG} SET action = 109 WHERE action = 9"),
    "zones-classified": edited(f"UPDATE {LOG} SET policy_version = '' WHERE action = 2"),
    "no-unexplained-environments": changed_with_our_credential,
    "environment-auditing": edited("DELETE FROM provisioning_app_governedcontrol WHERE control = 'Auditing'"),
    "approved-before-provisioning": edited(f"UPDATE {LOG} SET action = 109 WHERE action = 4"),
    "states-follow-log": edited(f"UPDATE {REQUEST} SET state = 9 WHERE state = 7"),
    "settings-by-two": edited(f"UPDATE {LOG} SET actor = 'x' WHERE subject LIKE 'Contoso%'"),
    "decided-by-others": edited(f"UPDATE {LOG} SET actor_type = 2 WHERE action = 4"),
    "privileges-as-expected": given_a_right,
    "access-review-signed": edited("DELETE FROM evidence_app_accessreview"),
    "log-verifies": edited(f"UPDATE {LOG} SET subject = 'x' WHERE sequence = 2"),
    "log-signed": edited("DELETE FROM audit_app_anchor"),
    "log-protected": without_triggers,
}


@pytest.mark.parametrize("key", CHECKS)
def test_every_check_of_every_control_holds_where_it_should_and_fails_where_it_must(world, key):
    """A check without a failing case here fails: nobody has seen it notice anything."""
    passing = found_by(world, key)
    assert (passing.failures, passing.examined > 0) == ((), True)

    FAILING[key](world)

    failing = found_by(world, key)
    assert not failing.holds
    assert all(each.subject and each.detail for each in failing.failures)


def test_what_speaks_against_a_control_counts_until_somebody_has_looked_into_it(world):
    row = environment_of(world)
    quarantined(world)
    (failure,) = found_by(world, "managed-environments").failures
    assert (failure.key, "quarantined. Somebody switched it off." in failure.detail) == (row.pk, True)
    release_quarantine(row.pk, by=world.people.operator, reason="Switched on again.")
    assert found_by(world, "managed-environments").holds

    changed_with_our_credential(world)
    assert "started Edit" in found_by(world, "environment-auditing").failures[0].detail
    for finding in findings_of(world, FindingKind.UNEXPLAINED_OPERATION):
        resolve_finding(finding.pk, by=world.people.operator, reason="A rehearsal; everything was read by hand.")
    assert found_by(world, "environment-auditing").holds
    assert found_by(world, "no-unexplained-environments").holds

    vanish(world, row.environment_id)  # for good: no test comes after this one
    reconcile_now()
    (failure,) = found_by(world, "no-unexplained-environments").failures
    assert "does not exist any more, and was not deleted by us." in failure.detail
