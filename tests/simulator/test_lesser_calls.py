"""The lesser calls: reference data, settings, recovery, disaster recovery, group upkeep, vault and Graph lists."""

from uuid import uuid4

import pytest

from tests.simulator.cloud import BAP_SCOPE

ENVIRONMENTS = "/environmentmanagement/environments"


def test_reference_data_of_a_location(tenant):
    path = "/locations/europe"
    currencies = {item["name"] for item in tenant.bap("GET", f"{path}/environmentCurrencies").json()["value"]}
    assert currencies >= {"USD", "EUR", "GBP", "AUD"}
    languages = tenant.bap("GET", f"{path}/environmentLanguages").json()["value"]
    assert {item["properties"]["localeId"] for item in languages} >= {1033, 1031}
    for name in ("templates", "environmentTemplates"):
        assert "production" in tenant.bap("GET", f"{path}/{name}").json()


def test_tenant_settings_change_in_part(tenant):
    assert not tenant.bap("POST", "/listTenantSettings").json()["disableEnvironmentCreationByNonAdminUsers"]
    change = {"disableEnvironmentCreationByNonAdminUsers": True}
    assert tenant.bap("POST", "/scopes/admin/updateTenantSettings", json=change).status_code == 200
    assert tenant.bap("POST", "/listTenantSettings").json()["disableEnvironmentCreationByNonAdminUsers"]


def test_a_deleted_environment_comes_back_over_bap(quick):
    environment = quick.create()
    path = f"/scopes/admin/environments/{environment}"
    assert quick.bap("POST", f"{path}/recover").status_code == 404
    quick.bap("GET", quick.bap("DELETE", path, json={"code": "7"}).headers["location"])
    recovery = quick.bap("POST", f"{path}/recover")
    assert quick.finish(recovery.headers["location"])["type"]["id"] == "Recover"
    assert quick.read(environment)["provisioningState"] == "Succeeded"


def test_the_default_environment_cannot_be_deleted(tenant):
    default = f"Default-{tenant.id}"
    check = tenant.bap("POST", f"/scopes/admin/environments/{default}/validateDelete").json()
    assert (check["canInitiateDelete"], check["errors"][0]["code"]) == (False, "DefaultEnvironment")
    assert tenant.bap("DELETE", f"/scopes/admin/environments/{default}", json={"code": "7"}).status_code == 400
    assert tenant.pp("DELETE", f"{ENVIRONMENTS}/{default}").status_code == 400
    assert tenant.pp("POST", f"{ENVIRONMENTS}/{default}/backups").status_code == 400


def test_flags_change_at_once_and_policies_link(quick):
    environment = quick.create()
    path = f"/scopes/admin/environments/{environment}"
    assert quick.bap("PATCH", path, json={"properties": {"bingChatEnabled": True}}).status_code == 204
    expand = "permissions,properties.capacity,properties/billingPolicy,properties/copilotPolicies"
    properties = quick.read(environment, **{"$expand": expand})
    assert properties["bingChatEnabled"]
    assert properties["capacity"][0]["capacityType"] == "Database"
    link = f"/environments/{environment}/enterprisePolicies/Encryption/link"
    assert quick.bap("POST", link, "2019-10-01", json={"systemId": "x"}).status_code == 202


def test_sku_validation_rename_and_roles(quick):
    environment = quick.create()
    path = f"/scopes/admin/environments/{environment}"
    assert quick.bap("POST", f"{path}/modifySku", json={"environmentSku": "Trial"}).status_code == 400
    assert quick.bap("POST", f"{path}/modifySku", json={"environmentSku": "Production"}).status_code == 200
    domain = quick.read(environment)["linkedEnvironmentMetadata"]["domainName"]
    rename = {"domainName": domain, "environmentName": environment}
    assert quick.bap("POST", "/validateEnvironmentDetails", json=rename).status_code == 200
    missing = quick.bap("POST", "/validateEnvironmentDetails", json={})
    assert missing.json()["error"]["code"] == "InvalidValidateEnvironmentDomainName"
    linked = quick.bap("POST", f"{path}/modifyRoleAssignments", json={"add": [{}]})
    assert linked.json()["error"]["code"] == "LinkedEnvironmentForbiddenOperation"
    bare = quick.start(dataverse=False).json()["name"]
    roles = quick.bap("POST", f"/scopes/admin/environments/{bare}/modifyRoleAssignments", json={"add": [{}]})
    assert roles.json()["add"][0]["httpStatus"] == "Created"
    assert quick.bap("POST", f"/scopes/admin/environments/{bare}/addUser", json={}).status_code == 400


def test_group_upkeep_on_both_apis(tenant):
    path = f"/environmentGroups/{tenant.environment_group}"
    renamed = tenant.bap("PUT", path, json={"displayName": "Renamed", "description": "d"}).json()
    assert tenant.bap("GET", path).json() == renamed
    twin = f"/environmentmanagement{path}"
    assert tenant.pp("GET", twin).json()["displayName"] == "Renamed"
    assert tenant.pp("PUT", twin, json={"displayName": "Again"}).status_code == 200
    created = tenant.pp("POST", "/environmentmanagement/environmentGroups", json={"displayName": "x"}).json()
    assert tenant.pp("DELETE", f"/environmentmanagement/environmentGroups/{created['id']}").status_code == 200
    assert tenant.bap("POST", "/environmentGroups", json={}).status_code == 400
    assert tenant.bap("DELETE", path).status_code == 200
    assert tenant.bap("GET", path).json()["error"]["code"] == "EnvironmentGroupNotFound"
    assert tenant.pp("GET", "/governance/ruleBasedPolicies").json() == {"value": []}


def test_an_environment_in_another_group_cannot_be_added(quick):
    environment = quick.create(parentEnvironmentGroup={"id": quick.environment_group})
    other = quick.bap("POST", "/environmentGroups", json={"displayName": "other"}).json()["id"]
    answer = quick.pp("POST", f"/environmentmanagement/environmentGroups/{other}/addEnvironment/{environment}")
    assert answer.json()["error"]["code"] == "InputValidationError"
    assert quick.pp("GET", f"/governance/environmentGroups/{other}/ruleSets", "2021-10-01-preview").status_code == 204


def test_power_platform_operations_of_an_environment(quick):
    environment = quick.create()
    path = f"{ENVIRONMENTS}/{environment}"
    unfit = quick.pp("POST", f"{path}/enableDisasterRecovery")
    assert "managed production" in unfit.json()["errorDetail"]["message"]
    for action, kind in (
        ("governanceSetting/enableManaged", "EnableGovernanceConfiguration"),
        ("enableDisasterRecovery", "Enable"),
        ("reset", "Reset"),
        ("governanceSetting/disableManaged", "DisableGovernanceConfiguration"),
    ):
        answer = quick.pp("POST", f"{path}/{action}")
        assert answer.status_code == 202, answer.text
        operation = quick.pp("GET", answer.headers["location"]).json()
        assert (operation["name"], operation["status"]) == (kind, "Succeeded")
    assert quick.read(environment)["states"]["disasterRecovery"]["id"] == "Enabled"
    assert len(quick.pp("GET", f"{path}/operations").json()["value"]) >= 5
    backup = quick.pp("POST", f"{path}/backups", json={"label": "x"}).json()["id"]
    assert [quick.pp("DELETE", f"{path}/backups/{backup}").status_code for _ in range(2)] == [204, 404]
    assert quick.pp("DELETE", path, params={"ValidateOnly": "true"}).status_code == 200
    deletion = quick.pp("DELETE", path)
    assert quick.pp("GET", deletion.headers["location"]).json()["status"] == "Succeeded"
    assert quick.pp("GET", path).status_code == 404
    assert quick.pp("POST", f"{path}/recover", params={"ValidateOnly": "true"}).status_code == 200


def test_unknown_operations_filters_and_expansions(tenant):
    assert tenant.bap("GET", f"/lifecycleOperations/{uuid4()}").json()["error"]["code"] == "OperationNotFound"
    assert tenant.pp("GET", f"/environmentmanagement/operations/{uuid4()}").status_code == 404
    assert tenant.pp("GET", ENVIRONMENTS, "2020-01-01").json()["error"]["code"] == "InvalidApiVersion"
    assert tenant.pp("GET", ENVIRONMENTS, params={"$expand": "properties/capacity"}).status_code == 400
    for call in (tenant.pp, tenant.bap):
        path = ENVIRONMENTS if call == tenant.pp else "/scopes/admin/environments"
        assert call("GET", path, params={"$filter": "geo like 'x'"}).json()["error"]["code"] == "InvalidFilter"
    newest = tenant.pp("GET", ENVIRONMENTS, params={"$orderby": "displayName desc", "$top": "1"}).json()["value"]
    assert len(newest) == 1
    assert tenant.bap("PUT", "/tenant").status_code == 405
    assert tenant.graph("GET", "/groups", params={"$filter": "x"}).json()["error"]["code"] == "Request_UnsupportedQuery"


def test_role_assignments_are_listed_and_removed(tenant):
    path = f"/authorization/environmentGroups/{tenant.environment_group}/roleAssignments"
    body = {
        "principalObjectId": str(uuid4()),
        "principalType": "ApplicationUser",
        "roleDefinitionId": "ff954d61-a89a-4fbe-ace9-01c367b89f87",
        "scope": f"/tenants/{tenant.id}/environmentGroups/{tenant.environment_group}",
    }
    assert tenant.pp("POST", path, json=body | {"roleDefinitionId": "x"}).json()["code"] == "RoleDefinitionInvalid"
    made = tenant.pp("POST", path, json=body).json()
    assert tenant.pp("GET", path).json()["value"] == [made]
    removal = f"/authorization/roleAssignments/{made['roleAssignmentId']}"
    assert [tenant.pp("DELETE", removal).status_code for _ in range(2)] == [204, 404]
    assert len(tenant.pp("GET", "/authorization/roleDefinitions").json()["value"]) == 4
    assert tenant.pp("GET", "/licensing/billingPolicies", "2022-03-01-preview").json() == {"value": []}


def test_management_applications_are_removed_by_anyone_registered(tenant):
    assert tenant.bap("DELETE", f"/adminApplications/{tenant.client_id}", "2020-10-01").status_code == 204
    assert tenant.bap("GET", "/tenant").status_code == 403


def test_vault_and_graph_lists(tenant):
    for value in ("one", "two", "three"):
        tenant.vault("PUT", "/secrets/elm", json={"value": value})
    assert [item["id"].rpartition("/")[2] for item in tenant.vault("GET", "/secrets").json()["value"]] == ["elm"]
    assert tenant.vault("GET", "/secrets/elm/0123").status_code == 404
    assert tenant.vault("PUT", "/secrets/elm", json={}).status_code == 400
    people = tenant.graph("GET", f"/groups/{tenant.group_id}/transitiveMembers").json()["value"]
    assert [person["userPrincipalName"] for person in people] == [tenant.person]
    assert len(tenant.graph("GET", "/users").json()["value"]) == 2
    assert tenant.graph("GET", "/applications").json()["value"][0]["appId"] == tenant.client_id
    assert tenant.graph("GET", f"/users/{uuid4()}").status_code == 404
    assert tenant.graph("GET", f"/applications/{uuid4()}").status_code == 404
    unknown = tenant.graph("POST", f"/applications/{tenant.object_id}/removePassword", json={"keyId": "x"})
    assert unknown.json()["error"]["code"] == "Request_BadRequest"


def test_versions_of_a_secret_come_in_pages(tenant):
    for value in range(3):
        tenant.vault("PUT", "/secrets/elm", json={"value": str(value)})
    url = f"{tenant.cloud.endpoints['key_vault']}/secrets/elm/versions?api-version=7.4&maxresults=2"
    sizes = []
    while url:
        page = tenant.call("GET", url, "https://vault.azure.net/.default").json()
        sizes.append(len(page["value"]))
        url = page["nextLink"]
    assert sizes == [2, 1]


def test_blobs_are_read_by_range_and_replaced_on_condition(tenant):
    etag = tenant.blob("PUT", "/evidence/a", content=b"0123456789").headers["etag"]
    part = tenant.blob("GET", "/evidence/a", headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert tenant.blob("PUT", "/evidence/a", content=b"x", headers={"If-Match": '"other"'}).status_code == 412
    assert tenant.blob("PUT", "/evidence/a", content=b"x", headers={"If-Match": etag}).status_code == 201
    assert tenant.blob("PUT", "/evidence/b", headers={"x-ms-blob-type": "PageBlob"}).status_code == 400


@pytest.mark.parametrize("path", ["/keys", "/elsewhere"])
def test_unknown_paths_are_not_found(tenant, path):
    login = tenant.cloud.endpoints["login"]
    assert tenant.cloud.http.get(f"{login}{path}").status_code == 404
    assert "tenant_discovery_endpoint" in tenant.cloud.http.get(f"{login}/common/discovery/instance").json()
    form = {"grant_type": "password", "client_id": tenant.client_id}
    refused = tenant.cloud.http.post(f"{login}/{tenant.id}/oauth2/v2.0/token", data=form)
    assert refused.json()["error"] == "unsupported_grant_type"


def test_data_policy_is_created_with_name_and_stamps(tenant):
    url = f"{tenant.cloud.endpoints['bap']}/providers/PowerPlatform.Governance/v2/policies"
    rules = {"rules": [{"order": 1, "customConnectorRuleClassification": "Ignore", "pattern": "*"}]}
    body = {"policyDefinition": {"displayName": "x"}, "customConnectorUrlPatternsDefinition": rules}
    created = tenant.call("POST", url, BAP_SCOPE, json=body)
    assert created.status_code == 201
    assert created.json()["policyDefinition"]["createdBy"]["displayName"] == "svc-elm"
    assert tenant.call("POST", url, BAP_SCOPE, json={}).json()["error"]["code"] == "ApiPolicyInvalid"
