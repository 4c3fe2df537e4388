"""What Microsoft Graph says about a group, through Key Vault, Entra and Graph as the simulator answers them."""

from __future__ import annotations

import base64
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from cryptography.x509.oid import NameOID
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from accounts_app.cloud import cloud_for, endpoints, forget_secret
from accounts_app.models import TenantIdentity
from audit_app.actions import Action
from core_app.errors import InvalidInputError
from microsoft_cloud import Endpoints
from microsoft_cloud.errors import AuthenticationError
from requests_app import directory
from requests_app.choices import State, Zone
from requests_app.directory import Directory, ResolvedGroup, look_up
from requests_app.models import EnvironmentRequest
from requests_app.services import submit, sweeps
from tests.factories import make_request
from tests.microsoft import GROUP_NAME, World, WorldMaker

Purpose = TenantIdentity.Purpose


def draft_naming(world: World, **group: str) -> EnvironmentRequest:
    return make_request(people=world.people, zone=Zone.ZONE_2, **{"security_group_name": "", **group})


def reader_of(world: World) -> TenantIdentity:
    return world.people.tenant.identities.get(purpose=Purpose.DIRECTORY)


def vault_reads(world: World, purpose: TenantIdentity.Purpose = Purpose.DIRECTORY) -> int:
    """Count how often an identity's secret was read."""
    secret = world.people.tenant.identities.get(purpose=purpose).secret_name
    calls = world.simulator.control("GET", "/journal", tenant=str(world.tenant_id), host="key_vault")["entries"]
    return sum(secret in call["url"] for call in calls)


def new_secret(world: World, value: str) -> None:
    """Give the directory reader another secret, at Entra and in the vault; the old one is revoked."""
    applications = [
        {"client_id": str(reader_of(world).client_id), "object_id": str(uuid4()), "display_name": "x", "secret": value}
    ]
    seed = {
        "id": str(world.tenant_id),
        "applications": applications,
        "key_vault_secrets": {"ELM-Directory-Reader": value},
    }
    world.simulator.control("POST", "/seed", {"tenants": [seed]})


def test_a_group_is_found_by_name_and_by_object_id(world: World) -> None:
    found = Directory(ResolvedGroup(world.group_id, GROUP_NAME))
    assert look_up(draft_naming(world, security_group_name=GROUP_NAME)) == found
    assert look_up(draft_naming(world, security_group_id=world.group_id.upper())) == found


def test_the_object_id_counts_where_both_are_given(world: World) -> None:
    draft = draft_naming(world, security_group_id=world.group_id, security_group_name="Somebody else")
    assert look_up(draft).group == ResolvedGroup(world.group_id, GROUP_NAME)


def test_without_a_group_the_directory_is_not_asked(world: World) -> None:
    assert look_up(make_request(people=world.people)) == Directory()
    assert vault_reads(world) == 0


@pytest.mark.parametrize(
    ("groups", "advice"),
    [
        ([], "has no group 'SG-New'; check its name or object id"),
        ([{"display_name": "SG-New"}, {"display_name": "SG-New"}], "several groups named 'SG-New'; give the object id"),
        ([{"display_name": "SG-New", "security_enabled": False}], "not security-enabled"),
    ],
)
def test_a_group_that_cannot_guard_is_a_problem_that_says_what_to_do(
    make_world: WorldMaker, groups: list[dict[str, Any]], advice: str
) -> None:
    world = make_world(seed={"groups": groups})
    with pytest.raises(InvalidInputError, match=advice) as refused:
        look_up(draft_naming(world, security_group_name="SG-New"))
    assert [name for name, _ in refused.value.problems] == ["security_group_id"]


def test_it_is_never_asked_inside_a_transaction(world: World) -> None:
    draft = draft_naming(world, security_group_name=GROUP_NAME)
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        look_up(draft)


@pytest.mark.parametrize("service", ["graph", "key_vault", "login"])
def test_an_outage_is_told_in_one_sentence_that_repeats_itself(world: World, service: str) -> None:
    world.fault(host=service, status=503, count=0)
    draft = draft_naming(world, security_group_name=GROUP_NAME)
    first, second = look_up(draft), look_up(draft)
    assert first == second
    assert first.group is None
    assert f"'{GROUP_NAME}' could not be looked up ({service}: " in first.unavailable


@pytest.mark.parametrize("service", ["graph", "login", "bap"])
def test_a_person_waits_ten_seconds_at_most_and_the_sweep_goes_on(
    world: World, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert directory.ANSWER_SECONDS == 10
    monkeypatch.setattr(directory, "ANSWER_SECONDS", 0.8)
    world.fault(host=service, delay=30, count=0)
    draft, began = draft_naming(world, security_group_name=GROUP_NAME), time.monotonic()

    request = submit(draft.pk, by=draft.requester, directory=look_up(draft))

    assert time.monotonic() - began < 15
    if service == "bap":  # the locations are asked for again by the preflight
        assert request.state == State.PENDING_APPROVAL
        return
    assert request.state == State.SUBMITTED
    entry = request.log_entries.get(action=Action.ROUTING_DELAYED)
    assert f"'{GROUP_NAME}' could not be looked up ({service}: " in entry.error_message
    world.simulator.control("DELETE", "/faults")
    sweeps.route_waiting()
    request.refresh_from_db()
    assert request.state == State.PENDING_APPROVAL


def test_a_vault_that_refuses_the_workload_is_not_gone_around(world: World) -> None:
    body = {"error": {"code": "Forbidden", "message": "Caller is not authorized. Secret: hunter2"}}
    world.fault(host="key_vault", status=403, body=body, count=0)
    found = look_up(draft_naming(world, security_group_name=GROUP_NAME))
    assert "(key_vault: Forbidden)" in found.unavailable
    assert "hunter2" not in found.unavailable


def test_a_tenant_without_a_directory_reader_waits_for_one(world: World) -> None:
    reader_of(world).delete()
    assert "NoIdentity" in look_up(draft_naming(world, security_group_name=GROUP_NAME)).unavailable


def test_a_secret_is_kept_for_five_minutes_and_read_again_afterwards(world: World) -> None:
    draft = draft_naming(world, security_group_name=GROUP_NAME)
    look_up(draft)
    world.clock.advance(minutes=4, seconds=59)
    look_up(draft)
    assert vault_reads(world) == 1
    world.clock.advance(seconds=1)
    look_up(draft)
    assert vault_reads(world) == 2


def test_another_version_of_the_secret_is_read_at_once(world: World) -> None:
    draft, reader = draft_naming(world, security_group_name=GROUP_NAME), reader_of(world)
    look_up(draft)
    reader.secret_version = "2"
    reader.save()
    look_up(draft)
    assert vault_reads(world) == 2


def test_a_forgotten_secret_is_read_again(world: World) -> None:
    draft = draft_naming(world, security_group_name=GROUP_NAME)
    look_up(draft)
    forget_secret(reader_of(world))
    look_up(draft)
    assert vault_reads(world) == 2


def test_a_secret_that_was_rotated_since_it_was_read_is_replaced_without_an_error(world: World) -> None:
    graph = cloud_for(world.people.tenant, Purpose.DIRECTORY).graph
    graph.group(GROUP_NAME)
    new_secret(world, "rotated-secret")
    world.fault(host="graph", status=401, count=1)  # the old token is revoked with its secret
    assert graph.group(GROUP_NAME).id == world.group_id
    assert vault_reads(world) == 2


def test_a_secret_that_entra_refuses_is_an_error_and_is_not_kept(world: World) -> None:
    seed = {"id": str(world.tenant_id), "key_vault_secrets": {"ELM-Directory-Reader": "wrong"}}
    world.simulator.control("POST", "/seed", {"tenants": [seed]})
    graph = cloud_for(world.people.tenant, Purpose.DIRECTORY).graph
    with pytest.raises(AuthenticationError, match="7000215") as refused:
        graph.group(GROUP_NAME)
    assert "wrong" not in str(refused.value)
    reads = vault_reads(world)
    with pytest.raises(AuthenticationError):
        graph.group(GROUP_NAME)
    assert vault_reads(world) > reads


def test_provisioning_reads_graph_as_the_directory_reader(world: World) -> None:
    cloud = cloud_for(world.people.tenant, Purpose.PROVISIONING, correlation_id="run-1")
    assert cloud.graph.group(GROUP_NAME).id == world.group_id
    assert cloud.correlation_id == "run-1"
    cloud.bap.locations()
    assert vault_reads(world) == vault_reads(world, Purpose.PROVISIONING) == 1


def test_a_tenant_without_a_vault_has_no_secret(world: World) -> None:
    tenant = world.people.tenant
    tenant.key_vault_url = ""
    tenant.save()
    with pytest.raises(AuthenticationError, match="has no Key Vault URL"):
        cloud_for(tenant, Purpose.DIRECTORY).graph.group(GROUP_NAME)


def test_a_worker_without_an_identity_says_which_settings_are_missing(world: World, settings: Any) -> None:
    settings.WORKLOAD_SECRET_FILE = ""
    with pytest.raises(AuthenticationError, match="ELM_WORKLOAD_SECRET_FILE"):
        cloud_for(world.people.tenant, Purpose.DIRECTORY).graph.group(GROUP_NAME)


@pytest.mark.parametrize("form", ["pem", "pkcs12"])
def test_a_certificate_is_read_as_pem_or_as_base64_of_pkcs12(world: World, form: str) -> None:
    certificate, stored = a_certificate(form)
    reader = reader_of(world)
    reader.kind, reader.secret_version = TenantIdentity.Kind.CERTIFICATE, "certificate"
    reader.save()
    application = {"client_id": str(reader.client_id), "display_name": "reader", "certificate_pem": certificate}
    seed = {
        "id": str(world.tenant_id),
        "applications": [application],
        "key_vault_secrets": {"ELM-Directory-Reader": stored},
    }
    world.simulator.control("POST", "/seed", {"tenants": [seed]})
    assert cloud_for(world.people.tenant, Purpose.DIRECTORY).graph.group(GROUP_NAME).id == world.group_id


def test_a_malformed_certificate_is_named_and_not_shown(world: World) -> None:
    reader = reader_of(world)
    reader.kind = TenantIdentity.Kind.CERTIFICATE
    reader.save()
    seed = {"id": str(world.tenant_id), "key_vault_secrets": {"ELM-Directory-Reader": "not base64!"}}
    world.simulator.control("POST", "/seed", {"tenants": [seed]})
    with pytest.raises(AuthenticationError, match="Directory reader in Key Vault is malformed") as refused:
        cloud_for(world.people.tenant, Purpose.DIRECTORY).graph.group(GROUP_NAME)
    assert "base64" not in str(refused.value)


def test_without_a_table_the_public_cloud_is_meant(settings: Any) -> None:
    settings.CLOUD_ENDPOINTS_FILE = ""
    assert endpoints() == Endpoints.public()


def test_a_table_of_a_sovereign_cloud_is_read_and_read_again_when_it_changes(settings: Any, tmp_path: Path) -> None:
    table = tmp_path / "cloud.json"
    table.write_text('{"cloud": "gcc"}')
    os.utime(table, ns=(1, 1))
    settings.CLOUD_ENDPOINTS_FILE = str(table)
    assert endpoints() == Endpoints.gcc()
    table.write_text('{"cloud": "gcc_high"}')
    assert endpoints() == Endpoints.gcc_high()


@pytest.mark.parametrize("content", [None, "{", "[]", '{"graph": "http://insecure"}', '{"cloud": "moon"}', '{"x": 1}'])
def test_a_missing_or_unusable_table_is_named(settings: Any, tmp_path: Path, content: str | None) -> None:
    table = tmp_path / "cloud.json"
    if content is not None:
        table.write_text(content)
    settings.CLOUD_ENDPOINTS_FILE = str(table)
    with pytest.raises(ImproperlyConfigured, match="ELM_CLOUD_ENDPOINTS_FILE"):
        endpoints()


def a_certificate(form: str) -> tuple[str, str]:
    """Return a self-signed certificate as PEM, and with its key as Key Vault would hold it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "reader")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(start + timedelta(days=3650))
    certificate = builder.sign(key, hashes.SHA256())
    pem = certificate.public_bytes(Encoding.PEM).decode()
    if form == "pem":
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return pem, private + pem
    packed = pkcs12.serialize_key_and_certificates(b"reader", key, certificate, None, NoEncryption())
    return pem, base64.b64encode(packed).decode()
