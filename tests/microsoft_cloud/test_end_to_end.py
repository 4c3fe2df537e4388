"""The worked trace of the contract (§20) against the simulator: real sockets, real azure-identity, no waiting."""

import json
import ssl
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import jwt
import pytest

from microsoft_cloud import ClientSecret, Cloud, Endpoints, Identity, WorkloadIdentity
from microsoft_cloud.bap import Governance, NewEnvironment, OperationState, dlp_coverage
from microsoft_cloud.blob import ImmutabilityPolicy
from microsoft_cloud.dataverse import OrganizationSettings
from microsoft_cloud.errors import (
    AuthenticationError,
    ConflictError,
    ConflictKind,
    GroupError,
    NotFoundError,
    NotReadyError,
    PermanentError,
    ThrottledError,
    TransientError,
    UntrustedUrlError,
)
from microsoft_cloud.rollback import RollbackBapClient

SECRET = "canary-simulator-secret"
SETTINGS = {
    "limitSharingMode": "excludeSharingToSecurityGroups",
    "isGroupSharingDisabled": "true",
    "maxLimitUserSharing": "20",
    "solutionCheckerMode": "block",
}


@pytest.fixture(scope="module")
def simulator(tmp_path_factory):
    """The simulator as a process of its own; it writes the ready file when every port answers."""
    folder = tmp_path_factory.mktemp("simulator")
    ready = folder / "ready.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "--state-dir", str(folder), "--ready-file", str(ready)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(1500):
            if ready.exists() or process.poll() is not None:
                break
            threading.Event().wait(0.02)
        yield json.loads(ready.read_text())
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture(scope="module")
def control(simulator):
    context = ssl.create_default_context(cafile=simulator["ca"])
    with httpx.Client(verify=context, base_url=simulator["control"]) as client:
        yield client


@pytest.fixture
def tenant(control):
    """A tenant of its own for every test."""
    ids = {
        name: str(uuid.uuid4()) for name in ("tenant", "client", "person", "boss", "group", "environment_group", "dlp")
    }
    seed = {
        "id": ids["tenant"],
        "applications": [{"client_id": ids["client"], "secret": SECRET, "management_application": True}],
        "users": [
            {"upn": "boss@contoso.com", "id": ids["boss"]},
            {"upn": "ada@contoso.com", "id": ids["person"], "display_name": "Ada", "manager": "boss@contoso.com"},
        ],
        "groups": [{"id": ids["group"], "display_name": "SG-ELM-Claims", "members": ["ada@contoso.com"]}],
        "environment_groups": [{"id": ids["environment_group"], "display_name": "FSI-Enterprise-Production"}],
        "dlp_policies": [{"name": ids["dlp"], "display_name": "Baseline", "environment_type": "AllEnvironments"}],
    }
    answer = control.post("/seed", json={"tenants": [seed]})
    assert answer.status_code == 200, answer.text
    return ids


@pytest.fixture
def endpoints(simulator):
    return Endpoints.from_mapping(
        {**simulator["endpoints"], "trusted_hosts": simulator["trusted_hosts"], "ca": simulator["ca"]}
    )


@pytest.fixture
def real(tenant, endpoints):
    identity = Identity(tenant["tenant"], tenant["client"], ClientSecret(SECRET))
    return Cloud(endpoints, identity, str(uuid.uuid4()))


def until(question, is_good, *, patient_with=(), tries=60):
    """Ask again until the answer is good; every look moves the simulator's world on."""
    for _ in range(tries):
        try:
            answer = question()
        except patient_with:
            continue
        if is_good(answer):
            return answer
    raise AssertionError("it never became true")


def new_environment(tenant, domain_name):
    return NewEnvironment(
        location="europe",
        display_name="Z3-Claims-PROD",
        description=f"elm:req={domain_name}",
        sku="Production",
        domain_name=domain_name,
        currency_code="EUR",
        security_group_id=tenant["group"],
    )


def created(real, tenant, domain_name):
    started = real.bap.create_environment(new_environment(tenant, domain_name))
    assert (started.status, started.environment_id) == (202, None)
    done = until(lambda: real.bap.operation(started.operation_url), lambda operation: operation.state.is_final)
    assert done.state is OperationState.SUCCEEDED
    return until(
        lambda: real.bap.get_environment(done.environment_id, just_created=True),
        lambda environment: environment.has_dataverse and environment.is_ready,
        patient_with=NotReadyError,
    )


def finished(start, poll):
    """Start a change as soon as the environment is free for it, and follow it to its end."""
    started = until(start, lambda _: True, patient_with=ConflictError)
    if started.operation_url:
        done = until(lambda: poll(started.operation_url), lambda operation: operation.state.is_final)
        assert done.state is OperationState.SUCCEEDED


def test_an_environment_is_provisioned_from_token_to_role(real, tenant):
    # Preflight
    assert real.bap.tenant().tenant_id == tenant["tenant"]
    assert next(found for found in real.bap.locations() if found.name == "europe").is_usable
    assert real.power_platform.database_capacity().free_mb > 1024
    assert real.graph.group("SG-ELM-Claims").id == tenant["group"]
    assert real.graph.group(tenant["group"]).display_name == "SG-ELM-Claims"
    assert real.graph.is_member(tenant["person"], tenant["group"])
    assert not real.graph.is_member(tenant["boss"], tenant["group"])
    assert real.graph.user("ada@contoso.com").id == tenant["person"]
    assert real.graph.manager("ada@contoso.com").id == tenant["boss"]
    assert real.graph.manager("boss@contoso.com") is None
    assert [group.id for group in real.bap.environment_groups()] == [tenant["environment_group"]]
    assert (
        real.power_platform.environment_group(tenant["environment_group"]).display_name == "FSI-Enterprise-Production"
    )
    assert real.bap.admin_application(tenant["client"])
    assert tenant["client"] in real.bap.admin_applications()
    domain_name = f"z3-{tenant['tenant'][:8]}"
    real.bap.validate_environment_details(domain_name, "europe")

    # Create, with security group and Dataverse in the call
    environment = created(real, tenant, domain_name)
    assert (environment.domain_name, environment.security_group_id) == (domain_name, tenant["group"])
    assert environment.description == f"elm:req={domain_name}"
    assert environment.created_by_id
    assert real.bap.find_environment(domain_name) == real.bap.find_environment(domain_name.upper())
    assert real.bap.find_environment(domain_name).id == environment.id
    with pytest.raises(ConflictError) as taken:
        real.bap.validate_environment_details(domain_name, "europe")
    assert taken.value.kind is ConflictKind.DOMAIN_IN_USE

    # An unmanaged environment cannot join a group
    with pytest.raises(PermanentError) as refused:
        real.power_platform.add_environment_to_group(tenant["environment_group"], environment.id)
    assert refused.value.code == "InputValidationError"

    # Managed with sharing limits
    read = lambda: real.bap.get_environment(environment.id)  # noqa: E731
    finished(
        lambda: real.bap.set_governance_configuration(environment.id, Governance(settings=SETTINGS)), real.bap.operation
    )
    managed = until(read, lambda found: found.is_managed and found.ongoing_operation is None)
    assert SETTINGS.items() <= managed.extended_settings.items()

    # Group membership, which locks the settings
    finished(
        lambda: real.power_platform.add_environment_to_group(tenant["environment_group"], environment.id),
        real.power_platform.group_operation,
    )
    until(read, lambda found: found.environment_group_id == tenant["environment_group"] and not found.ongoing_operation)
    with pytest.raises(ConflictError) as locked:
        real.bap.set_governance_configuration(environment.id, Governance(settings={"maxLimitUserSharing": "50"}))
    assert locked.value.kind is ConflictKind.LOCKED_BY_GROUP

    # The organisation, once it knows us
    organisation = real.dataverse(environment.instance_url)
    me = until(organisation.who_am_i, lambda _: True, patient_with=NotReadyError)
    assert me.organization_id == environment.organization_id
    before = organisation.organization()
    assert (before.id, before.settings.isauditenabled) == (environment.organization_id, False)
    wanted = OrganizationSettings(
        isauditenabled=True, auditretentionperiodv2=2557, sessiontimeoutenabled=True, sessiontimeoutinmins=120
    )
    organisation.update_organization(before.id, wanted)
    assert wanted.changes().items() <= organisation.organization().settings.changes().items()

    # People
    unit = organisation.root_business_unit()
    role = organisation.role_named("Basic User", unit)
    with pytest.raises(NotFoundError):
        organisation.role_named("No such role", unit)
    assert organisation.group_team(tenant["group"]) is None
    team = organisation.create_group_team("Claims makers", tenant["group"], unit)
    assert organisation.group_team(tenant["group"]).id == team
    with pytest.raises(ConflictError) as twice:
        organisation.create_group_team("Claims makers", tenant["group"], unit)
    assert twice.value.kind is ConflictKind.ALREADY_EXISTS
    organisation.assign_team_role(team, role.id)
    organisation.assign_team_role(team, role.id)
    assert organisation.team_roles(team) == (role,)
    assert organisation.application_user(tenant["client"]).id == me.user_id

    # Data policies
    assert [policy.name for policy in dlp_coverage(environment.id, real.bap.dlp_policies())] == [tenant["dlp"]]
    history = real.bap.operations_of(environment.id)
    assert {"Create", "EnableGovernanceConfiguration"} <= {operation.type for operation in history}


def test_a_person_gets_a_role_without_a_group(real, tenant):
    environment = created(real, tenant, f"z1-{tenant['tenant'][:8]}")
    organisation = real.dataverse(environment.instance_url)
    until(organisation.who_am_i, lambda _: True, patient_with=NotReadyError)
    until(lambda: real.bap.add_user(environment.id, tenant["person"]), lambda _: True, patient_with=NotReadyError)
    user = until(lambda: organisation.system_user(tenant["person"]), bool)
    role = organisation.role_named("Environment Maker", organisation.root_business_unit())
    organisation.assign_user_role(user.id, role.id)
    assert role in organisation.user_roles(user.id)
    organisation.remove_user_role(user.id, role.id)
    organisation.remove_user_role(user.id, role.id)
    assert role not in organisation.user_roles(user.id)


def test_the_security_group_and_the_description_can_be_repaired(real, tenant):
    environment = created(real, tenant, f"z2-{tenant['tenant'][:8]}")
    finished(lambda: real.bap.patch_environment(environment.id, description="repaired"), real.bap.operation)
    read = lambda: real.bap.get_environment(environment.id)  # noqa: E731
    repaired = until(read, lambda found: found.description == "repaired")
    assert repaired.security_group_id == tenant["group"]
    assert not repaired.is_managed


def test_a_rollback_deletes_softly_and_the_domain_stays_taken(real, tenant):
    domain_name = f"zr-{tenant['tenant'][:8]}"
    environment = created(real, tenant, domain_name)
    rollback = RollbackBapClient(real)
    assert rollback.validate_delete(environment.id).can_start
    started = until(
        lambda: rollback.delete_environment(environment.id, "rollback"), lambda _: True, patient_with=ConflictError
    )
    with pytest.raises(NotFoundError):
        until(lambda: real.bap.operation(started.operation_url), lambda operation: operation.state.is_final)
    with pytest.raises(NotFoundError):
        real.bap.get_environment(environment.id)
    assert rollback.delete_environment(environment.id, "again").status in {204, 404}
    with pytest.raises(ConflictError):
        real.bap.validate_environment_details(domain_name, "europe")


def test_key_vault_keeps_versions(real, tenant):
    vault = real.key_vault()
    with pytest.raises(NotFoundError):
        vault.get_secret("elm-sp-secret")
    first = vault.set_secret("elm-sp-secret", "one")
    second = vault.set_secret("elm-sp-secret", "two", tags={"keyId": "k2"})
    assert vault.get_secret("elm-sp-secret") == second
    assert vault.get_secret("elm-sp-secret", first.version).value == "one"
    assert second.tags == {"keyId": "k2"}


def test_evidence_is_written_once_protected_and_held(real):
    store, name = real.blob(), "runs/REQ-00042/package.json"
    with pytest.raises(NotFoundError):
        store.head("evidence", name)
    policy = ImmutabilityPolicy(datetime.now(UTC) + timedelta(days=30))
    written = store.write_once("evidence", name, b"{}", content_type="application/json", policy=policy)
    found = store.head("evidence", name)
    assert replace(found, seen_at=written.seen_at) == written
    assert found.seen_at >= written.seen_at
    assert (written.size, written.content_type, written.has_legal_hold) == (2, "application/json", False)
    assert written.policy.until >= policy.until
    assert written.version_id
    assert store.get("evidence", name) == b"{}"
    with pytest.raises(ConflictError) as twice:
        store.write_once("evidence", name, b"[]", policy=policy)
    assert twice.value.kind is ConflictKind.ALREADY_EXISTS
    longer = ImmutabilityPolicy(policy.until + timedelta(days=30))
    assert store.set_immutability_policy("evidence", name, longer).until >= longer.until
    store.set_legal_hold("evidence", name, held=True)
    assert store.head("evidence", name).has_legal_hold
    store.set_legal_hold("evidence", name, held=False)
    assert not store.head("evidence", name).has_legal_hold


def test_a_container_without_version_level_worm_keeps_no_evidence(real, tenant, control):
    plain = {"id": tenant["tenant"], "containers": [{"name": "plain", "version_level_worm": False}]}
    assert control.post("/seed", json={"tenants": [plain]}).status_code == 200
    with pytest.raises(ConflictError):
        real.blob().write_once("plain", "a", b"{}", policy=ImmutabilityPolicy(datetime.now(UTC) + timedelta(days=1)))
    with pytest.raises(NotFoundError):
        real.blob().head("plain", "a")


def test_after_a_lost_answer_the_evidence_is_found_with_its_policy(real, fault):
    fault("PUT", "/evidence/", drop_after=True)
    policy = ImmutabilityPolicy(datetime.now(UTC) + timedelta(days=30))
    with pytest.raises(TransientError) as lost:
        real.blob().write_once("evidence", "a", b"{}", policy=policy)
    assert lost.value.maybe_executed
    assert real.blob().get("evidence", "a") == b"{}"
    assert real.blob().head("evidence", "a").policy.satisfies(policy)


def test_a_federated_token_signs_in_without_any_secret(tenant, endpoints, control, tmp_path):
    worker = {"issuer": "https://cluster.example", "subject": "system:serviceaccount:elm:worker"}
    client_id, file = str(uuid.uuid4()), tmp_path / "token"
    application = {"client_id": client_id, "management_application": True, "federated_credentials": [worker]}
    control.post("/seed", json={"tenants": [{"id": tenant["tenant"], "applications": [application]}]})
    claims = {"iss": worker["issuer"], "aud": "api://AzureADTokenExchange"}
    cloud = Cloud(endpoints, Identity(tenant["tenant"], client_id, WorkloadIdentity(str(file))), "1")
    with pytest.raises(AuthenticationError) as missing:
        cloud.bap.tenant()
    assert missing.value.code == "UnreadableCredential"
    file.write_text(jwt.encode(claims | {"sub": "somebody else"}, "k" * 32, "HS256"))
    with pytest.raises(AuthenticationError) as refused:
        cloud.bap.tenant()
    assert refused.value.code == "AADSTS700213"
    file.write_text(jwt.encode(claims | {"sub": worker["subject"]}, "k" * 32, "HS256"))
    assert cloud.bap.tenant().tenant_id == tenant["tenant"]


def test_entra_is_really_asked_again_after_it_did_not_know_a_fresh_organisation(real, tenant, control):
    """msal repeats a 400 of the token endpoint from its memory for a minute, per credential object."""
    quiet = {"tenant": tenant["tenant"], "token_denials": 2, "dataverse_denials": 0, "dataverse_seconds": None}
    assert control.post("/timing", json=quiet).status_code == 200
    environment = created(real, tenant, f"zd-{tenant['tenant'][:8]}")
    organisation, started = real.dataverse(environment.instance_url), time.monotonic()
    for _ in range(2):
        with pytest.raises(NotReadyError) as denied:
            organisation.who_am_i()
        assert denied.value.code == "AADSTS500011"
    assert organisation.who_am_i().organization_id == environment.organization_id
    asked = control.get("/journal", params={"host": "login", "method": "POST", "tenant": tenant["tenant"]}).json()
    assert [entry["status"] for entry in asked["entries"]][-3:] == [400, 400, 200]
    assert time.monotonic() - started < 10


def test_wrong_credentials_and_unregistered_principals_halt(real, tenant, endpoints, control):
    wrong = Cloud(endpoints, Identity(tenant["tenant"], tenant["client"], ClientSecret("wrong")), "1")
    with pytest.raises(AuthenticationError) as refused:
        wrong.bap.tenant()
    assert refused.value.code == "AADSTS7000215"
    unknown = Cloud(endpoints, Identity(tenant["tenant"], str(uuid.uuid4()), ClientSecret(SECRET)), "1")
    with pytest.raises(AuthenticationError) as refused:
        unknown.bap.tenant()
    assert refused.value.code == "AADSTS700016"
    other = {"client_id": str(uuid.uuid4()), "secret": "s", "management_application": False}
    control.post("/seed", json={"tenants": [{"id": tenant["tenant"], "applications": [other]}]})
    unregistered = Cloud(endpoints, Identity(tenant["tenant"], other["client_id"], ClientSecret("s")), "1")
    with pytest.raises(AuthenticationError) as refused:
        unregistered.bap.list_environments()
    assert (refused.value.status, refused.value.code) == (403, "Forbidden")


def test_groups_that_cannot_be_used(real):
    for group in ("No such group", str(uuid.uuid4())):
        with pytest.raises(GroupError):
            real.graph.group(group)


def test_the_correlation_id_reaches_microsoft_and_no_secret_its_journal(real, control):
    real.bap.tenant()
    journal = control.get("/journal").text
    assert real.correlation_id in journal
    assert SECRET not in journal


@pytest.fixture
def fault(control, tenant):
    """Arm one fault for the next matching call of this test's tenant."""
    rules = []

    def arm(method, path, **what):
        answer = control.post("/faults", json={"tenant": tenant["tenant"], "method": method, "path": path, **what})
        assert answer.status_code == 201, answer.text
        rules.extend(answer.json()["ids"])

    yield arm
    for rule in rules:
        control.delete(f"/faults/{rule}")


CREATE = ("POST", "/providers/Microsoft.BusinessAppPlatform/environments")


@pytest.mark.parametrize(
    ("what", "expected", "maybe_executed"),
    [
        ({"status": 503}, TransientError, True),
        ({"html_502": True}, TransientError, True),
        ({"status": 429, "headers": {"Retry-After": "60"}}, ThrottledError, False),
        ({"status": 409}, ConflictError, False),
        ({"drop_before": True}, TransientError, True),
        ({"drop_after": True}, TransientError, True),
        ({"hostile_location": True}, UntrustedUrlError, True),
    ],
)
def test_r01_r12_a_disturbed_creation_says_whether_it_may_have_happened(
    real, tenant, fault, what, expected, maybe_executed
):
    fault(*CREATE, **what)
    with pytest.raises(expected) as failed:
        real.bap.create_environment(new_environment(tenant, f"zf-{tenant['tenant'][:8]}"))
    assert failed.value.maybe_executed is maybe_executed


def test_r03_after_a_lost_answer_the_environment_is_found_by_its_domain_name(real, tenant, fault, control):
    domain_name = f"zl-{tenant['tenant'][:8]}"
    fault(*CREATE, drop_after=True)
    with pytest.raises(TransientError):
        real.bap.create_environment(new_environment(tenant, domain_name))
    control.post("/clock", json={"advance_seconds": 60})
    found = until(lambda: real.bap.find_environment(domain_name), bool)
    assert found.description == f"elm:req={domain_name}"


@pytest.mark.parametrize(
    "what", [{"status": 503}, {"html_502": True}, {"drop_after": True}, {"cae": True}, {"status": 401}]
)
def test_a_read_survives_one_disturbance(real, tenant, fault, what):
    fault("GET", "/providers/Microsoft.BusinessAppPlatform/tenant", **what)
    assert real.bap.tenant().tenant_id == tenant["tenant"]
