"""Environment group membership and capacity."""

import pytest

from microsoft_cloud.errors import ConflictError, ConflictKind, NotFoundError, PermanentError, UntrustedUrlError
from microsoft_cloud.operations import OperationState, Started

ENV = "5f2c9a10-0000-4000-8000-00000000a001"
GROUP = "1c1c1c1c-0000-4000-8000-0000000000bb"
API = "https://api.powerplatform.com/environmentmanagement"
OPERATION = f"{API}/environmentGroupOperations/op-1?api-version=1"


def test_a_group_is_read_with_the_power_platform_audience(microsoft, cloud, tokens):
    microsoft.says(200, {"id": GROUP, "displayName": "FSI-Enterprise-Production", "description": "d"})
    assert cloud.power_platform.environment_group(GROUP).display_name == "FSI-Enterprise-Production"
    assert microsoft.lines == [f"GET {API}/environmentGroups/{GROUP}?api-version=2024-10-01"]
    assert tokens.scopes == ["https://api.powerplatform.com/.default"]


def test_an_environment_joins_and_leaves_one_group_at_a_time(microsoft, cloud):
    microsoft.says(202, headers={"Location": OPERATION})
    assert cloud.power_platform.add_environment_to_group(GROUP, ENV) == Started(202, OPERATION)
    cloud.power_platform.remove_environment_from_group(GROUP, ENV)
    assert microsoft.lines == [
        f"POST {API}/environmentGroups/{GROUP}/addEnvironment/{ENV}?api-version=2024-10-01",
        f"POST {API}/environmentGroups/{GROUP}/removeEnvironment/{ENV}?api-version=2024-10-01",
    ]
    assert microsoft.last.content == b""


def test_an_unmanaged_environment_is_refused(microsoft, cloud):
    microsoft.says(
        400, {"error": {"code": "InputValidationError", "message": f"Environment with id {ENV} is not managed."}}
    )
    with pytest.raises(PermanentError) as refused:
        cloud.power_platform.add_environment_to_group(GROUP, ENV)
    assert refused.value.code == "InputValidationError"


def test_a_busy_environment_conflicts(microsoft, cloud):
    microsoft.says(409)
    with pytest.raises(ConflictError) as busy:
        cloud.power_platform.add_environment_to_group(GROUP, ENV)
    assert busy.value.kind is ConflictKind.BUSY


@pytest.mark.parametrize(("group", "environment"), [("", ENV), (GROUP, ""), ("FSI-Team", ENV), (GROUP, "a/b")])
def test_r05_odd_ids_are_never_sent(microsoft, cloud, group, environment):
    with pytest.raises(PermanentError):
        cloud.power_platform.add_environment_to_group(group, environment)
    assert microsoft.requests == []


def test_a_group_operation_is_polled(microsoft, cloud):
    microsoft.says(200, {"id": "op-1", "state": {"id": "Succeeded"}}, headers={"Retry-After": "3"})
    polled = cloud.power_platform.group_operation(OPERATION)
    assert (polled.state, polled.retry_after) == (OperationState.SUCCEEDED, 3)
    microsoft.answers.clear()
    microsoft.says(409)
    assert cloud.power_platform.group_operation(OPERATION).state is OperationState.RUNNING


def test_a_204_is_an_operation_nobody_knows(microsoft, cloud):
    microsoft.says(204)
    with pytest.raises(NotFoundError):
        cloud.power_platform.group_operation(OPERATION)


def test_r04_a_group_operation_elsewhere_is_refused(microsoft, cloud):
    for url in ("https://evil.example/op", "https://api.bap.microsoft.com/op"):
        with pytest.raises(UntrustedUrlError):
            cloud.power_platform.group_operation(url)


def test_free_database_capacity(microsoft, cloud):
    microsoft.says(
        200,
        {
            "tenantCapacities": [
                {"capacityType": "Database", "totalCapacity": 20480.0, "consumption": {"actual": 3150.9}},
                {"capacityType": "File", "totalCapacity": 1.0, "consumption": {"actual": 1.0}},
            ]
        },
    )
    assert cloud.power_platform.database_capacity().free_mb == pytest.approx(17329.1)
    assert microsoft.lines == [
        "GET https://api.powerplatform.com/licensing/tenantCapacity?api-version=2022-03-01-preview"
    ]
