"""A tenant whose credentials can be rotated: a rotation identity with the least it needs, and clocks that agree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings

from accounts_app.cloud import workload_vault
from accounts_app.models import TenantIdentity
from microsoft_cloud.key_vault import Secret
from provisioning_app.credentials import rotation
from provisioning_app.models import RotationRecord
from tests.microsoft import World

Purpose, Kind, Stage = TenantIdentity.Purpose, TenantIdentity.Kind, RotationRecord.Stage
NEXT = "ELM-ServicePrincipal-Secret-Next"


def set_clocks(world: World) -> None:
    """Let Microsoft's time and ours be now: a certificate's assertion is dated by the machine's clock."""
    now = datetime.now(UTC)
    world.simulator.control("POST", "/clock", {"set": now.isoformat()})
    world.clock.at = now


@dataclass(frozen=True, slots=True)
class Rotating:
    """What a test of rotation does and looks at."""

    world: World

    def identity(self, purpose: str = Purpose.PROVISIONING) -> TenantIdentity:
        """Return an identity as it stands."""
        return self.world.people.tenant.identities.get(purpose=purpose)

    def start(self, purpose: str = Purpose.PROVISIONING, kind: str = "") -> RotationRecord:
        """Start a rotation as the operator."""
        return rotation.rotate(self.world.people.tenant.pk, purpose, by=self.world.people.operator, kind=kind)

    def rotate(self, purpose: str = Purpose.PROVISIONING, kind: str = "") -> RotationRecord:
        """Start a rotation and take it as far as it goes at once."""
        row = self.start(purpose, kind)
        rotation.advance(row.pk)
        row.refresh_from_db()
        return row

    def until_settled(self, row: RotationRecord, *, minutes: float = 60) -> RotationRecord:
        """Let time pass here and at Microsoft until the rotation has ended or the minutes are over."""
        end = self.world.clock.at.timestamp() + minutes * 60
        while row.is_live and self.world.clock.at.timestamp() < end:
            self.world.pass_until(row.next_at)
            for rotation_id in rotation.due():
                rotation.advance(rotation_id)
            row.refresh_from_db()
        return row

    def application(self, purpose: str = Purpose.PROVISIONING) -> dict[str, Any]:
        """Return the application as the simulator has it."""
        client_id = str(self.identity(purpose).client_id)
        (tenant,) = self.world.simulator.control("GET", "/state", tenant=str(self.world.tenant_id))["tenants"]
        return next(item for item in tenant["applications"] if item["client_id"] == client_id)

    def key_ids(self, purpose: str = Purpose.PROVISIONING) -> list[str]:
        """Return the key ids of all credentials of the application."""
        found = self.application(purpose)
        return [*(secret["key_id"] for secret in found["secrets"]), *found["certificates"]]

    def stored(self, name: str = "") -> Secret:
        """Return what Key Vault hands out to the workers."""
        return workload_vault(self.world.people.tenant, "test").get_secret(name or self.identity().secret_name)

    def calls(self, since: int = 0) -> list[str]:
        """Return the calls of this tenant in their order, as ``METHOD path``."""
        entries = self.world.simulator.control("GET", "/journal", tenant=str(self.world.tenant_id), since=str(since))
        return [f"{entry['method']} {entry['url'].split('/', 3)[3]}" for entry in entries["entries"]]


def make_rotating(world: World, **application: Any) -> Rotating:
    """Give a tenant a rotation identity that owns the other applications and may write the vault, and no more."""
    let_rotate(world, **application)
    set_clocks(world)
    return Rotating(world)


def let_rotate(world: World, **application: Any) -> Rotating:
    """Do so, whatever time it is."""
    tenant = world.people.tenant
    owned = [str(row.client_id) for row in tenant.identities.all()]
    row = TenantIdentity.objects.create(
        tenant=tenant,
        purpose=Purpose.ROTATION,
        display_name="ELM-Credential-Rotation",
        client_id=uuid4(),
        secret_name="ELM-Credential-Rotation-Secret",
    )
    secret = f"rotation-{uuid4()}"
    seed = {
        "id": str(world.tenant_id),
        "applications": [
            {
                "client_id": str(row.client_id),
                "object_id": str(uuid4()),
                "display_name": row.display_name,
                "secret": secret,
                "graph_permissions": ["Application.ReadWrite.OwnedBy"],
                "owns": owned,
                **application,
            }
        ],
        "key_vault_secrets": {row.secret_name: secret},
        "key_vault_officers": [str(row.client_id)],
        "key_vault_readers": [str(UUID(settings.WORKLOAD_CLIENT_ID))],
    }
    world.simulator.control("POST", "/seed", {"tenants": [seed]})
    return Rotating(world)
