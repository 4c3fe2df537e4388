"""The whole plan against the simulator: what is created, hardened, proved and logged."""

from __future__ import annotations

import pytest

from audit_app.actions import Action, ActorType
from audit_app.verify import verify_log
from provisioning_app.choices import EnvironmentStatus, RunStatus, StepOutcome
from provisioning_app.models import Environment, Slot
from requests_app.choices import State, Zone

FROM_START_TO_END = [
    Action.PROVISIONING_STARTED,
    Action.PREFLIGHT_CHECKED,
    Action.CREATION_STARTED,
    Action.ENVIRONMENT_CREATED,
    Action.READINESS_CHECKED,
    Action.MANAGED_ENABLED,
    Action.SHARING_LIMITS_CONFIGURED,
    Action.GROUP_ASSIGNED,
    Action.SECURITY_GROUP_BOUND,
    Action.AUDITING_CONFIGURED,
    Action.SESSION_TIMEOUT_CONFIGURED,
    Action.BASELINE_CONFIG_APPLIED,
    Action.USER_SYNCED,
    Action.ROLES_ASSIGNED,
    Action.DLP_ASSIGNED,
    Action.PRINCIPAL_REVIEWED,
    Action.PROVISIONING_COMPLETED,
]


@pytest.mark.parametrize(
    ("zone", "retention", "timeout", "limit", "checker"),
    [
        (Zone.ZONE_1, 180, 1440, "-1", "none"),
        (Zone.ZONE_2, 365, 480, "50", "warn"),
        (Zone.ZONE_3, 2557, 120, "20", "block"),
    ],
)
def test_an_environment_gets_the_baseline_of_its_zone(world, zone, retention, timeout, limit, checker):
    request = world.provision(zone)

    assert request.state == State.COMPLETED, request.failure_reason
    (environment,) = world.environments
    assert request.environment_id == environment["id"]
    assert environment["protection_level"] == "Standard"
    settings = environment["governance_settings"]
    assert (settings["maxLimitUserSharing"], settings["solutionCheckerMode"]) == (limit, checker)
    organization = environment["dataverse"]["organization"]
    assert organization["isauditenabled"] is True
    assert organization["auditretentionperiodv2"] == retention
    assert organization["sessiontimeoutinmins"] == timeout
    assert environment["environment_group_id"]
    assert bool(environment["security_group_id"]) == (zone != Zone.ZONE_1)


def test_every_step_is_logged_by_the_service_principal_with_its_proof(world):
    request = world.provision(Zone.ZONE_3)

    entries = list(request.log_entries.filter(correlation_id__gt="").order_by("sequence"))
    assert [entry.action for entry in entries] == FROM_START_TO_END
    run = request.runs.get()
    for entry in entries:
        assert entry.actor_type == ActorType.SERVICE_PRINCIPAL
        assert entry.actor == str(world.people.tenant.identities.get(purpose="provisioning").client_id)
        assert entry.correlation_id == str(run.pk)
        assert entry.success
    auditing = next(entry for entry in entries if entry.action == Action.AUDITING_CONFIGURED)
    retention = next(p for p in auditing.action_details["proof"] if p["setting"] == "auditretentionperiodv2")
    assert (retention["before"], retention["desired"], retention["after"]) == ("none", "2557", "2557")
    assert len(retention["digest"]) == 64
    assert verify_log().ok


def test_the_register_knows_the_environment_and_the_slot_is_free_again(world):
    request = world.provision(Zone.ZONE_2)

    environment = Environment.objects.get(request=request)
    assert environment.status == EnvironmentStatus.ACTIVE
    assert environment.governed_at >= environment.created_at
    assert environment.url == request.environment_url
    run = request.runs.get()
    assert run.status == RunStatus.COMPLETED
    assert not Slot.objects.filter(run__isnull=False, tenant=world.people.tenant).exists()
    assert set(run.steps.values_list("outcome", flat=True)) == {StepOutcome.DONE}


def test_the_description_carries_the_request_and_the_domain_name_is_the_staged_one(world):
    request = world.provision(Zone.ZONE_2)

    (environment,) = world.environments
    assert f"elm:request={request.pk}" in environment["description"]
    assert environment["domain"] == request.domain_name


def test_the_principal_gives_up_system_administrator_where_the_tenant_says_so(make_world):
    world = make_world(reduce_principal_roles=True)

    request = world.provision(Zone.ZONE_2)

    assert request.state == State.COMPLETED
    proof = request.log_entries.get(action=Action.PRINCIPAL_REVIEWED).action_details["proof"][0]
    assert "System Administrator" in proof["before"]
    assert proof["after"] == "System Customizer"
