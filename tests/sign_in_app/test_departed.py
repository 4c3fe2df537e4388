"""Who is disabled in Entra, or gone, is deactivated here before their session ends by itself."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, connection

from accounts_app.directory import look_for_departed
from accounts_app.models import User
from accounts_app.tasks import look_for_departed as tick
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from tests.microsoft import World, WorldMaker
from tests.screens import client_of


def at_microsoft(*people: User, **more: Any) -> dict[str, Any]:
    """Return what lets people exist in the simulated Entra."""
    return {"users": [{"id": str(each.entra_object_id), "upn": each.upn, **more} for each in people]}


def seed(world: World, document: dict[str, Any]) -> None:
    tenant = {"id": str(world.tenant_id), "name": world.people.tenant.name}
    world.simulator.control("POST", "/seed", {"tenants": [tenant | document]})


@pytest.fixture
def signed_in(make_world: WorldMaker) -> tuple[World, dict[str, Any]]:
    """A tenant whose approver and auditor have a session; the auditor is not known to Entra."""
    world = make_world()
    return world, {name: client_of(getattr(world.people, name)) for name in ("approver", "auditor")}


def out(clients: dict[str, Any]) -> set[str]:
    return {name for name, client in clients.items() if client.get("/admin/").status_code == 302}


def test_who_is_disabled_or_gone_is_out_with_the_next_click_and_the_log_says_why(signed_in: Any) -> None:
    (world, clients), people = signed_in, signed_in[0].people
    tick()
    assert out(clients) == {"auditor"}
    seed(world, at_microsoft(people.approver, enabled=False))

    assert (look_for_departed(), look_for_departed()) == (1, 0)

    assert out(clients) == {"auditor", "approver"}
    told = ProvisioningLog.objects.filter(tenant=people.tenant, action=Action.PERSON_DEACTIVATED).order_by("sequence")
    assert [(entry.actor, entry.action_details) for entry in told] == [
        ("System", {"person": person.upn, "reason": f"Microsoft Entra {why}"})
        for person, why in (
            (people.auditor, "does not know the account any more."),
            (people.approver, "says that the account is disabled."),
        )
    ]
    assert User.objects.get(pk=people.requester.pk).is_active  # has no session: nobody asked


def test_a_directory_that_knows_nobody_or_does_not_answer_shuts_nobody_out(
    signed_in: Any, caplog: pytest.LogCaptureFixture
) -> None:
    world, clients = signed_in
    User.objects.filter(pk=world.people.approver.pk).update(last_login=None)
    assert look_for_departed() == 0
    assert "directory_knows_nobody" in caplog.text
    world.fault(host="graph", status=403, count=0)
    assert look_for_departed() == 0
    assert "directory_not_asked" in caplog.text
    assert out(clients) == set()


def test_one_person_who_cannot_be_deactivated_keeps_no_other_in(signed_in: Any) -> None:
    (world, clients), people = signed_in, signed_in[0].people
    seed(world, at_microsoft(people.approver, enabled=False))

    def full(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("INSERT INTO") and people.approver.upn in str(params):
            raise OperationalError("The disk is full.")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(full):
        tick()
    assert out(clients) == {"auditor"}
    assert look_for_departed() == 1
    assert out(clients) == {"auditor", "approver"}
