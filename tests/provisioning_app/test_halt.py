"""A refused credential halts one tenant: one run fails and says why, the others in flight wait and go on."""

from __future__ import annotations

from datetime import timedelta

from notifications_app.models import OutboxMessage
from provisioning_app import services
from provisioning_app.choices import RunStatus
from provisioning_app.models import ProvisioningRun
from requests_app.choices import State, Zone
from tests.provisioning_app.reconciling import calls

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
