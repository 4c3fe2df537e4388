"""A refused credential halts one tenant: one run fails and says why, the others in flight wait and go on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core_app.errors import DomainError
from notifications_app.models import OutboxMessage
from provisioning_app import services, watch
from provisioning_app.choices import RunStatus
from provisioning_app.models import ProvisioningRun
from requests_app.choices import State, Zone
from tests.provisioning_app.reconciling import calls, failed_at_managed, let_pass, reconcile_now, where_creation_is_slow

READ_ONE = {"host": "bap*", "method": "GET", "path": r"scopes/admin/environments/[^?]"}


def state_of(request):
    request.refresh_from_db()
    return request.state


def test_runs_in_flight_wait_while_their_tenant_is_halted_and_go_on_by_themselves(world):
    both = [world.approved(Zone.ZONE_2) for _ in range(2)]
    world.run_until_settled(stop=lambda: ProvisioningRun.objects.filter(step="readiness").count() == 2)
    world.fault(**READ_ONE, status=403, body={"error": {"code": "Forbidden", "message": "no"}}, count=0)
    later = world.clock.at + timedelta(minutes=30)
    world.run_until_settled(stop=lambda: world.clock.at >= later)

    assert world.halted
    waiting, refused = sorted(both, key=lambda request: request.runs.get().status == RunStatus.FAILED)
    assert state_of(refused) == State.FAILED
    assert [call["status"] for call in calls(world, "scopes/admin/environments/")].count(403) == 1
    assert state_of(waiting) == State.PROVISIONING
    assert waiting.runs.get().waiting_for == "provisioning in this tenant to be resumed"
    assert not waiting.log_entries.filter(success=False).exists()
    assert OutboxMessage.objects.filter(event="tenant_halted").count() == 1

    world.simulator.control("DELETE", "/faults")
    services.resume(world.people.tenant.pk, by=world.people.operator, reason="Registered again.")
    world.run_until_settled()
    assert state_of(waiting) == State.COMPLETED, waiting.failure_reason
    assert waiting.runs.count() == 1
    services.retry(refused.pk, by=world.people.operator, reason="Registered again.")
    world.run_until_settled()
    assert state_of(refused) == State.COMPLETED, refused.failure_reason


REFUSED = {"status": 403, "body": {"error": {"code": "Forbidden", "message": "no"}}, "count": 0}


def halted_with_one_alert(world):
    alerts = OutboxMessage.objects.filter(event="tenant_halted", tenant=world.people.tenant)
    return world.halted and [alert.recipient for alert in alerts] == [world.people.operator]


def test_a_refusal_that_only_the_retry_of_a_gap_meets_halts_the_tenant_with_one_alert(world):
    group = {"host": "power_platform", "method": "POST", "path": "addEnvironment"}
    world.fault(**group, status=400, body={"error": {"code": "x"}}, count=1)
    assert world.provision(Zone.ZONE_2).state == State.COMPLETED
    world.fault(**group, **REFUSED)

    for _ in range(2):
        let_pass(world, minutes=61)
        services.retry_gaps()

    assert halted_with_one_alert(world)
    assert len([call for call in calls(world, "addEnvironment") if call["status"] == 403]) == 1


@pytest.mark.simulated
def test_a_refusal_that_only_the_reconciler_meets_halts_the_tenant_with_one_alert(make_world):
    world, healthy = make_world(), make_world()
    world.fault(host="bap", method="GET", path=r"scopes/admin/environments\?", **REFUSED)

    for _ in range(2):
        reconcile_now()

    assert halted_with_one_alert(world)
    assert not healthy.halted


@pytest.mark.simulated
def test_a_tenant_that_is_still_being_set_up_is_not_halted_by_the_reconciler(world):
    world.people.tenant.key_vault_url = ""
    world.people.tenant.save()

    reconcile_now()

    assert not world.halted


@pytest.mark.simulated
def test_a_refusal_that_only_the_late_watch_meets_halts_the_tenant_with_one_alert(make_world):
    world = where_creation_is_slow(make_world)
    assert world.provision().state == State.FAILED
    world.fault(host="bap", **REFUSED)

    for _ in range(2):
        let_pass(world, minutes=16)
        watch.look_for_late()

    assert halted_with_one_alert(world)


@pytest.mark.simulated
def test_a_refusal_that_only_an_attestation_meets_halts_the_tenant_with_one_alert(world):
    request = failed_at_managed(world)
    world.simulator.control("DELETE", "/faults")
    world.fault(host="bap", **REFUSED)

    with pytest.raises(DomainError, match="could not be read back"):
        services.attest(request.pk, by=world.people.operator, reason="Done in the portal.")

    assert halted_with_one_alert(world)


def test_a_refusal_at_the_question_for_capacity_is_no_capacity_that_is_not_reported(world):
    world.fault(host="power_platform", method="GET", path="tenantCapacity", status=403, count=0)

    request = world.provision(Zone.ZONE_1)

    assert (request.state, world.halted) == (State.FAILED, True)
    assert not world.environments
