"""R14 to R19 of the fault list: tokens, secrets and the security group that guards an environment."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from core_app.errors import InvalidInputError
from notifications_app.models import OutboxMessage
from provisioning_app import services
from requests_app.choices import State, Zone
from requests_app.directory import look_up
from tests.factories import make_request
from tests.faults.remote import (
    MISSING_GROUP,
    READ_GROUP,
    complaints,
    completed,
    failed,
    held_slots,
    retried,
    stands_at,
)
from tests.microsoft import GROUP_NAME
from tests.provisioning_app.reconciling import (
    calls,
    let_pass,
)
from tests.rotating import make_rotating

pytestmark = pytest.mark.simulated


def test_r14_one_401_is_answered_with_a_fresh_token(world):
    world.fault(host="bap", path="/tenant", status=401)

    request = world.provision()

    assert completed(world, request)
    assert not complaints(request).exists()
    assert [call["status"] for call in calls(world, "/tenant?")] == [401, 200]


@pytest.mark.parametrize(("status", "asked"), [(401, 2), (403, 1)])
def test_r14_a_refused_principal_halts_its_tenant_only_alerts_once_and_burns_no_retries(make_world, status, asked):
    halted, healthy = make_world(), make_world()
    refusal = {"status": status, "body": {"error": {"code": "Forbidden", "message": "no"}}, "count": 0}
    halted.fault(host="bap", path=r"/tenant\?", **refusal)

    first, second = halted.provision(Zone.ZONE_2), halted.approved(Zone.ZONE_2)
    halted.run_until_settled()

    assert failed(first)
    assert len(calls(halted, "/tenant?")) == asked
    second.refresh_from_db()
    assert second.state == State.APPROVED
    assert completed(healthy, healthy.provision(Zone.ZONE_2))
    assert halted.halted
    alerts = OutboxMessage.objects.filter(event="tenant_halted")
    assert [alert.recipient for alert in alerts] == [halted.people.operator]

    halted.simulator.control("DELETE", "/faults")
    services.resume(halted.people.tenant.pk, by=halted.people.operator, reason="Registered again.")
    halted.run_until_settled()
    assert completed(halted, second)


def test_r15_a_secret_rotated_in_the_middle_of_a_run_and_revoked_early_is_picked_up(world):
    rotating = make_rotating(world)
    request = world.approved()
    world.run_until_settled(stop=stands_at(request, "managed"))
    old = rotating.key_ids()

    row = rotating.until_settled(rotating.rotate())
    assert rotating.key_ids() != old  # the one the run began with is revoked
    world.run_until_settled()

    assert completed(world, request)
    assert not complaints(request).exists()
    rotated = ProvisioningLog.objects.get(tenant_id=world.people.tenant.pk, action=Action.CREDENTIAL_ROTATED)
    assert rotated.action_details["revoked_key_id"] == row.old_key_id


def test_r16_a_vault_that_is_silent_is_waited_for_and_one_that_refuses_halts_with_no_other_secret(world):
    world.fault(host="key_vault", drop_before=True, count=0)
    request = world.approved()
    later = world.clock.at + timedelta(minutes=10)
    world.run_until_settled(stop=lambda: world.clock.at >= later)
    assert not complaints(request).exists()
    assert set(request.runs.get().steps.values_list("attempt", flat=True)) <= {1}

    world.simulator.control("DELETE", "/faults")
    world.fault(host="key_vault", status=403, body={"error": {"code": "Forbidden"}}, count=0)
    world.run_until_settled()
    assert failed(request)
    assert world.halted
    assert world.environments == []
    assert [call for call in calls(world) if call["host"] == "bap"] == []  # nobody got a token by another way

    world.simulator.control("DELETE", "/faults")
    services.resume(world.people.tenant.pk, by=world.people.operator, reason="The access policy was mended.")
    assert completed(world, retried(world, request))


def test_r17_a_security_group_that_is_missing_stops_the_run_before_anything_exists_and_may_come_later(world):
    world.fault(**READ_GROUP, **MISSING_GROUP, count=0)
    request = world.provision()
    assert failed(request)
    assert "SecurityGroupNotFound" in request.failure_reason
    assert (world.environments, held_slots(world)) == ([], 0)
    assert complaints(request, Action.PREFLIGHT_CHECKED).count() == 3

    let_pass(world, minutes=3)
    world.simulator.control("DELETE", "/faults")

    assert completed(world, retried(world, request, "The group was created."))


def test_r17_a_security_group_that_is_not_replicated_yet_stops_nothing(world):
    world.fault(**READ_GROUP, **MISSING_GROUP, count=2)

    request = world.provision()

    assert completed(world, request)
    assert (request.runs.count(), complaints(request, Action.PREFLIGHT_CHECKED).count()) == (1, 2)


def test_r18_what_is_no_security_group_of_the_tenant_is_refused_before_anybody_approves(make_world):
    world, other = make_world(), make_world()
    list_id = str(uuid4())
    groups = [
        {"id": world.group_id, "display_name": GROUP_NAME},
        {"id": list_id, "display_name": "Everybody", "security_enabled": False},
    ]
    world.simulator.control("POST", "/seed", {"tenants": [{"id": str(world.tenant_id), "groups": groups}]})
    person_id = str(world.people.requester.entra_object_id)

    for unusable in (other.group_id, person_id, list_id):
        draft = make_request(people=world.people, zone=Zone.ZONE_2, security_group_name="", security_group_id=unusable)
        with pytest.raises(InvalidInputError, match="group"):
            look_up(draft)
        draft.refresh_from_db()
        assert draft.state == State.DRAFT


def test_r19_a_group_deleted_between_approval_and_binding_stops_the_run(world):
    request = world.approved()
    world.run_until_settled(stop=stands_at(request, "managed"))

    world.simulator.control("DELETE", f"/tenants/{world.tenant_id}/groups/{world.group_id}")
    world.run_until_settled()

    assert failed(request)
    assert "SecurityGroupNotFound" in request.failure_reason
    assert (request.runs.get().step, held_slots(world)) == ("security_group", 0)
