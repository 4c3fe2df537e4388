"""The only way into the log."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import transaction

from accounts_app.models import Tenant
from audit_app import canonical
from audit_app.actions import Action, ActorType
from audit_app.actors import SYSTEM, person, service_principal
from audit_app.chain import microseconds
from audit_app.log import record
from audit_app.models import ChainHead, ProvisioningLog
from core_app.clock import ManualClock
from tests.factories import PRINCIPAL, People, make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


def entries(tenant: Tenant) -> list[ProvisioningLog]:
    return list(ProvisioningLog.objects.filter(chain=tenant.log_chain().key).order_by("sequence"))


def test_entries_are_numbered_from_one_and_each_names_the_hash_before_it(tenant: Tenant) -> None:
    record(Action.TENANT_HALTED, on=tenant, by=SYSTEM)
    record(Action.TENANT_RESUMED, on=tenant, by=SYSTEM)
    first, second, third = entries(tenant)
    assert [first.sequence, second.sequence, third.sequence] == [1, 2, 3]
    assert first.previous_hash == canonical.GENESIS_HASH
    assert second.previous_hash == first.entry_hash
    assert third.previous_hash == second.entry_hash
    assert ChainHead.objects.get(chain=first.chain).entry_hash == third.entry_hash


def test_the_stored_bytes_hold_the_whole_entry(tenant: Tenant, clock: ManualClock) -> None:
    entry = record(
        Action.PROVISIONING_FAILED,
        on=make_tenant(),
        by=PRINCIPAL,
        details={"step": "create", "tries": 3, "final": False, "code": None, "seen": ["a"]},
        transition=(1, 2),
        error="Quota exceeded.",
        success=False,
        correlation_id="run-1",
        policy_version="settings-1",
    )
    sealed = canonical.decode(bytes(ProvisioningLog.objects.get(pk=entry.pk).canonical))
    assert sealed["action"] == 14
    assert sealed["action_details"] == {"step": "create", "tries": 3, "final": False, "code": None, "seen": ["a"]}
    assert sealed["actor"] == PRINCIPAL.name
    assert sealed["actor_type"] == ActorType.SERVICE_PRINCIPAL
    assert sealed["timestamp"] == microseconds(clock.at)
    assert (sealed["from_state"], sealed["to_state"]) == (1, 2)
    assert (sealed["success"], sealed["error_message"]) == (False, "Quota exceeded.")
    assert (sealed["correlation_id"], sealed["policy_version"]) == ("run-1", "settings-1")


def test_a_moment_is_kept_to_the_microsecond() -> None:
    assert microseconds(datetime(1970, 1, 1, 0, 0, 1, 7, tzinfo=UTC)) == 1_000_007


def test_a_person_is_named_by_upn_and_an_automation_by_client_id(people: People) -> None:
    assert person(people.requester).name == people.requester.upn
    assert service_principal("client-1").name == "client-1"


def test_a_clock_set_back_holds_the_time_and_says_by_how_much(tenant: Tenant, clock: ManualClock) -> None:
    before = record(Action.TENANT_HALTED, on=tenant, by=SYSTEM)
    clock.advance(seconds=-90)
    held = record(Action.TENANT_RESUMED, on=tenant, by=SYSTEM, details={"reason": "mended"})
    assert held.timestamp == before.timestamp
    lag = before.timestamp - clock.at
    assert held.action_details == {"reason": "mended", "clock_behind_microseconds": lag.total_seconds() * 1_000_000}


@pytest.mark.parametrize("value", [1.5, "e\u0301", "a\x00b", "\ud800", 2**53, {1: "a"}, object()])
def test_what_has_no_canonical_form_is_refused_and_nothing_is_stored(tenant: Tenant, value: object) -> None:
    before = len(entries(tenant))
    with pytest.raises(canonical.NotCanonicalError), transaction.atomic():
        record(Action.TENANT_HALTED, on=tenant, by=SYSTEM, details={"value": value})
    assert len(entries(tenant)) == before


def test_an_error_from_elsewhere_is_made_storable_and_shortened(tenant: Tenant) -> None:
    entry = record(Action.TENANT_HALTED, on=tenant, by=SYSTEM, error="no\x00thing \ud800 e\u0301" + "x" * 5000)
    assert entry.error_message.startswith("nothing ? \u00e9x")
    assert len(entry.error_message) == 4000


@pytest.mark.parametrize("identifier", ["two words", "x" * 101, "ümlaut", "a\n"])
def test_a_correlation_id_that_could_not_be_sent_to_microsoft_is_refused(tenant: Tenant, identifier: str) -> None:
    with pytest.raises(ValueError, match="correlation id"):
        record(Action.TENANT_HALTED, on=tenant, by=SYSTEM, correlation_id=identifier)


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_nothing_is_recorded(people: People) -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        record(Action.TENANT_HALTED, on=people.tenant, by=SYSTEM)


def test_an_entry_is_worded_for_people(tenant: Tenant) -> None:
    assert str(entries(tenant)[0]) == f"{tenant} #1 TenantCreated"
    assert str(ChainHead.objects.get(chain=tenant.log_chain().key)) == f"tenant:{tenant.pk} at 1"
