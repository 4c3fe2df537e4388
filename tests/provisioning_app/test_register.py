"""Registering a service principal: what can be automated is done, the rest is listed for a person."""

from __future__ import annotations

from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command

from accounts_app.models import TenantIdentity
from provisioning_app.credentials.registration import Outcome, Step, Wanted, register
from tests.microsoft import World
from tests.rotating import Kind, Purpose, Rotating, make_rotating


@pytest.fixture
def rotating(world: World) -> Rotating:
    return make_rotating(world)


def a_new_application(rotating: Rotating, **fields: object) -> str:
    """Make an app registration without a credential, owned by the rotation identity, as a person in a portal does."""
    client_id, rotation = str(uuid4()), rotating.identity(Purpose.ROTATION)
    known = rotating.application(Purpose.ROTATION)
    applications = [
        {"client_id": client_id, "object_id": str(uuid4()), "display_name": "ELM-Rollback", **fields},
        {
            "client_id": str(rotation.client_id),
            "object_id": known["object_id"],
            "display_name": rotation.display_name,
            "secret": rotating.stored(rotation.secret_name).value,
            "graph_permissions": ["Application.ReadWrite.OwnedBy"],
            "owns": [client_id],
        },
    ]
    seed = {"id": str(rotating.world.tenant_id), "applications": applications}
    rotating.world.simulator.control("POST", "/seed", {"tenants": [seed]})
    return client_id


def command(rotating: Rotating, client_id: str, *more: str) -> tuple[int, str]:
    out, err = StringIO(), StringIO()
    name = rotating.world.people.tenant.name
    with pytest.raises(SystemExit) as end:
        call_command(
            "register_service_principal", "--tenant", name, "--client-id", client_id, *more, stdout=out, stderr=err
        )
    return int(end.value.code or 0), out.getvalue() + err.getvalue()


def test_a_dry_run_prints_everything_and_changes_nothing(rotating):
    client_id = a_new_application(rotating)
    seen = rotating.world.simulator.control("GET", "/journal")["next"]

    code, out = command(rotating, client_id, "--purpose", "rollback", "--dry-run")

    assert code == 0
    assert "[would do] Enter it in the inventory" in out
    assert "[would do] Make a client secret and store it in Key Vault" in out
    assert "[by a person] Register it as a Power Platform management application" in out
    assert f"New service principal: {client_id}" in out
    assert not TenantIdentity.objects.filter(purpose=Purpose.ROLLBACK).exists()
    changes = [call for call in rotating.calls(seen) if call.split()[0] in ("PUT", "PATCH") or "Password" in call]
    assert changes == []


def test_a_registered_application_gets_its_first_credential_proved_and_its_row(rotating):
    client_id = a_new_application(rotating, management_application=True)

    code, out = command(rotating, client_id, "--purpose", "rollback", "--kind", "certificate")

    assert code == 0, out
    identity = rotating.identity(Purpose.ROLLBACK)
    assert (identity.kind, identity.secret_name) == (Kind.CERTIFICATE, "ELM-Rollback-Certificate")
    assert rotating.key_ids(Purpose.ROLLBACK) == [identity.key_id]
    assert rotating.stored(identity.secret_name).tags == {"keyId": identity.key_id}
    assert "[done] Check it with a whole preflight" in out
    again, out = command(rotating, client_id, "--purpose", "rollback")
    assert again == 0
    assert "holds key" in out
    assert rotating.key_ids(Purpose.ROLLBACK) == [identity.key_id]


def test_a_credential_that_is_in_the_vault_already_only_enters_the_inventory(rotating):
    (key,) = rotating.key_ids()
    client_id = str(rotating.identity().client_id)

    code, out = command(rotating, client_id)

    assert code == 0, out
    identity = rotating.identity()
    assert identity.key_id == key
    assert identity.created_on is not None
    assert identity.expires_on is not None
    assert rotating.key_ids() == [key]


def test_an_application_that_does_not_exist_is_left_to_a_person(rotating):
    code, out = command(rotating, str(uuid4()), "--purpose", "rollback")

    assert code == 1
    assert "[by a person] Register the application in Microsoft Entra" in out
    assert "New registration" in out
    assert "[failed] Check it with a whole preflight" in out


def test_one_purpose_has_one_application(rotating):
    code, out = command(rotating, str(uuid4()))

    assert code == 1
    assert "has this purpose" in out


def test_an_unknown_tenant_is_named(world):
    with pytest.raises(SystemExit) as end:
        call_command("register_service_principal", "--tenant", "Nobody", "--client-id", str(uuid4()), stderr=StringIO())
    assert end.value.code == 2


@pytest.mark.parametrize("purpose", Purpose)
def test_every_purpose_names_what_a_person_must_do(world, purpose):
    wanted = Wanted(world.people.tenant, Purpose(purpose), uuid4(), dry_run=True)

    steps: list[Step] = list(register(wanted, perform=lambda row: row))

    by_hand = [step for step in steps if step.outcome == Outcome.PERSON]
    assert by_hand
    assert all(step.detail for step in steps)
    assert any("Key Vault Secrets User" in step.detail for step in by_hand)
