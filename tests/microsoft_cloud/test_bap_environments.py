"""Reading and changing environments."""

from datetime import UTC, datetime

import pytest

from microsoft_cloud.bap import (
    BapClient,
    Governance,
    OngoingOperation,
    Started,
)
from microsoft_cloud.errors import (
    ConflictError,
    ConflictKind,
    NotFoundError,
    NotReadyError,
    PermanentError,
)

ENV = "5f2c9a10-0000-4000-8000-00000000a001"
GROUP = "7d3b6a7e-0000-4000-8000-0000000000aa"
ENVIRONMENT_GROUP = "1c1c1c1c-0000-4000-8000-0000000000bb"
CLIENT = "8784d9fb-0000-4000-8000-96ce0000fc00"
ZERO = "00000000-0000-0000-0000-000000000000"
BAP = "https://api.bap.microsoft.com/providers/Microsoft.BusinessAppPlatform"
REGIONAL = "https://europe.api.bap.microsoft.com/providers/x/lifecycleOperations/b03e?api-version=2023-06-01"


def document(**properties):
    return {
        "name": ENV,
        "location": "europe",
        "properties": {
            "displayName": "Z3-Claims-PROD",
            "description": "elm:req=REQ-00042;zone=3",
            "azureRegion": "westeurope",
            "createdTime": "2026-01-10T09:15:02.6057592Z",
            "createdBy": {"id": CLIENT, "type": "ServicePrincipal"},
            "provisioningState": "Succeeded",
            "environmentSku": "Production",
            "linkedEnvironmentMetadata": {
                "resourceId": "43f51247-0000-4000-8000-000d3a688755",
                "domainName": "z3-claims-prod",
                "instanceUrl": "https://z3-claims-prod.crm4.dynamics.com/",
                "securityGroupId": GROUP.upper(),
            },
            "states": {"management": {"id": "Ready"}},
            "governanceConfiguration": {
                "protectionLevel": "Standard",
                "settings": {"extendedSettings": {"limitSharingMode": "noLimit", "maxLimitUserSharing": 20}},
            },
            "parentEnvironmentGroup": {"id": ENVIRONMENT_GROUP},
            **properties,
        },
    }


def error(code):
    return {"error": {"code": code, "message": "…"}}


# Reading


def test_an_environment_is_read_completely(microsoft, cloud):
    microsoft.says(200, document(ongoingOperation={"id": "op-1", "type": {"id": "Edit"}}))
    found = cloud.bap.get_environment(ENV)
    assert microsoft.lines == [
        f"GET {BAP}/scopes/admin/environments/{ENV}?api-version=2023-06-01"
        "&$expand=permissions,properties.capacity,properties/billingPolicy,properties/copilotPolicies"
    ]
    assert (found.id, found.display_name, found.sku, found.location) == (ENV, "Z3-Claims-PROD", "Production", "europe")
    assert (found.azure_region, found.domain_name) == ("westeurope", "z3-claims-prod")
    assert found.instance_url == "https://z3-claims-prod.crm4.dynamics.com"
    assert found.security_group_id == GROUP
    assert (found.has_dataverse, found.is_ready, found.is_managed) == (True, True, True)
    assert found.extended_settings == {"limitSharingMode": "noLimit", "maxLimitUserSharing": "20"}
    assert found.environment_group_id == ENVIRONMENT_GROUP
    assert found.organization_id == "43f51247-0000-4000-8000-000d3a688755"
    assert found.created_time == datetime(2026, 1, 10, 9, 15, 2, 605759, UTC)
    assert found.created_by_id == CLIENT
    assert found.ongoing_operation == OngoingOperation("op-1", "Edit")


def test_r06_an_environment_right_after_creation_is_not_readable_yet(microsoft, cloud):
    microsoft.says(200, {"name": ENV, "properties": {"states": {"management": {"id": "NotSpecified"}}}})
    found = cloud.bap.get_environment(ENV)
    assert (found.has_dataverse, found.is_ready, found.is_managed) == (False, False, False)
    assert (found.extended_settings, found.security_group_id, found.environment_group_id) == (None, None, None)
    assert (found.created_time, found.ongoing_operation) == (None, None)


def test_the_zero_guid_means_unrestricted(microsoft, cloud):
    microsoft.says(
        200, document(linkedEnvironmentMetadata={"securityGroupId": ZERO}, parentEnvironmentGroup={"id": ZERO})
    )
    found = cloud.bap.get_environment(ENV)
    assert (found.security_group_id, found.environment_group_id) == (None, None)


def test_in_a_group_the_settings_are_hidden(microsoft, cloud):
    microsoft.says(200, document(governanceConfiguration={"protectionLevel": "Standard"}))
    found = cloud.bap.get_environment(ENV)
    assert (found.is_managed, found.extended_settings) == (True, None)


@pytest.mark.parametrize("identifier", ["", " ", "../environments", "a/b", "a?b", "."])
def test_r05_an_empty_or_odd_id_is_never_read(microsoft, cloud, identifier):
    for call in (
        lambda: cloud.bap.get_environment(identifier),
        lambda: cloud.bap.patch_environment(identifier, description=""),
        lambda: cloud.bap.set_governance_configuration(identifier, Governance()),
        lambda: cloud.bap.operations_of(identifier),
    ):
        with pytest.raises(PermanentError) as refused:
            call()
        assert refused.value.code == "InvalidIdentifier"
    assert microsoft.requests == []


@pytest.mark.parametrize("answer", [{"value": [document()]}, {}, {**document(), "name": CLIENT}])
def test_r05_an_answer_that_is_not_the_environment_is_refused(microsoft, cloud, answer):
    microsoft.says(200, answer)
    with pytest.raises(PermanentError) as refused:
        cloud.bap.get_environment(ENV)
    assert refused.value.code == "WrongResource"


def test_the_default_environment_has_no_guid(microsoft, cloud):
    microsoft.says(200, {**document(), "name": f"Default-{ENV}"})
    assert cloud.bap.get_environment(f"Default-{ENV}").id == f"Default-{ENV}"


def test_r24_a_vanished_environment_is_not_found_and_a_fresh_one_is_not_ready(microsoft, cloud):
    microsoft.says(404, error("EnvironmentNotFound"), headers={"x-ms-request-id": "r"})
    with pytest.raises(NotFoundError):
        cloud.bap.get_environment(ENV)
    with pytest.raises(NotReadyError) as fresh:
        cloud.bap.get_environment(ENV, just_created=True)
    assert (fresh.value.code, fresh.value.request_ids) == ("EnvironmentNotFound", {"x-ms-request-id": "r"})


def test_an_environment_is_found_by_its_domain_name_never_by_its_name(microsoft, cloud):
    microsoft.says(200, {"value": [{"name": "x", "properties": {"displayName": "z3-claims-prod"}}, document()]})
    assert cloud.bap.find_environment("Z3-Claims-Prod").id == ENV
    assert cloud.bap.find_environment("other") is None
    assert len(cloud.bap.list_environments()) == 2
    assert microsoft.last.url.params["$expand"] == "properties/billingPolicy,properties/copilotPolicies"


# Changing


def test_a_patch_sends_only_what_changes_and_stays_on_its_version(microsoft, cloud):
    microsoft.says(202, headers={"Location": REGIONAL})
    cloud.bap.patch_environment(ENV, security_group_id=GROUP)
    assert microsoft.lines == [f"PATCH {BAP}/scopes/admin/environments/{ENV}?api-version=2021-04-01"]
    assert microsoft.sent == {"properties": {"linkedEnvironmentMetadata": {"securityGroupId": GROUP}}}
    cloud.bap.patch_environment(ENV, description="")
    assert microsoft.sent == {"properties": {"description": ""}}
    microsoft.answers.clear()
    microsoft.says(204)
    assert cloud.bap.patch_environment(ENV, description="x") == Started(204)


def test_a_security_group_must_be_a_guid(microsoft, cloud):
    with pytest.raises(PermanentError):
        cloud.bap.patch_environment(ENV, security_group_id="everyone")
    assert microsoft.requests == []


def test_managed_settings_are_sent_as_strings_to_the_right_path(microsoft, cloud):
    microsoft.says(202, headers={"Location": REGIONAL, "Retry-After": "5"})
    cloud.bap.set_governance_configuration(ENV, Governance(settings={"maxLimitUserSharing": "20"}))
    assert microsoft.lines == [f"POST {BAP}/environments/{ENV}/governanceConfiguration?api-version=2021-04-01"]
    assert microsoft.sent == {
        "protectionLevel": "Standard",
        "settings": {"extendedSettings": {"maxLimitUserSharing": "20"}},
    }
    cloud.bap.set_governance_configuration(ENV, Governance("Basic"))
    assert microsoft.sent == {"protectionLevel": "Basic"}


def test_a_number_among_the_settings_is_refused_before_sending():
    with pytest.raises(ValueError, match="maxLimitUserSharing"):
        Governance(settings={"maxLimitUserSharing": 20})


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(None, ConflictKind.BUSY), (error("GovernanceConfigurationChangeBlockedByGroup"), ConflictKind.LOCKED_BY_GROUP)],
)
def test_r09_a_governance_conflict_even_an_empty_one_is_told(microsoft, cloud, answer, kind):
    microsoft.says(409, answer)
    with pytest.raises(ConflictError) as refused:
        cloud.bap.set_governance_configuration(ENV, Governance())
    assert refused.value.kind is kind


def test_r31_the_provisioning_client_cannot_delete():
    assert not [name for name in dir(BapClient) if "delete" in name.lower()]
