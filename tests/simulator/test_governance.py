"""Managed Environments and environment groups: E6, E8-E12."""

import pytest

ZERO_GUID = "00000000-0000-0000-0000-000000000000"


def test_contract_e06_a_newer_api_version_on_patch_switches_managed_on(quick):
    environment = quick.create()
    path = f"/scopes/admin/environments/{environment}"
    quick.finish(quick.bap("PATCH", path, json={"properties": {"description": "a"}}).headers["location"])
    assert quick.settle(environment)["governanceConfiguration"]["protectionLevel"] == "Basic"
    answer = quick.bap("PATCH", path, "2023-06-01", json={"properties": {"description": "b"}})
    quick.finish(answer.headers["location"])
    assert quick.settle(environment)["governanceConfiguration"]["protectionLevel"] == "Standard"


def test_contract_e08_enabling_starts_a_second_operation_by_the_system(tenant):
    environment = tenant.create()
    answer = tenant.bap("POST", f"/environments/{environment}/governanceConfiguration")
    assert tenant.finish(answer.headers["location"])["typeDisplayName"] == "Enable Managed Environment"
    ongoing = tenant.read(environment)["ongoingOperation"]
    assert ongoing["type"]["id"] == "UpdateGovernanceConfiguration"
    history = tenant.bap("GET", "/lifecycleOperations", "2024-05-01").json()["value"]
    assert (history[0]["id"], history[0]["requestedBy"]["id"]) == (ongoing["id"], "SYSTEM")
    assert "ongoingOperation" not in tenant.read(environment)


@pytest.mark.parametrize(
    "settings",
    [
        {"limitSharingToSecurityGroups": "true"},
        {"makerOnboardingUrl": "https://contoso.example"},
        {"maxLimitUserSharing": 20},
        {"isGroupSharingDisabled": True},
        {"solutionCheckerMode": "warning"},
    ],
)
def test_contract_e09_unknown_keys_and_values_that_are_not_strings_are_rejected(quick, settings):
    environment = quick.create()
    body = {"protectionLevel": "Standard", "settings": {"extendedSettings": settings}}
    answer = quick.bap("POST", f"/environments/{environment}/governanceConfiguration", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidRequestContent")


def test_contract_e10_settings_are_locked_and_hidden_in_a_group_and_come_back(quick):
    environment = quick.create()
    quick.manage(environment, maxLimitUserSharing="20", isGroupSharingDisabled="true")
    quick.join(environment)
    assert quick.read(environment)["governanceConfiguration"] == {"protectionLevel": "Standard"}
    body = {"protectionLevel": "Standard", "settings": {"extendedSettings": {"maxLimitUserSharing": "5"}}}
    locked = quick.bap("POST", f"/environments/{environment}/governanceConfiguration", json=body)
    assert locked.json()["error"]["code"] == "GovernanceConfigurationChangeBlockedByGroup"
    leave = f"/environmentmanagement/environmentGroups/{quick.environment_group}/removeEnvironment/{environment}"
    quick.pp("GET", quick.pp("POST", leave).headers["location"])
    settings = quick.read(environment)["governanceConfiguration"]["settings"]["extendedSettings"]
    assert settings["maxLimitUserSharing"] == "20"


def test_contract_e11_an_unmanaged_environment_cannot_join_a_group(quick):
    environment = quick.create()
    path = f"/environmentmanagement/environmentGroups/{quick.environment_group}"
    answer = quick.pp("POST", f"{path}/addEnvironment/{environment}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InputValidationError")
    assert "is not managed" in answer.json()["error"]["message"]
    absent = quick.pp("POST", f"{path}/removeEnvironment/{environment}")
    assert absent.json()["error"]["code"] == "InputValidationError"
    unknown = quick.pp("GET", f"/environmentmanagement/environmentGroupOperations/{ZERO_GUID}", "1")
    assert (unknown.status_code, unknown.content) == (204, b"")


def test_contract_e12_the_zero_guid_as_parent_group_is_accepted_and_poisonous(quick):
    environment = quick.create(parentEnvironmentGroup={"id": ZERO_GUID})
    assert quick.read(environment)["parentEnvironmentGroup"]["id"] == ZERO_GUID
    answer = quick.bap("POST", f"/environments/{environment}/governanceConfiguration")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "GovernanceConfigurationChangeBlockedByGroup")


def test_an_environment_created_inside_a_group_is_managed_by_itself(quick):
    environment = quick.create(parentEnvironmentGroup={"id": quick.environment_group})
    assert quick.read(environment)["governanceConfiguration"] == {"protectionLevel": "Standard"}


def test_governance_needs_a_database_and_says_when_nothing_changes(quick):
    bare = quick.start(dataverse=False).json()["name"]
    refused = quick.bap("POST", f"/environments/{bare}/governanceConfiguration")
    assert refused.json()["error"]["code"] == "InvalidLifecycleOperationRequest"
    environment = quick.create()
    path = f"/environments/{environment}/governanceConfiguration"
    assert quick.bap("POST", path, json={"protectionLevel": "Basic"}).status_code == 204
    quick.manage(environment, solutionCheckerMode="block")
    same = {"protectionLevel": "Standard", "settings": {"extendedSettings": {"solutionCheckerMode": "block"}}}
    assert quick.bap("POST", path, json=same).status_code == 204
    already = quick.bap("POST", path)
    assert (already.status_code, already.content) == (409, b"")
    disabled = quick.bap("POST", path, json={"protectionLevel": "Basic"})
    assert quick.finish(disabled.headers["location"])["type"]["id"] == "DisableGovernanceConfiguration"


def test_groups_are_flat_and_a_group_in_use_cannot_be_deleted(quick):
    created = quick.bap("POST", "/environmentGroups", json={"displayName": "FSI-Personal-Dev"}).json()
    listed = {item["id"]: item["displayName"] for item in quick.bap("GET", "/environmentGroups").json()["value"]}
    assert listed[created["id"]] == "FSI-Personal-Dev"
    twins = quick.pp("GET", "/environmentmanagement/environmentGroups").json()["value"]
    assert {item["id"] for item in twins} == set(listed)
    environment = quick.create(parentEnvironmentGroup={"id": created["id"]})
    used = quick.bap("DELETE", f"/environmentGroups/{created['id']}")
    assert (used.status_code, used.json()["error"]["code"]) == (409, "EnvironmentsInEnvironmentGroup")
    assert environment
