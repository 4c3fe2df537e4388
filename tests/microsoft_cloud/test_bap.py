"""Creating environments, watching operations, and what belongs to the whole tenant."""

from datetime import UTC, datetime

import pytest

from microsoft_cloud.bap import (
    DlpPolicy,
    NewEnvironment,
    OperationState,
    Started,
    dlp_coverage,
)
from microsoft_cloud.errors import (
    AuthenticationError,
    ConflictError,
    ConflictKind,
    NotFoundError,
    NotReadyError,
    PermanentError,
    TransientError,
    UntrustedUrlError,
)

ENV = "5f2c9a10-0000-4000-8000-00000000a001"
GROUP = "7d3b6a7e-0000-4000-8000-0000000000aa"
ENVIRONMENT_GROUP = "1c1c1c1c-0000-4000-8000-0000000000bb"
CLIENT = "8784d9fb-0000-4000-8000-96ce0000fc00"
ZERO = "00000000-0000-0000-0000-000000000000"
BAP = "https://api.bap.microsoft.com/providers/Microsoft.BusinessAppPlatform"
REGIONAL = "https://europe.api.bap.microsoft.com/providers/x/lifecycleOperations/b03e?api-version=2023-06-01"
NEW = NewEnvironment(
    location="europe",
    display_name="Z3-Claims-PROD",
    description="elm:req=REQ-00042;zone=3",
    sku="Production",
    domain_name="z3-claims-prod",
    currency_code="EUR",
    security_group_id=GROUP,
)


def error(code):
    return {"error": {"code": code, "message": "…"}}


# Creating


def test_a_creation_sends_dataverse_and_security_group_in_one_call(microsoft, cloud):
    microsoft.says(202, headers={"Location": REGIONAL, "Retry-After": "5"})
    assert cloud.bap.create_environment(NEW) == Started(202, REGIONAL, None, 5)
    assert microsoft.lines == [
        f"POST {BAP}/environments?api-version=2023-06-01&retainOnProvisionFailure=false"
        "&overrideEnvironmentGroupAssigned=true"
    ]
    assert microsoft.sent == {
        "location": "europe",
        "properties": {
            "displayName": "Z3-Claims-PROD",
            "description": "elm:req=REQ-00042;zone=3",
            "environmentSku": "Production",
            "databaseType": "CommonDataService",
            "linkedEnvironmentMetadata": {
                "baseLanguage": 1033,
                "domainName": "z3-claims-prod",
                "currency": {"code": "EUR"},
                "securityGroupId": GROUP,
                "templates": [],
            },
            "parentEnvironmentGroup": None,
        },
    }


def test_an_environment_without_group_and_with_region(microsoft, cloud):
    microsoft.says(201, {"name": ENV, "properties": {}})
    started = cloud.bap.create_environment(
        NewEnvironment("europe", "n", "d", "Sandbox", "dom", "EUR", azure_region="westeurope")
    )
    assert started == Started(201, None, ENV, None)
    assert "securityGroupId" not in microsoft.sent["properties"]["linkedEnvironmentMetadata"]
    assert microsoft.sent["properties"]["azureRegion"] == "westeurope"


@pytest.mark.parametrize("wrong", [{"security_group_id": "all"}, {"domain_name": ""}, {"display_name": ""}])
def test_an_impossible_environment_cannot_even_be_written_down(wrong):
    facts = {
        "location": "europe",
        "display_name": "n",
        "description": "",
        "sku": "S",
        "domain_name": "d",
        "currency_code": "EUR",
    }
    with pytest.raises(ValueError, match=r"GUID|name"):
        NewEnvironment(**{**facts, **wrong})


def test_r02_a_200_is_accepted_but_proves_nothing(microsoft, cloud):
    microsoft.says(200)
    assert cloud.bap.create_environment(NEW) == Started(200)


def test_r03_a_202_without_location_leaves_nothing_to_poll(microsoft, cloud):
    microsoft.says(202)
    assert cloud.bap.create_environment(NEW) == Started(202)


def test_r04_a_creation_with_a_hostile_location_has_happened(microsoft, cloud):
    microsoft.says(202, headers={"Location": "https://evil.example/op"})
    with pytest.raises(UntrustedUrlError) as refused:
        cloud.bap.create_environment(NEW)
    assert refused.value.maybe_executed


def test_r13_a_created_document_nobody_can_read_has_happened(microsoft, cloud):
    microsoft.says(201, body=b'{"name": "5f2c')
    with pytest.raises(TransientError) as failed:
        cloud.bap.create_environment(NEW)
    assert failed.value.maybe_executed


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("DomainNameAlreadyInUse", ConflictKind.DOMAIN_IN_USE),
        ("InsufficientCapacity_StorageDriven", ConflictKind.CAPACITY),
        ("OperationNotStartable", ConflictKind.BUSY),
    ],
)
def test_r10_r26_a_refused_creation_says_why(microsoft, cloud, code, kind):
    microsoft.says(409, error(code))
    with pytest.raises(ConflictError) as refused:
        cloud.bap.create_environment(NEW)
    assert refused.value.kind is kind


def test_a_free_domain_name_passes_and_a_taken_one_conflicts(microsoft, cloud):
    microsoft.says(200)
    cloud.bap.validate_environment_details("dom", "europe")
    assert microsoft.lines == [f"POST {BAP}/validateEnvironmentDetails?api-version=2021-04-01"]
    assert microsoft.sent == {"domainName": "dom", "environmentLocation": "europe"}
    microsoft.answers.clear()
    microsoft.says(409, error("DomainNameAlreadyInUse"))
    with pytest.raises(ConflictError) as taken:
        cloud.bap.validate_environment_details("dom", "europe")
    assert taken.value.kind is ConflictKind.DOMAIN_IN_USE


# Operations


def operation(state, path="", **more):
    return {
        "id": "b03e",
        "type": {"id": "Create"},
        "state": {"id": state},
        "links": {"environment": {"path": path}},
        "requestedBy": {"id": CLIENT},
        "createdDateTime": "2026-01-10T09:15:00.3761337Z",
        "stages": [
            {"id": "Validate", "name": "Validate", "state": {"id": "Succeeded"}},
            {"id": "Run", "state": {"id": state}},
        ],
        **more,
    }


def test_an_operation_is_polled_at_its_regional_host(microsoft, cloud):
    microsoft.says(200, operation("Running"), headers={"Retry-After": "10"})
    polled = cloud.bap.operation(REGIONAL)
    assert microsoft.lines == [f"GET {REGIONAL}"]
    assert (polled.state, polled.environment_id, polled.retry_after) == (OperationState.RUNNING, None, 10)
    assert not polled.state.is_final
    assert [(stage.name, stage.state) for stage in polled.stages] == [("Validate", "Succeeded"), ("Run", "Running")]


def test_the_environment_id_is_in_the_finished_operation(microsoft, cloud):
    microsoft.says(200, operation("Succeeded", f"/providers/x/environments/{ENV}"))
    done = cloud.bap.operation(REGIONAL)
    assert (done.state, done.environment_id, done.state.is_final) == (OperationState.SUCCEEDED, ENV, True)
    assert (done.id, done.type, done.requested_by) == ("b03e", "Create", CLIENT)
    assert done.created_time == datetime(2026, 1, 10, 9, 15, 0, 376133, UTC)


def test_r05_a_failed_creation_has_no_id(microsoft, cloud):
    microsoft.says(200, operation("Failed"))
    failed = cloud.bap.operation(REGIONAL)
    assert (failed.state, failed.environment_id) == (OperationState.FAILED, None)


@pytest.mark.parametrize("state", ["Postponed", "", None, 3])
def test_r23_a_state_nobody_knows_is_not_final(microsoft, cloud, state):
    microsoft.says(200, operation(state))
    assert cloud.bap.operation(REGIONAL).state is OperationState.RUNNING


def test_a_409_while_polling_means_keep_polling(microsoft, cloud):
    microsoft.says(409, headers={"Retry-After": "12"})
    polled = cloud.bap.operation(REGIONAL)
    assert (polled.id, polled.state, polled.retry_after) == ("b03e", OperationState.RUNNING, 12)


def test_an_operation_that_is_gone_is_not_found(microsoft, cloud):
    microsoft.says(404, error("OperationNotFound"))
    with pytest.raises(NotFoundError) as gone:
        cloud.bap.operation(REGIONAL)
    assert gone.value.code == "OperationNotFound"


def test_r04_an_operation_on_a_foreign_host_is_refused(microsoft, cloud):
    with pytest.raises(UntrustedUrlError):
        cloud.bap.operation("https://evil.example/op")
    assert microsoft.requests == []


def test_the_history_of_an_environment(microsoft, cloud):
    microsoft.says(200, {"value": [operation("Succeeded"), operation("Failed")]})
    assert [entry.state for entry in cloud.bap.operations_of(ENV)] == [OperationState.SUCCEEDED, OperationState.FAILED]
    assert microsoft.last.url.params["$filter"] == f"environment eq '{ENV}'"
    assert microsoft.last.url.params["api-version"] == "2024-05-01"


# Tenant, locations, groups, administrators


def test_tenant_and_locations(microsoft, cloud):
    microsoft.says(200, {"tenantId": "t", "state": "Enabled", "location": "europe", "defaultEnvironmentGeo": "EMEA"})
    assert cloud.bap.tenant().default_environment_geo == "EMEA"
    microsoft.answers.clear()
    europe = {
        "name": "europe",
        "properties": {
            "displayName": "Europe",
            "code": "EMEA",
            "canProvisionDatabase": True,
            "azureRegions": ["westeurope"],
        },
    }
    australia = {"name": "australia", "properties": {"isDisabled": True, "canProvisionDatabase": True}}
    microsoft.says(200, {"value": [europe, australia]})
    first, second = cloud.bap.locations()
    assert (first.is_usable, first.azure_regions, first.code, first.display_name) == (
        True,
        ("westeurope",),
        "EMEA",
        "Europe",
    )
    assert (second.is_usable, second.azure_regions) == (False, ())


def test_environment_groups_are_flat(microsoft, cloud):
    microsoft.says(200, {"value": [{"id": ENVIRONMENT_GROUP.upper(), "displayName": "FSI-Team-Collaboration"}]})
    (group,) = cloud.bap.environment_groups()
    assert (group.id, group.display_name) == (ENVIRONMENT_GROUP, "FSI-Team-Collaboration")


def test_whether_an_application_is_registered(microsoft, cloud):
    microsoft.says(200, {"applicationId": CLIENT.upper()})
    assert cloud.bap.admin_application(CLIENT)
    assert microsoft.lines == [f"GET {BAP}/adminApplications/{CLIENT}?api-version=2020-10-01"]
    for status, answer in ((400, error("InvalidApplicationId")), (200, {"applicationId": ENV})):
        microsoft.answers.clear()
        microsoft.says(status, answer)
        assert not cloud.bap.admin_application(CLIENT)
    microsoft.answers.clear()
    microsoft.says(400, error("InvalidApiVersion"))
    with pytest.raises(PermanentError):
        cloud.bap.admin_application(CLIENT)


def test_an_unregistered_principal_is_an_authentication_error(microsoft, cloud):
    microsoft.says(403, {"error": {"code": "Forbidden", "message": "does not have permission to access the path"}})
    with pytest.raises(AuthenticationError):
        cloud.bap.tenant()


def test_all_registered_applications(microsoft, cloud):
    microsoft.says(200, {"value": [{"applicationId": CLIENT.upper()}]})
    assert cloud.bap.admin_applications() == (CLIENT,)


def test_users_are_added_to_an_environment(microsoft, cloud):
    microsoft.says(200)
    cloud.bap.add_app_user(ENV, CLIENT)
    cloud.bap.add_user(ENV, GROUP)
    admin = f"{BAP}/scopes/admin/environments/{ENV}"
    assert microsoft.lines == [
        f"POST {admin}/addAppUser?api-version=2020-10-01",
        f"POST {admin}/addUser?api-version=2023-06-01",
    ]
    assert microsoft.sent == {"objectId": GROUP}
    microsoft.answers.clear()
    microsoft.says(403, error("userNotLicensed"))
    with pytest.raises(NotReadyError):
        cloud.bap.add_user(ENV, GROUP)


# Data policies


def test_dlp_coverage_follows_the_environment_type_not_the_group(microsoft, cloud):
    named = [{"id": f"/x/{ENV}", "name": ENV.upper()}]
    kinds = {
        "all": ("AllEnvironments", []),
        "only": ("OnlyEnvironments", named),
        "only-others": ("OnlyEnvironments", []),
        "except": ("ExceptEnvironments", named),
        "except-others": ("ExceptEnvironments", []),
        "single": ("SingleEnvironment", named),
        "unheard-of": ("NewKind", named),
    }
    wrapped = [
        {"policyDefinition": {"name": name, "displayName": name, "environmentType": kind, "environments": environments}}
        for name, (kind, environments) in kinds.items()
    ]
    microsoft.says(200, {"value": wrapped})
    policies = cloud.bap.dlp_policies()
    assert microsoft.lines == ["GET https://api.bap.microsoft.com/providers/PowerPlatform.Governance/v2/policies"]
    assert [policy.name for policy in dlp_coverage(ENV, policies)] == ["all", "only", "except-others", "single"]
    assert dlp_coverage(ENV, ()) == ()


def test_a_policy_may_also_come_unwrapped():
    policy = DlpPolicy.parse(
        {"name": "p", "environmentType": "AllEnvironments", "defaultConnectorsClassification": "Blocked"}
    )
    assert (policy.applies_to(ENV), policy.default_classification) == (True, "Blocked")
