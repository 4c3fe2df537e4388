"""Rotation in five steps: the old credential stays until a whole preflight has proved the new one."""

from __future__ import annotations

import os
from datetime import timedelta
from io import StringIO
from typing import Any

import httpx
import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from audit_app.verify import verify_log
from core_app.errors import DomainError, PermissionRefused
from notifications_app.models import OutboxMessage
from provisioning_app import services
from provisioning_app.credentials import rotation
from provisioning_app.models import RotationRecord
from requests_app.choices import State, Zone
from tests.factories import make_people
from tests.microsoft import World
from tests.rotating import NEXT, Kind, Purpose, Rotating, Stage, make_rotating, set_clocks
from tests.screens import client_of, page_of, told
from tests.simulation.figures import report

ADD, REMOVE = r"/addPassword", r"/removePassword"
EVERY = 1 if os.environ.get("ELM_CRASH_POINTS") == "all" else 5  # make assurance takes all of them
DOWN = {"status": 503, "body": {"error": {"code": "ServiceUnavailable"}}}


@pytest.fixture
def rotating(world: World) -> Rotating:
    return make_rotating(world)


def entries(world: World, action: Action = Action.CREDENTIAL_ROTATED) -> Any:
    return ProvisioningLog.objects.filter(tenant_id=world.people.tenant.pk, action=action)


def before(calls: list[str], first: str, second: str) -> bool:
    place = [index for index, call in enumerate(calls) if first in call]
    later = [index for index, call in enumerate(calls) if second in call]
    return bool(place) and bool(later) and place[0] < later[0]


# The five steps


def test_a_secret_is_added_stored_proved_and_only_then_the_old_one_is_revoked_and_all_is_logged(rotating):
    (old,) = rotating.key_ids()
    seen = rotating.world.simulator.control("GET", "/journal")["next"]

    row = rotating.rotate()

    assert (row.stage, row.error) == (Stage.COMPLETED, "")
    (new,) = rotating.key_ids()
    assert new == row.key_id != old == row.old_key_id
    calls = rotating.calls(seen)
    assert before(calls, "addPassword", f"PUT secrets/{NEXT}")
    assert before(calls, f"PUT secrets/{NEXT}", "BusinessAppPlatform/tenant")
    assert before(calls, "environmentGroups", "PUT secrets/ELM-ServicePrincipal-Secret?")
    assert before(calls, "locations", "removePassword")
    assert before(calls, "GET environmentmanagement/environmentGroups/", "removePassword")
    assert before(calls, "v1.0/groups", "removePassword")
    assert before(calls, "PUT secrets/ELM-ServicePrincipal-Secret?", "removePassword")
    assert {proof["setting"] for proof in row.proof} == {
        "Key Vault",
        "tenant",
        "management application",
        "locations",
        "environment groups",
        "Power Platform API",
        "directory",
    }

    identity, stored = rotating.identity(), rotating.stored()
    assert (identity.key_id, identity.secret_version, identity.kind) == (new, stored.version, Kind.SECRET)
    assert stored.tags == {"keyId": new}
    assert identity.expires_on == stored.expires_on
    assert timedelta(days=179) < identity.expires_on - identity.created_on <= timedelta(days=180)
    entry = entries(rotating.world).get()
    assert (entry.success, entry.actor, entry.chain) == (
        True,
        str(rotating.identity(Purpose.ROTATION).client_id),
        rotating.world.people.tenant.log_chain().key,
    )
    assert entry.action_details["key_id"] == new
    assert entry.action_details["revoked_key_id"] == old
    assert entry.action_details["requested_by"] == rotating.world.people.operator.upn
    assert stored.value not in entry.canonical if isinstance(entry.canonical, str) else True
    assert verify_log().ok


def test_provisioning_goes_on_with_the_new_secret_also_where_the_old_one_was_still_in_memory(rotating):
    first = rotating.world.provision(Zone.ZONE_2)
    row = rotating.rotate()
    assert row.stage == Stage.COMPLETED, row.error

    second = rotating.world.provision(Zone.ZONE_2)

    assert (first.state, second.state) == (State.COMPLETED, State.COMPLETED)
    assert not rotating.world.halted


@pytest.mark.simulated
def test_a_secret_gives_way_to_a_certificate_and_that_to_the_next_certificate(rotating):
    first = rotating.rotate(kind=Kind.CERTIFICATE)

    assert first.stage == Stage.COMPLETED, first.error
    identity = rotating.identity()
    assert (identity.kind, identity.secret_name) == (Kind.CERTIFICATE, "ELM-ServicePrincipal-Certificate")
    assert identity.expires_on - identity.created_on == timedelta(days=365)
    assert rotating.key_ids() == [first.key_id]
    assert rotating.stored().value.count("PRIVATE KEY") == 2

    second = rotating.rotate()

    assert second.stage == Stage.COMPLETED, second.error
    assert second.old_key_id == first.key_id
    assert rotating.key_ids() == [second.key_id]
    set_clocks(rotating.world)
    assert rotating.world.provision(Zone.ZONE_2).state == State.COMPLETED


@pytest.mark.simulated
@pytest.mark.parametrize("purpose", [Purpose.DIRECTORY, Purpose.ROTATION])
def test_every_identity_can_be_rotated_the_rotation_identity_itself_too(rotating, purpose):
    (old,) = rotating.key_ids(purpose)

    row = rotating.rotate(purpose)

    assert row.stage == Stage.COMPLETED, row.error
    assert rotating.key_ids(purpose) == [row.key_id]
    assert row.key_id != old
    assert rotating.rotate().stage == Stage.COMPLETED


def test_other_credentials_of_the_application_stay(rotating):
    client_id = str(rotating.identity().client_id)
    application = rotating.application()
    current = rotating.stored().value
    again = {
        "client_id": client_id,
        "object_id": application["object_id"],
        "display_name": "x",
        "secrets": [current, "zz-somebody-elses"],
        "management_application": True,
    }
    rotating.world.simulator.control(
        "POST", "/seed", {"tenants": [{"id": str(rotating.world.tenant_id), "applications": [again]}]}
    )

    row = rotating.rotate()

    assert row.stage == Stage.COMPLETED, row.error
    assert len(rotating.key_ids()) == 2
    assert row.key_id in rotating.key_ids()
    assert row.old_key_id not in rotating.key_ids()


# Proof before revocation


@pytest.mark.simulated
def test_a_new_secret_that_entra_does_not_accept_everywhere_yet_is_waited_for(rotating):
    rotating.world.pass_until(rotating.world.clock.at + timedelta(minutes=5))
    timing = {"tenant": str(rotating.world.tenant_id), "secret_propagation_seconds": 120}
    rotating.world.simulator.control("POST", "/timing", timing)
    (old,) = rotating.key_ids()

    row = rotating.rotate()

    assert row.stage == Stage.STAGED
    assert "7000215" in row.error
    assert old in rotating.key_ids()
    assert rotating.stored().value != rotating.stored(NEXT).value
    assert not rotating.world.halted

    began = rotating.world.clock.at
    rotating.until_settled(row)
    assert row.stage == Stage.COMPLETED, row.error
    assert timedelta(minutes=1) < rotating.world.clock.at - began < timedelta(minutes=4)
    assert rotating.key_ids() == [row.key_id]


@pytest.mark.simulated
@pytest.mark.simulated
def test_a_new_secret_that_the_power_platform_api_refuses_does_not_replace_the_old_one(rotating):
    (old,) = rotating.key_ids()
    refusal = {"status": 403, "body": {"error": {"code": "Forbidden"}}, "count": 0}
    rotating.world.fault(host="power_platform", method="GET", path="environmentGroups/", **refusal)

    row = rotating.rotate()

    assert row.stage == Stage.STAGED
    assert "environmentGroups" in row.error
    assert old in rotating.key_ids()
    assert rotating.identity().key_id != row.key_id


def test_a_new_certificate_that_entra_does_not_accept_everywhere_yet_is_waited_for(rotating):
    timing = {"tenant": str(rotating.world.tenant_id), "certificate_propagation_seconds": 60}
    rotating.world.simulator.control("POST", "/timing", timing)
    (old,) = rotating.key_ids()

    row = rotating.rotate(kind=Kind.CERTIFICATE)

    assert row.stage == Stage.STAGED
    assert "700027" in row.error
    assert old in rotating.key_ids()
    assert not rotating.world.halted

    rotating.until_settled(row)
    assert row.stage == Stage.COMPLETED, row.error
    assert rotating.key_ids() == [row.key_id]


@pytest.mark.simulated
def test_a_new_secret_that_is_never_proved_is_removed_again_and_the_old_one_stays(rotating):
    (old,) = rotating.key_ids()
    held = rotating.stored().version
    rotating.world.fault(
        host="bap", path="environmentGroups", count=0, status=403, body={"error": {"code": "Forbidden"}}
    )

    row = rotating.rotate()
    assert row.stage == Stage.STAGED
    assert old in rotating.key_ids()
    rotating.until_settled(row)

    assert row.stage == Stage.ABANDONED
    assert "Forbidden" in row.error
    assert rotating.key_ids() == [old]
    assert rotating.stored().version == held
    assert rotating.identity().key_id == old
    assert row.revoked_at is None
    assert not any("removePassword" in call for call in rotating.calls() if old in call)
    entry = entries(rotating.world).get()
    assert (entry.success, entry.action_details["revoked_key_id"]) == (False, "")
    message = OutboxMessage.objects.get(event="rotation_failed")
    assert message.recipient == rotating.world.people.operator
    rotating.world.simulator.control("DELETE", "/faults")
    assert rotating.rotate().stage == Stage.COMPLETED


def test_nothing_is_revoked_while_the_new_credential_is_not_listed_on_the_application(rotating):
    application = rotating.application()
    (old,) = rotating.key_ids()
    rotating.world.fault(host="graph", method="POST", path=REMOVE, **DOWN)
    row = rotating.rotate()
    assert row.stage == Stage.IN_FORCE
    without_the_new_one = {
        "id": application["object_id"],
        "appId": application["client_id"],
        "passwordCredentials": [{"keyId": old, "displayName": "seed", "hint": "sec"}],
    }
    rotating.world.fault(host="graph", method="GET", path="applications", status=200, body=without_the_new_one)
    rotating.world.pass_until(row.next_at)

    rotating.world.simulator.control("DELETE", "/journal")
    rotation.advance(row.pk)

    row.refresh_from_db()
    assert row.stage == Stage.IN_FORCE
    assert "the old one stays" in row.error
    assert not any("removePassword" in call for call in rotating.calls())
    rotating.until_settled(row)
    assert row.stage == Stage.COMPLETED
    assert rotating.key_ids() == [row.key_id]


def test_the_database_too_refuses_a_revocation_before_the_proof(rotating):
    row = rotating.start()
    row.revoked_at = rotating.world.clock.at

    with pytest.raises(IntegrityError, match="nothing_revoked_before_proved"), transaction.atomic():
        row.save()


# What can get lost


@pytest.mark.simulated
@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
@pytest.mark.parametrize(
    ("host", "method", "path"),
    [
        ("graph", "POST", ADD),
        ("key_vault", "PUT", NEXT),
        ("key_vault", "PUT", r"ELM-ServicePrincipal-Secret\?"),
        ("graph", "POST", REMOVE),
        ("key_vault", "PATCH", NEXT),
    ],
)
def test_a_lost_answer_leaves_one_credential_and_that_is_the_one_in_the_vault(rotating, host, method, path, kind):
    rotating.world.fault(host=host, method=method, path=path, **{kind: True})

    row = rotating.until_settled(rotating.rotate())

    assert row.stage == Stage.COMPLETED, row.error
    assert rotating.key_ids() == [row.key_id]
    assert rotating.stored().tags == {"keyId": row.key_id}
    assert rotating.identity().key_id == row.key_id
    assert entries(rotating.world).count() == 1


@pytest.mark.simulated
@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_a_lost_answer_to_a_change_of_certificates_leaves_one_certificate(rotating, kind):
    rotating.world.fault(host="graph", method="PATCH", path="applications", **{kind: True})

    row = rotating.until_settled(rotating.rotate(kind=Kind.CERTIFICATE))

    assert row.stage == Stage.COMPLETED, row.error
    assert rotating.key_ids() == [row.key_id]


class Killed(BaseException):
    """The worker is gone: nothing of ours may catch it."""


@pytest.mark.simulated
@pytest.mark.crash_points
@pytest.mark.parametrize("kind", Kind.values)
def test_a_worker_killed_before_or_after_any_call_is_followed_by_one_that_finishes(rotating, monkeypatch, kind):
    send = httpx.Client.send
    count = {"now": 0, "kill": 0}
    is_after = False

    def counted(client: httpx.Client, *args: Any, **options: Any) -> httpx.Response:
        if "localhost" not in str(args[0].url) and "127.0.0.1" not in str(args[0].url):
            return send(client, *args, **options)
        count["now"] += 1
        if count["now"] == count["kill"] and not is_after:
            raise Killed
        response = send(client, *args, **options)
        if count["now"] == count["kill"]:
            response.close()
            raise Killed
        return response

    rotating.rotate(kind=kind)
    row = rotating.start()
    with monkeypatch.context() as patch:
        patch.setattr(httpx.Client, "send", counted)
        rotation.advance(row.pk)
    points = count["now"]
    assert points > 10
    chosen = [(point, when) for point in range(1, points + 1) for when in (False, True)][::EVERY]
    report("crash points of a rotation", **{f"calls of a rotation of a {kind}": points}, deaths=len(chosen))

    for point, is_after in chosen:
        set_clocks(rotating.world)
        count.update(now=0, kill=point)
        row = rotating.start()
        with monkeypatch.context() as patch:
            patch.setattr(httpx.Client, "send", counted)
            with pytest.raises(Killed):
                rotation.advance(row.pk)
        row.refresh_from_db()
        rotation.advance(row.pk)
        row.refresh_from_db()
        assert row.is_live, "nobody takes over while the lease holds"
        rotating.world.clock.at = row.next_at
        rotating.until_settled(row)
        assert row.stage == Stage.COMPLETED, (point, is_after, row.error)
        assert rotating.key_ids() == [row.key_id], (point, is_after)
        assert rotating.stored().tags["keyId"] == row.key_id
        assert entries(rotating.world).filter(correlation_id=str(row.pk)).count() == 1
    assert verify_log().ok


def test_a_worker_that_was_taken_over_changes_nothing_any_more(rotating):
    row = rotating.start()
    claim = rotation.take(row.pk)
    rotating.world.pass_until(rotating.world.clock.at + timedelta(minutes=4))
    rotation.advance(row.pk)

    with pytest.raises(rotation.FenceLostError):
        claim.renew()
    row.refresh_from_db()
    assert row.stage == Stage.COMPLETED


# Who, when, how often


def test_two_rotations_of_one_credential_at_once_are_refused(rotating):
    row = rotating.start()

    with pytest.raises(DomainError, match="is being rotated since"):
        rotating.start()
    with (
        pytest.raises(IntegrityError, match=r"one_live_rotation_per_identity|rotationrecord\.identity_id"),
        transaction.atomic(),
    ):
        RotationRecord.objects.create(
            tenant=row.tenant,
            identity=row.identity,
            kind=row.kind,
            secret_name=row.secret_name,
            started_at=row.started_at,
            stage_at=row.stage_at,
            next_at=row.next_at,
        )
    assert rotating.start(Purpose.DIRECTORY).stage == Stage.PREPARING


def test_only_an_operator_of_the_tenant_rotates(rotating):
    people, stranger = rotating.world.people, make_people()

    for person in (people.governance_lead, people.auditor, people.approver, people.requester, stranger.operator):
        with pytest.raises(PermissionRefused, match="ELM Operator"):
            services.rotate_credential(people.tenant.pk, Purpose.PROVISIONING, by=person)
    assert not RotationRecord.objects.exists()
    row = services.rotate_credential(people.tenant.pk, Purpose.PROVISIONING, by=people.operator)
    started = entries(rotating.world, Action.CREDENTIAL_ROTATION_STARTED).get()
    assert (started.actor, started.correlation_id) == (people.operator.upn, str(row.pk))


def test_without_a_rotation_identity_or_the_identity_asked_for_nothing_is_started(world):
    people = world.people

    with pytest.raises(DomainError, match="has no rotation identity"):
        services.rotate_credential(people.tenant.pk, Purpose.PROVISIONING, by=people.operator)
    with pytest.raises(DomainError, match="no identity for the purpose rollback"):
        services.rotate_credential(people.tenant.pk, Purpose.ROLLBACK, by=people.operator)
    with pytest.raises(DomainError, match="no kind of credential"):
        services.rotate_credential(people.tenant.pk, Purpose.PROVISIONING, by=people.operator, kind="passkey")


def test_a_rotation_identity_without_its_permission_changes_nothing(world):
    rotating = make_rotating(world, graph_permissions=[])
    (old,) = rotating.key_ids()

    row = rotating.rotate()

    assert row.stage == Stage.ABANDONED
    assert "Authorization_RequestDenied" in row.error
    assert rotating.key_ids() == [old]


def test_a_rotation_identity_rotates_only_what_it_owns(world):
    rotating = make_rotating(world, owns=[])

    assert rotating.rotate().stage == Stage.ABANDONED
    assert rotating.rotate(Purpose.ROTATION).stage == Stage.COMPLETED


def test_where_the_old_credential_cannot_be_told_apart_nothing_is_added(rotating):
    twin = rotating.stored().value[:3] + "-a-twin-by-its-hint"
    application = {
        "client_id": str(rotating.identity().client_id),
        "display_name": "x",
        "secrets": [rotating.stored().value, twin],
    }
    rotating.world.simulator.control(
        "POST", "/seed", {"tenants": [{"id": str(rotating.world.tenant_id), "applications": [application]}]}
    )

    row = rotating.rotate()

    assert row.stage == Stage.ABANDONED
    assert "cannot be told" in row.error
    assert len(rotating.key_ids()) == 2


@pytest.mark.simulated
def test_a_revocation_that_keeps_failing_is_tried_for_ever_and_reported_once(rotating):
    rotating.world.fault(host="graph", method="POST", path=REMOVE, count=0, **DOWN)
    row = rotating.rotate()

    rotating.until_settled(row, minutes=300)

    assert row.stage == Stage.IN_FORCE
    assert rotating.identity().key_id == row.key_id
    assert OutboxMessage.objects.filter(event="rotation_failed").count() == 1
    rotating.world.simulator.control("DELETE", "/faults")
    assert rotating.until_settled(row, minutes=120).stage == Stage.COMPLETED


def test_an_unforeseen_error_is_told_without_its_words(rotating, monkeypatch):
    def broken(desk: Any) -> None:
        raise ZeroDivisionError("a-secret-in-a-traceback")

    monkeypatch.setattr("provisioning_app.credentials.proof.prove", broken)

    row = rotating.rotate()

    assert (row.stage, row.error) == (Stage.STAGED, "Unexpected ZeroDivisionError.")


# The command and the button


def run(name: str, *arguments: str) -> tuple[int, str, str]:
    out, err = StringIO(), StringIO()
    try:
        call_command(name, *arguments, stdout=out, stderr=err)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_the_command_rotates_and_tells_each_stage(rotating):
    tenant = rotating.world.people.tenant
    secret = rotating.stored().value

    code, out, err = run("rotate_credential", "--tenant", tenant.name, "--purpose", "provisioning")

    assert (code, err) == (0, "")
    assert "Rotated" in out
    assert rotating.identity().key_id in out
    assert secret not in out
    assert rotating.stored().value not in out
    assert entries(rotating.world).get().action_details["requested_by"] == "System"


def test_the_command_says_why_it_cannot_begin_and_which_tenants_there_are(world):
    name = world.people.tenant.name

    assert run("rotate_credential", "--tenant", name, "--purpose", "provisioning")[0] == 2
    code, _, err = run("rotate_credential", "--tenant", "Nobody", "--purpose", "provisioning")
    assert code == 2
    assert name in err


def test_the_command_fails_when_the_rotation_is_abandoned(world):
    make_rotating(world, graph_permissions=[])

    code, _, err = run("rotate_credential", "--tenant", world.people.tenant.name, "--purpose", "provisioning")

    assert code == 1
    assert "Abandoned" in err


def test_an_operator_rotates_from_the_identitys_page_and_an_auditor_is_not_offered_it(rotating):
    identity, people = rotating.identity(), rotating.world.people
    address = page_of(identity, "rotate")

    answer = client_of(people.operator).post(address, {"_form_submitted": "on", "kind": "certificate"})

    assert told(answer, people.operator) == [f"The credential of {identity} is being rotated."]
    assert RotationRecord.objects.get().kind == Kind.CERTIFICATE
    assert client_of(people.auditor).get(address).status_code == 403
    again = client_of(people.operator).post(address, {"_form_submitted": "on", "kind": ""})
    assert "is being rotated since" in told(again, people.operator)[0]
