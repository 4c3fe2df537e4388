"""The credentials of the demo: dated in the inventory, and rotated by its operators at the simulator."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from accounts_app.models import TenantIdentity
from accounts_app.roles import Role
from elm_project.demo import people, simulator_seed
from elm_project.demo.folder import WORKLOAD_CLIENT_ID
from provisioning_app import services
from provisioning_app.credentials.clocks import days_left
from tests.microsoft import WorldMaker

PASSWORD = "a password of the demo"


def test_every_credential_has_its_dates_and_an_operator_can_rotate_it(make_world: WorldMaker, settings: Any) -> None:
    cloud, now = make_world.simulator, datetime.now(UTC)
    make_world.clock.at = now
    cloud.control("POST", "/clock", {"set": now.isoformat()})
    settings.WORKLOAD_CLIENT_ID = str(WORKLOAD_CLIENT_ID)
    seed = simulator_seed.seed(make_world.workload_secret)
    cloud.control("POST", "/seed", {"tenants": seed["tenants"]})
    vault = cloud.ready["endpoints"]["key_vault"]
    people.set_up(password=PASSWORD, key_vault_url=vault)

    people.take_inventory()

    identities = TenantIdentity.objects.select_related("tenant")
    assert all(identity.key_id and days_left(identity) in (59, 60) for identity in identities)
    before = identities.filter(purpose=TenantIdentity.Purpose.PROVISIONING)[0]
    operator = people.person_of(before.tenant, Role.OPERATOR)
    row = services.rotate_credential(
        before.tenant_id, before.purpose, by=operator, kind=TenantIdentity.Kind.CERTIFICATE
    )
    services.advance_rotation(row.pk)
    row.refresh_from_db()
    assert row.stage == row.Stage.COMPLETED, row.error

    # The same cloud has the certificate; a new one knows only the first secrets
    people.set_up(password=PASSWORD, key_vault_url=vault, is_new_cloud=False)
    assert identities.get(pk=before.pk).secret_name == "ELM-ServicePrincipal-Certificate"
    people.set_up(password=PASSWORD, key_vault_url=vault)
    assert identities.get(pk=before.pk).secret_name == "ELM-ServicePrincipal-Secret"
