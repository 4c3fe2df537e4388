"""Environments and their operations: E1-E5, E7, E13, E14, E21-E23."""

from uuid import uuid4

import pytest

DAY = 86400


def test_contract_e01_the_environment_id_appears_only_in_the_finished_operation(tenant):
    started = tenant.start()
    assert (started.status_code, started.content) == (202, b"")
    operation = started.headers["location"]
    states = []
    for _ in range(4):
        document = tenant.bap("GET", operation).json()
        states.append((document["state"]["id"], bool(document["links"]["environment"]["path"])))
    assert states == [("NotStarted", False), ("Running", False), ("Running", False), ("Succeeded", True)]


def test_contract_e01_a_failed_creation_names_no_environment_and_leaves_none(tenant):
    tenant.fault(host="bap", method="POST", path="/environments", operation="Failed")
    domain = tenant.domain()
    document = tenant.finish(tenant.start(domain=domain).headers["location"])
    assert (document["state"]["id"], document["links"]["environment"]["path"]) == ("Failed", "")
    assert [stage["state"]["id"] for stage in document["stages"]] == ["Succeeded", "Succeeded", "Failed"]
    assert all(item["is_default"] for item in tenant.state()["environments"])
    assert tenant.bap("POST", "/validateEnvironmentDetails", json={"domainName": domain}).status_code == 200


def test_contract_e02_location_is_on_a_second_origin_and_repeats_the_query(tenant):
    answer = tenant.bap("POST", "/environments", "2023-06-01", json=tenant.body(), params={"$expand": "permissions"})
    location = answer.headers["location"]
    assert not location.startswith(tenant.cloud.endpoints["bap"])
    assert any(location.startswith(f"https://{host}/") for host in tenant.cloud.ready["trusted_hosts"])
    assert location.endswith("?api-version=2023-06-01&$expand=permissions")
    assert tenant.bap("GET", location).status_code == 200


def test_contract_e02_a_hostile_location_can_be_injected(tenant):
    tenant.fault(host="bap", path="/environments", hostile_location=True)
    assert tenant.start().headers["location"] == "https://attacker.example/steal"


def test_contract_e03_modify_sku_answers_only_operation_location(quick):
    environment = quick.create(environmentSku="Production")
    answer = quick.bap(
        "POST", f"/scopes/admin/environments/{environment}/modifySku", json={"environmentSku": "Sandbox"}
    )
    assert answer.status_code == 202
    assert "location" not in answer.headers
    assert quick.finish(answer.headers["operation-location"])["type"]["id"] == "Convert"
    assert quick.read(environment)["environmentSku"] == "Sandbox"


def test_contract_e04_metadata_and_readiness_come_some_reads_after_success(tenant):
    document = tenant.finish(tenant.start().headers["location"])
    environment = document["links"]["environment"]["path"].rpartition("/")[2]
    seen = []
    for _ in range(4):
        properties = tenant.read(environment)
        seen.append(("linkedEnvironmentMetadata" in properties, properties["states"]["management"]["id"]))
    assert seen == [(False, "NotSpecified"), (False, "NotSpecified"), (True, "Running"), (True, "Ready")]


def test_contract_e05_without_database_type_there_is_silently_no_dataverse(tenant):
    body = tenant.body()
    del body["properties"]["databaseType"]
    answer = tenant.bap("POST", "/environments", "2023-06-01", json=body)
    assert answer.status_code == 201
    document = answer.json()
    assert document["properties"]["provisioningState"] == "Succeeded"
    assert "linkedEnvironmentMetadata" not in tenant.settle(document["name"])


def test_contract_e07_one_operation_at_a_time(tenant):
    environment = tenant.create()
    tenant.cloud.control("POST", "/timing", {"tenant": tenant.id, "operation_polls": None, "operation_seconds": 60})
    path = f"/scopes/admin/environments/{environment}"
    assert tenant.bap("PATCH", path, json={"properties": {"description": "first"}}).status_code == 202
    second = tenant.bap("PATCH", path, json={"properties": {"description": "second"}})
    assert (second.status_code, second.json()["error"]["code"]) == (409, "OperationNotStartable")
    deletion = tenant.bap("DELETE", path, "2023-06-01", json={"code": "7"})
    assert (deletion.status_code, deletion.content) == (409, b"")
    governance = tenant.bap("POST", f"/environments/{environment}/governanceConfiguration")
    assert (governance.status_code, governance.content) == (409, b"")
    assert tenant.read(environment)["ongoingOperation"]["type"]["id"] == "Edit"
    tenant.cloud.control("POST", "/clock", {"advance_seconds": 61})
    properties = tenant.read(environment)
    assert "ongoingOperation" not in properties
    assert properties["description"] == "first"


def test_contract_e13_display_names_repeat_but_domains_do_not(quick):
    domain = quick.domain()
    quick.create(domain=domain)
    again = quick.start(domain=domain.upper())
    assert (again.status_code, again.json()["error"]["code"]) == (409, "DomainNameAlreadyInUse")
    assert quick.start().status_code == 202
    check = quick.bap(
        "POST", "/validateEnvironmentDetails", json={"domainName": domain, "environmentLocation": "europe"}
    )
    assert (check.status_code, check.json()["error"]["code"]) == (409, "DomainNameAlreadyInUse")


def test_contract_e13_a_domain_stays_reserved_for_eight_days_after_deletion(alone):
    tenant = alone.tenant(timing={"create_polls": 1, "operation_polls": 1, "metadata_reads": 0})
    domain = tenant.domain()
    environment = tenant.create(domain=domain)
    deletion = tenant.bap("DELETE", f"/scopes/admin/environments/{environment}", "2023-06-01", json={"code": "7"})
    assert tenant.bap("GET", deletion.headers["location"]).status_code == 404

    def free_after(seconds):
        alone.control("POST", "/clock", {"advance_seconds": seconds})
        tenant.credential = tenant.credential_for(tenant.client_id, tenant.secret)
        return tenant.bap("POST", "/validateEnvironmentDetails", json={"domainName": domain}).status_code == 200

    assert not free_after(6 * DAY)
    assert not free_after(1.5 * DAY)
    assert free_after(1 * DAY)


def test_contract_e14_delete_needs_a_code_and_repeats_with_204(tenant):
    environment = tenant.create()
    path = f"/scopes/admin/environments/{environment}"
    assert tenant.bap("POST", f"{path}/validateDelete", "2018-01-01").json() == {
        "canInitiateDelete": True,
        "errors": [],
    }
    bare = tenant.bap("DELETE", path, "2023-06-01")
    assert (bare.status_code, bare.json()["error"]["code"]) == (400, "InvalidOrMissingDeleteCode")
    deletion = tenant.bap("DELETE", path, "2023-06-01", json={"code": "7", "message": "rollback"})
    assert (deletion.status_code, deletion.headers["retry-after"]) == (202, "30")
    assert tenant.read(environment)["provisioningState"] == "Deleting"
    gone = tenant.bap("GET", deletion.headers["location"])
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "OperationNotFound")
    assert tenant.bap("GET", path, "2023-06-01").json()["error"]["code"] == "EnvironmentNotFound"
    assert tenant.bap("DELETE", path, "2023-06-01", json={"code": "7"}).status_code == 204
    recovery = tenant.pp("POST", f"/environmentmanagement/environments/{environment}/recover")
    assert recovery.status_code == 202
    for _ in range(2):
        status = tenant.pp("GET", recovery.headers["location"]).json()["status"]
    assert status == "Succeeded"
    assert tenant.read(environment)["provisioningState"] == "Succeeded"


def test_contract_e21_a_service_principal_cannot_create_a_developer_environment(cloud, tenant):
    answer = tenant.start(environmentSku="Developer")
    assert answer.status_code == 403
    assert "not licensed for creation of developer environments" in answer.json()["error"]["message"]
    body = tenant.body(environmentSku="Developer")
    del body["properties"]["linkedEnvironmentMetadata"]["securityGroupId"]
    permissive = cloud.tenant(allow_developer=True)
    body["properties"]["linkedEnvironmentMetadata"]["domainName"] = permissive.domain()
    assert permissive.bap("POST", "/environments", "2023-06-01", json=body).status_code == 202


def test_contract_e21_capacity_and_disabled_locations_are_refused(cloud):
    tenant = cloud.tenant(capacity_gb=1, locations={"australia": {"disabled": True}})
    disabled = tenant.start(location="australia")
    assert (disabled.status_code, disabled.json()["error"]["code"]) == (400, "EnvironmentLocationUnsupported")
    flags = {item["name"]: item["properties"]["isDisabled"] for item in tenant.bap("GET", "/locations").json()["value"]}
    assert (flags["australia"], flags["europe"]) == (True, False)
    assert tenant.start().status_code == 202
    full = tenant.start()
    assert (full.status_code, full.json()["error"]["code"]) == (409, "InsufficientCapacity_StorageDriven")
    capacity = tenant.pp("GET", "/licensing/tenantCapacity", "2022-03-01-preview").json()["tenantCapacities"][0]
    assert capacity["totalCapacity"] - capacity["consumption"]["actual"] < 1024


@pytest.mark.parametrize(("ignored", "region"), [(True, "westeurope"), (False, "northeurope")])
def test_contract_e22_the_requested_region_may_be_ignored(cloud, ignored, region):
    tenant = cloud.tenant(timing={"ignore_azure_region": ignored, "create_polls": 1, "metadata_reads": 0})
    assert tenant.read(tenant.create(azureRegion="northeurope"))["azureRegion"] == region


def test_contract_e23_an_empty_environment_id_answers_the_list(tenant):
    answer = tenant.bap("GET", "/scopes/admin/environments/", "2023-06-01")
    assert answer.status_code == 200
    assert [item["name"] for item in answer.json()["value"]] == [f"Default-{tenant.id}"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"displayName": ""}, 400, "EnvironmentDisplayNameNotFound"),
        ({"environmentSku": None}, 400, "InvalidEnvironmentSku"),
        ({"environmentSku": "Trial"}, 403, "Forbidden"),
        ({"domain": "1-starts-with-a-digit"}, 400, "InvalidDomainName"),
        ({"location": "atlantis"}, 400, "EnvironmentLocationUnsupported"),
        ({"parentEnvironmentGroup": {"id": str(uuid4())}}, 404, "EnvironmentGroupNotFound"),
        ({"usedBy": {"id": str(uuid4()), "type": "1"}}, 400, "UsedByInvalidInRequest"),
    ],
)
def test_a_bad_creation_is_refused_by_name(tenant, change, status, code):
    answer = tenant.start(**change)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    "change", [{"baseLanguage": "1033"}, {"currency": {"code": "XXX"}}, {"securityGroupId": "all"}]
)
def test_bad_database_metadata_is_refused(tenant, change):
    body = tenant.body()
    body["properties"]["linkedEnvironmentMetadata"] |= change
    assert tenant.bap("POST", "/environments", "2023-06-01", json=body).status_code == 400


def test_a_malformed_creation_is_an_internal_server_error(tenant):
    answer = tenant.bap("POST", "/environments", "2023-06-01", content=b"{")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "InternalServerError")


def test_a_database_can_be_added_later_and_the_poll_shows_the_environment(tenant):
    environment = tenant.start(dataverse=False).json()["name"]
    metadata = {"baseLanguage": 1033, "currency": {"code": "USD"}, "domainName": tenant.domain()}
    refused = tenant.bap(
        "POST", f"/environments/{environment}/provisionInstance", json=metadata | {"securityGroupId": ""}
    )
    assert refused.json()["error"]["code"] == "InvalidSecurityGroupId"
    answer = tenant.bap("POST", f"/environments/{environment}/provisionInstance", json=metadata)
    assert answer.status_code == 202
    states = [tenant.bap("GET", answer.headers["location"]).json()["properties"]["provisioningState"] for _ in range(2)]
    assert states == ["LinkedDatabaseProvisioning", "Succeeded"]
    assert tenant.settle(environment)["linkedEnvironmentMetadata"]["domainName"] == metadata["domainName"]


def test_patch_merges_and_renames(quick):
    environment = quick.create()
    path = f"/scopes/admin/environments/{environment}"
    domain, other = quick.domain(), str(uuid4())
    linked = {"securityGroupId": other, "domainName": domain}
    answer = quick.bap("PATCH", path, json={"properties": {"displayName": "New", "linkedEnvironmentMetadata": linked}})
    assert quick.finish(answer.headers["location"])["type"]["id"] == "Edit"
    properties = quick.settle(environment)
    assert (properties["displayName"], properties["description"]) == ("New", "elm:req=1")
    metadata = properties["linkedEnvironmentMetadata"]
    assert (metadata["securityGroupId"], metadata["domainName"]) == (other, domain)
    assert domain in metadata["instanceUrl"]
    zero = {"securityGroupId": "00000000-0000-0000-0000-000000000000"}
    quick.finish(quick.bap("PATCH", path, json={"properties": {"linkedEnvironmentMetadata": zero}}).headers["location"])
    assert "securityGroupId" not in quick.settle(environment)["linkedEnvironmentMetadata"]
    assert quick.bap("PATCH", path, json={"properties": {"displayName": "New"}}).status_code == 204


def test_operations_progress_by_the_clock_alone(cloud):
    tenant = cloud.tenant(timing={"create_polls": None, "create_seconds": 3660})
    location = tenant.start().headers["location"]
    for _ in range(10):
        assert tenant.bap("GET", location).json()["state"]["id"] == "Running"
    cloud.control("POST", "/clock", {"advance_seconds": 3661})
    tenant.credential = tenant.credential_for(tenant.client_id, tenant.secret)
    assert tenant.bap("GET", location).json()["state"]["id"] == "Succeeded"


def test_history_lists_operations_newest_first_and_groups_filter_environments(quick):
    environment = quick.create()
    quick.manage(environment)
    quick.join(environment)
    history = quick.bap(
        "GET", "/lifecycleOperations", "2024-05-01", params={"$filter": f"environment eq '{environment}'"}
    ).json()["value"]
    kinds = [item["type"]["id"] for item in history]
    assert kinds == ["UpdateGovernanceConfiguration", "EnableGovernanceConfiguration", "Create"]
    members = quick.bap(
        "GET",
        "/scopes/admin/environments",
        params={"$filter": f"properties/parentEnvironmentGroup/id eq {quick.environment_group}"},
    ).json()["value"]
    assert [item["name"] for item in members] == [environment]
