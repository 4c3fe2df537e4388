"""What was read back counts: an environment that is not what was asked for is never called governed."""

from __future__ import annotations

import pytest

from audit_app.actions import Action
from core_app.errors import DomainError
from microsoft_cloud.bap import Governance
from provisioning_app import services
from requests_app.choices import State, Zone
from tests.provisioning_app.reconciling import failed_at_managed, let_pass, our_cloud

pytestmark = pytest.mark.simulated

ENVIRONMENTS = "/providers/Microsoft.BusinessAppPlatform/scopes/admin/environments"


def at_readiness(world, zone=Zone.ZONE_2):
    """Provision until the environment exists and is not ready yet; return its id and the request."""
    request = world.approved(zone)
    world.run_until_settled(stop=lambda: request.runs.filter(step="readiness").exists())
    return request.runs.get().environment_id, request


def test_an_environment_of_another_type_than_was_approved_fails_before_anything_is_built_on_it(world):
    environment_id, request = at_readiness(world)
    (before,) = [item["sku"] for item in world.environments if item["id"] == environment_id]
    other = "Production" if before == "Sandbox" else "Sandbox"
    our_cloud(world).bap_session.write(
        "POST",
        f"{ENVIRONMENTS}/{environment_id}/modifySku",
        params={"api-version": "2021-04-01"},
        json={"environmentSku": other},
    )

    world.run_until_settled()

    request.refresh_from_db()
    assert request.state == State.FAILED
    assert f"type is {other}, not {before}" in request.failure_reason
    assert request.log_entries.filter(action=Action.READINESS_CHECKED, success=False).count() == 3
    assert not request.log_entries.filter(action=Action.MANAGED_ENABLED).exists()


@pytest.mark.walk
def test_sharing_limits_that_a_group_hides_are_not_called_proved(world):
    request = failed_at_managed(world)
    environment_id, cloud = request.environments.get().environment_id, our_cloud(world)
    cloud.bap.set_governance_configuration(environment_id, Governance("Standard", {"maxLimitUserSharing": "500"}))
    let_pass(world, minutes=1)
    let_pass(world, minutes=1)
    group = cloud.bap.environment_groups()[0]
    cloud.power_platform.add_environment_to_group(group.id, environment_id)
    let_pass(world, minutes=1)

    with pytest.raises(DomainError, match="can neither be read nor set"):
        services.attest(request.pk, by=world.people.operator, reason="I did it in the admin center.")
    services.retry(request.pk, by=world.people.operator, reason="Done in the admin center.")
    world.run_until_settled()

    request.refresh_from_db()
    assert request.state == State.FAILED
    assert "Take it out of the group in the admin center, then retry" in request.failure_reason
    assert not request.log_entries.filter(action=Action.SHARING_LIMITS_CONFIGURED, success=True).exists()

    cloud.power_platform.remove_environment_from_group(group.id, environment_id)
    let_pass(world, minutes=1)
    services.retry(request.pk, by=world.people.operator, reason="It is out of the group.")
    world.run_until_settled()
    request.refresh_from_db()
    assert request.state == State.COMPLETED, request.failure_reason
    (environment,) = [item for item in world.environments if item["id"] == environment_id]
    assert environment["governance_settings"]["maxLimitUserSharing"] == "50"


def test_a_role_that_the_principal_keeps_against_the_settings_is_an_open_gap(make_world):
    world = make_world(reduce_principal_roles=True)
    world.fault(host="dataverse", method="DELETE", path="systemuserroles_association", status=404, count=0)

    request = world.provision(Zone.ZONE_2)

    assert request.state == State.COMPLETED
    gap = request.gaps.get(closed_at=None)
    assert gap.step == "principal"
    assert "System Administrator" in gap.reason
    assert not request.log_entries.filter(action=Action.PRINCIPAL_REVIEWED, success=True).exists()

    world.simulator.control("DELETE", "/faults")
    let_pass(world, minutes=6)
    assert services.retry_gaps() == 1
    proof = request.log_entries.get(action=Action.PRINCIPAL_REVIEWED, success=True).action_details["proof"][0]
    assert (proof["after"], proof["desired"]) == ("System Customizer", "System Customizer")


def test_a_restriction_that_nobody_asked_for_stays(world):
    environment_id, request = at_readiness(world, Zone.ZONE_1)
    our_cloud(world).bap.patch_environment(environment_id, security_group_id=world.group_id)

    world.run_until_settled()

    request.refresh_from_db()
    assert request.state == State.COMPLETED, request.failure_reason
    (environment,) = [item for item in world.environments if item["id"] == environment_id]
    assert environment["security_group_id"] == world.group_id
