"""Who may enter: E18-E20, and what the platform's own roles allow."""

from uuid import uuid4

import pytest

from tests.simulator.cloud import BAP, BAP_SCOPE, BLOB_SCOPE, GRAPH_SCOPE, PP_SCOPE, VAULT_SCOPE

PATHS = (
    "/tenant",
    "/locations",
    "/scopes/admin/environments",
    "/environmentGroups",
    "/lifecycleOperations",
    "/nowhere",
)


def application(**more):
    return {
        "client_id": str(uuid4()),
        "object_id": str(uuid4()),
        "secret": f"secret-{uuid4()}",
        "display_name": "app",
    } | more


@pytest.mark.parametrize("path", PATHS)
def test_contract_e18_an_unregistered_principal_is_forbidden_on_every_bap_path(cloud, path):
    other = application()
    tenant = cloud.tenant(applications=[other])
    tenant.credential = tenant.credential_for(other["client_id"], other["secret"])
    answer = tenant.bap("GET", path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "Forbidden")
    assert "does not have permission to access the path" in answer.json()["error"]["message"]


def test_contract_e18_the_power_platform_api_opens_by_role_assignment_too(cloud):
    other = application()
    tenant = cloud.tenant(applications=[other])
    principal = str(uuid4())
    cloud.control(
        "POST", "/seed", {"tenants": [{"id": tenant.id, "applications": [other | {"service_principal_id": principal}]}]}
    )
    registered = tenant.credential
    tenant.credential = tenant.credential_for(other["client_id"], other["secret"])
    assert tenant.pp("GET", "/environmentmanagement/environments").status_code == 403
    tenant.credential, unprivileged = registered, tenant.credential
    body = {
        "principalObjectId": principal,
        "principalType": "ApplicationUser",
        "roleDefinitionId": "c886ad2e-27f7-4874-8381-5849b8d8a090",
        "scope": f"/tenants/{tenant.id}",
    }
    wrong = tenant.pp("POST", "/authorization/roleAssignments", json=body | {"scope": "/tenants/other"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "WrongResourceTypeForUrlContext")
    assert tenant.pp("POST", "/authorization/roleAssignments", json=body).status_code == 201
    tenant.credential = unprivileged
    assert tenant.pp("GET", "/environmentmanagement/environments").status_code == 200


def test_contract_e19_a_token_opens_only_the_hosts_of_its_audience(tenant):
    power_platform = tenant.cloud.endpoints["power_platform"]
    hosts = {
        BAP_SCOPE: f"{tenant.cloud.endpoints['bap']}{BAP}/tenant?api-version=2021-04-01",
        PP_SCOPE: f"{power_platform}/environmentmanagement/environments?api-version=2024-10-01",
        GRAPH_SCOPE: f"{tenant.cloud.endpoints['graph']}/v1.0/groups",
        VAULT_SCOPE: f"{tenant.cloud.endpoints['key_vault']}/secrets?api-version=7.4",
        BLOB_SCOPE: f"{tenant.cloud.endpoints['blob']}/evidence?restype=container&comp=list",
    }
    for scope in hosts:
        for audience, url in hosts.items():
            status = tenant.call("GET", url, scope, headers={"x-ms-version": "2021-12-02"}).status_code
            assert status == (200 if scope == audience else 401), (scope, url)


def test_contract_e19_a_missing_or_forged_or_expired_token_is_a_401(cloud):
    tenant = cloud.tenant(timing={"token_lifetime": 600})
    url = f"{cloud.endpoints['bap']}{BAP}/tenant?api-version=2021-04-01"
    token = tenant.token(BAP_SCOPE)
    assert cloud.http.get(url, headers={"Authorization": f"Bearer {token}"}).status_code == 200
    for header in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Bearer {token[:-3]}AAA"}):
        refused = cloud.http.get(url, headers=header)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer ")
    cloud.control("POST", "/clock", {"advance_seconds": 601})
    assert cloud.http.get(url, headers={"Authorization": f"Bearer {token}"}).status_code == 401


@pytest.mark.parametrize("version", ["", "2022-01-01", "2024-10-01", "latest"])
def test_contract_e20_only_known_api_versions_are_answered(tenant, version):
    answer = tenant.bap("GET", "/tenant", version)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidApiVersion")
    missing = tenant.call("GET", f"{tenant.cloud.endpoints['bap']}{BAP}/tenant", BAP_SCOPE)
    assert missing.json()["error"]["code"] == "InvalidApiVersion"


def test_contract_e20_every_listed_version_is_answered(tenant):
    for version in ("2016-02-01", "2020-10-01", "2021-04-01", "2023-06-01", "2024-05-01", "2026-06-01"):
        assert tenant.bap("GET", "/tenant", version).status_code == 200


def test_tenants_do_not_see_each_other(cloud, quick):
    environment = quick.create()
    other = cloud.tenant()
    assert other.bap("GET", f"/scopes/admin/environments/{environment}").status_code == 404
    assert quick.bap("GET", f"/scopes/admin/environments/{environment}").status_code == 200
    assert other.graph("GET", f"/groups/{quick.group_id}").status_code == 404


def test_only_a_person_registers_a_management_application(cloud):
    other = application()
    tenant = cloud.tenant(applications=[other])
    path = f"{cloud.endpoints['bap']}{BAP}/adminApplications/{other['client_id']}?api-version=2020-10-01"
    unregistered = tenant.bap("GET", f"/adminApplications/{other['client_id']}", "2020-10-01")
    assert (unregistered.status_code, unregistered.json()["error"]["code"]) == (400, "InvalidApplicationId")
    assert tenant.bap("PUT", f"/adminApplications/{other['client_id']}", "2020-10-01").status_code == 403
    token = cloud.control("POST", "/tokens", {"tenant": tenant.id, "upn": tenant.boss})["access_token"]
    registered = cloud.http.put(path, headers={"Authorization": f"Bearer {token}"})
    assert registered.json() == {"applicationId": other["client_id"]}
    listed = tenant.bap("GET", "/adminApplications", "2020-10-01").json()["value"]
    assert {item["applicationId"] for item in listed} == {tenant.client_id, other["client_id"]}
