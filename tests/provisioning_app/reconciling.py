"""What the tests of the reconciler, the rollback and the late watch share."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from accounts_app.cloud import cloud_for
from accounts_app.models import TenantIdentity
from microsoft_cloud import Cloud
from microsoft_cloud.bap import Governance, NewEnvironment
from provisioning_app import reconcile, services
from provisioning_app.choices import FindingKind
from provisioning_app.models import ReconciliationFinding
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.microsoft import World, WorldMaker

MANAGED = {"method": "POST", "path": "governanceConfiguration"}
REFUSED = {"status": 400, "body": {"error": {"code": "InvalidRequestContent", "message": "no"}}}
BASELINE = {  # of Zone 2
    "limitSharingMode": "excludeSharingToSecurityGroups",
    "isGroupSharingDisabled": "true",
    "maxLimitUserSharing": "50",
    "solutionCheckerMode": "warn",
}
SLOW_CREATION = {"create_polls": None, "create_seconds": 75 * 60}
RARE_LOOKS = {"poll_interval_seconds": 300, "poll_limit": 12}  # an hour, as by default, and a tenth of the work
ROLLBACK_SECRET = "ELM-Rollback-Secret"  # the name of a secret, not one


def with_one_clock(world: World) -> World:
    """Let our clock show the simulator's time, so that its time stamps mean something to us."""
    now = world.simulator.control("GET", "/state", tenant=str(world.tenant_id))["now"]
    world.clock.at = datetime.fromisoformat(now.replace("Z", "+00:00"))
    return world


def where_creation_is_slow(make_world: WorldMaker) -> World:
    """Make a tenant whose environments take 75 minutes."""
    return make_world(timing=SLOW_CREATION, **RARE_LOOKS)


def our_cloud(world: World) -> Cloud:
    """Return the cloud as the provisioning principal sees it."""
    return cloud_for(world.people.tenant, TenantIdentity.Purpose.PROVISIONING)


def give_rollback_credential(world: World, *, may_delete: bool = True) -> None:
    """Let the tenant have the second credential."""
    identity = TenantIdentity.objects.create(
        tenant=world.people.tenant,
        purpose=TenantIdentity.Purpose.ROLLBACK,
        display_name="Rollback principal",
        client_id=uuid4(),
        secret_name=ROLLBACK_SECRET,
    )
    secret = f"secret-{uuid4()}"
    application = {
        "client_id": str(identity.client_id),
        "object_id": str(uuid4()),
        "display_name": identity.display_name,
        "secret": secret,
        "management_application": may_delete,
    }
    document = {
        "id": str(world.tenant_id),
        "applications": [application],
        "key_vault_secrets": {ROLLBACK_SECRET: secret},
    }
    world.simulator.control("POST", "/seed", {"tenants": [document]})


def failed_at_managed(world: World, zone: Zone = Zone.ZONE_2) -> EnvironmentRequest:
    """Walk a request to Failed right after its environment came to exist."""
    world.fault(**MANAGED, **REFUSED)
    request = world.provision(zone)
    assert request.state == State.FAILED, request.get_state_display()
    return request


def enable_managed(world: World, request: EnvironmentRequest, **changes: str) -> None:
    """Do in the portal what the step could not."""
    environment_id = request.environments.get().environment_id
    our_cloud(world).bap.set_governance_configuration(environment_id, Governance("Standard", {**BASELINE, **changes}))
    let_pass(world, minutes=1)
    let_pass(world, minutes=1)  # the platform updates the configuration once more by itself


def make_environment(world: World, **changes: Any) -> str:
    """Let our principal create an environment outside any run, as somebody with its credential would."""
    wanted = {
        "location": "europe",
        "display_name": "Nobody asked for this",
        "description": "",
        "sku": "Sandbox",
        "domain_name": f"stray-{uuid4().hex[:8]}",
        "currency_code": "EUR",
        **changes,
    }
    our_cloud(world).bap.create_environment(NewEnvironment(**wanted))
    let_pass(world, minutes=2)
    return next(found["id"] for found in world.environments if found["domain"] == wanted["domain_name"])


def let_pass(world: World, **by: float) -> None:
    """Let time pass on both sides."""
    world.pass_until(world.clock.at + timedelta(**by))


def roll_back(world: World, *, minutes: float = 10) -> None:
    """Let time pass and take due rollbacks further."""
    end = world.clock.at + timedelta(minutes=minutes)
    while world.clock.at < end:
        for rollback_id in services.due_rollbacks():
            services.advance_rollback(rollback_id)
        let_pass(world, seconds=15)


def reconcile_now() -> None:
    """Do what start-up and every fifth minute do."""
    reconcile.reconcile_all()


def findings_of(world: World, kind: FindingKind, **conditions: Any) -> list[ReconciliationFinding]:
    """Return the tenant's findings of a kind."""
    return list(ReconciliationFinding.objects.filter(tenant=world.people.tenant, kind=kind, **conditions))


def calls(world: World, part: str = "") -> list[dict[str, Any]]:
    """Return the calls that Microsoft got for the tenant, whose method and address hold ``part``."""
    journal = world.simulator.control("GET", "/journal", tenant=str(world.tenant_id))
    return [call for call in journal["entries"] if part in f"{call['method']} {call['url']}"]


def vanish(world: World, environment_id: str) -> None:
    """Let an environment be deleted in a portal, as people do."""
    world.simulator.control("DELETE", f"/tenants/{world.tenant_id}/environments/{environment_id}")
