"""The world in a file: another start finds the same cloud, at the same addresses."""

import base64
import signal
import socket
import time
from datetime import UTC, datetime, timedelta

import pytest
from azure.identity import CertificateCredential

from simulator import seed, state
from simulator.__main__ import main
from simulator.clock import parse_time
from simulator.world import Origins, World
from tests.simulator.cloud import BAP_SCOPE, QUICK

SLOW = {"create_polls": 99, "create_seconds": None, "operation_polls": 99, "operation_seconds": None}


@pytest.fixture
def kept(tmp_path):
    """Where the world is kept."""
    return tmp_path / "kept" / "world.json"


@pytest.fixture
def started(launch, kept):
    """A simulator that keeps its world, with a tenant in which nothing takes long."""
    process, cloud = launch("--state", kept)
    return process, cloud, cloud.tenant(timing=QUICK)


def stop(process):
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=20)
    assert (process.returncode, error) == (0, "")


def environments(cloud):
    return {item["id"]: item for item in cloud.control("GET", "/state")["environments"]}


def test_the_next_start_finds_the_same_world_at_the_same_addresses(launch, kept, started):
    process, first, tenant = started
    environment = tenant.create()
    tenant.manage(environment, maxLimitUserSharing="20")
    tenant.join(environment)
    ahead = datetime.now(UTC) + timedelta(days=2)
    first.control("POST", "/clock", {"set": ahead.isoformat()}, status=200)
    before = first.control("GET", "/state")
    stop(process)
    _, again = launch("--state", kept)
    after = again.control("GET", "/state")
    assert parse_time(after["now"]) >= ahead  # time never runs backwards
    for part in ("tenants", "environments", "operations", "timing"):
        assert after[part] == before[part]
    assert again.ready["endpoints"] == first.ready["endpoints"]
    tenant.move_to(again)
    assert tenant.organization(environment).one("/organizations")["isauditenabled"] is False
    assert tenant.create() != environment
    assert kept.stat().st_mode & 0o077 == 0


def test_credentials_secrets_and_blobs_are_the_same(launch, kept, started, keypair):
    process, _, tenant = started
    private, certificate = keypair
    credentials = [{"key": base64.b64encode(certificate).decode()}]
    application = f"/applications(appId='{tenant.client_id}')"
    added = tenant.graph("POST", f"{application}/addPassword", json={}).json()
    assert tenant.graph("PATCH", application, json={"keyCredentials": credentials}).status_code == 204
    assert tenant.vault("PUT", "/secrets/elm", json={"value": "s3cr3t", "tags": {"keyId": "k"}}).status_code == 200
    until = "Fri, 01 Jan 2100 00:00:00 GMT"
    policy = {"x-ms-immutability-policy-until-date": until, "x-ms-immutability-policy-mode": "unlocked"}
    assert tenant.blob("PUT", "/evidence/a.zip", content=b"\x00\xff", headers=policy).status_code == 201
    stop(process)
    _, again = launch("--state", kept)
    tenant.move_to(again)
    assert tenant.credential_for(tenant.client_id, added["secretText"]).get_token(BAP_SCOPE).token
    pem = private + certificate
    by_certificate = CertificateCredential(tenant.id, tenant.client_id, certificate_data=pem, **again.azure)
    assert by_certificate.get_token(BAP_SCOPE).token
    secret = tenant.vault("GET", "/secrets/elm").json()
    assert (secret["value"], secret["tags"]) == ("s3cr3t", {"keyId": "k"})
    blob = tenant.blob("GET", "/evidence/a.zip")
    assert (blob.content, blob.headers["x-ms-immutability-policy-until-date"]) == (b"\x00\xff", until)
    assert tenant.blob("DELETE", "/evidence/a.zip").status_code == 409


def test_what_was_running_has_ended_by_the_next_start(launch, kept, started):
    process, first, tenant = started
    changed, deleted, stuck_domain = tenant.create(), tenant.create(), tenant.domain()
    tenant.fault(method="POST", path=r"/environments\?", operation="Stuck")
    stuck = tenant.start(domain=stuck_domain).headers["location"]
    first.control("POST", "/timing", {"tenant": tenant.id} | SLOW, status=200)
    created = tenant.start().headers["location"]
    edited = tenant.bap(
        "POST", f"/environments/{changed}/governanceConfiguration", json={"protectionLevel": "Standard"}
    ).headers["location"]
    tenant.bap("DELETE", f"/scopes/admin/environments/{deleted}", "2023-06-01", json={"code": "7"})
    stop(process)
    _, again = launch("--state", kept)
    tenant.move_to(again)
    states = [tenant.bap("GET", location).json()["state"]["id"] for location in (created, edited, stuck)]
    assert states == ["Succeeded", "Failed", "Running"]
    there = environments(again)
    lives = sorted(item["life"] for item in there.values() if item["tenant"] == tenant.id)
    assert lives == ["Creating", "Ready", "Ready", "Ready", "SoftDeleted"]  # stuck, default, changed, created, deleted
    assert there[changed]["protection_level"] == "Basic"
    again.control("POST", "/timing", {"tenant": tenant.id} | QUICK, status=200)
    assert tenant.manage(changed)["governanceConfiguration"]["protectionLevel"] == "Standard"
    answer = tenant.start(domain=stuck_domain)
    assert answer.json()["error"]["code"] == "DomainNameAlreadyInUse"


def test_being_killed_loses_no_more_than_a_moment(launch, kept, started):
    process, _, tenant = started
    environment = tenant.create()
    deadline = time.monotonic() + 20
    while environment not in kept.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait(timeout=20)
    _, again = launch("--state", kept)
    assert environment in environments(again)


def test_a_seed_then_only_adds_what_is_new(kept):
    tenant, known, new = (f"{letter}1111111-0000-4000-8000-000000000000" for letter in "abc")

    def seeded(secret, *applications):
        registered = {"secret": secret, "management_application": True}
        vault = dict.fromkeys(applications, secret)
        listed = [registered | {"client_id": client_id} for client_id in applications]
        return {"tenants": [{"id": tenant, "applications": listed, "key_vault_secrets": vault}]}

    first, again = (World(Origins(*[""] * 10)) for _ in range(2))
    seed.load(first, seeded("first", known))
    first.tenants[tenant].management_applications.clear()  # a person unregistered it
    state.write(first, kept, {})
    state.restore(again, state.read(kept))
    seed.load(again, seeded("second", known, new), only_new=True)
    found = again.tenants[tenant]
    assert [found.applications[client_id].secrets[0].value for client_id in (known, new)] == ["first", "second"]
    assert [found.vault[client_id][0].value for client_id in (known, new)] == ["first", "second"]
    assert found.management_applications == {new}


def test_a_former_port_that_is_taken_moves_everything_and_says_so(launch, kept, started):
    process, first, _ = started
    stop(process)
    port = int(first.endpoints["bap"].rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        process, again = launch("--state", kept)
        assert again.endpoints["bap"] != first.endpoints["bap"]
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=20)
    assert (
        error
        == f"simulator: port {port} on localhost is already in use, so its addresses are other ones than last time\n"
    )


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 0}', '{"version": 1}', '{"@type": "time"}'])
def test_a_file_that_holds_no_world_is_one_clear_line_and_exit_code_2(tmp_path, capsys, content):
    path = tmp_path / "world.json"
    path.write_text(content)
    assert main(["--state", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"simulator: {path} ")
    assert error.endswith("delete it to begin with the seed\n")
    assert path.read_text() == content
