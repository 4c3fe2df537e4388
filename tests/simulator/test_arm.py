"""Azure Resource Manager: what it lays on a container binds every blob in it (contract §15)."""

import pytest

from tests.simulator.cloud import BLOB_SCOPE

POLICY = "/immutabilityPolicies/default"


def period(days):
    return {"properties": {"immutabilityPeriodSinceCreationInDays": days, "allowProtectedAppendWrites": True}}


def code(answer):
    return answer.json()["error"]["code"]


def test_a_policy_of_the_container_protects_its_blobs_as_long_as_it_says(alone):
    tenant = alone.tenant()
    tenant.blob("PUT", "/evidence/a", content=b"a")
    answer = tenant.arm("PUT", "evidence", POLICY, json=period(7))
    assert (answer.status_code, answer.json()["properties"]["state"]) == (200, "Unlocked")
    assert answer.json()["etag"] == answer.headers["etag"]
    assert tenant.blob("DELETE", "/evidence/a").headers["x-ms-error-code"] == "BlobImmutableDueToPolicy"
    alone.control("POST", "/clock", {"advance_seconds": 8 * 86400}, status=200)
    tenant.credential = tenant.credential_for(tenant.client_id, tenant.secret)
    assert tenant.blob("DELETE", "/evidence/a").status_code == 202


def test_a_policy_is_changed_and_removed_while_it_is_unlocked(tenant):
    first = tenant.arm("PUT", "evidence", POLICY, json=period(7)).headers["etag"]
    second = tenant.arm("PUT", "evidence", POLICY, json=period(9)).headers["etag"]
    assert tenant.arm("DELETE", "evidence", POLICY).status_code == 400
    stale = tenant.arm("DELETE", "evidence", POLICY, headers={"If-Match": first})
    assert (stale.status_code, code(stale)) == (412, "ConditionNotMet")
    assert tenant.arm("POST", "evidence", f"{POLICY}/extend", json=period(10), headers={"If-Match": "*"}).is_error
    assert tenant.arm("DELETE", "evidence", POLICY, headers={"If-Match": second}).status_code == 200
    assert code(tenant.arm("GET", "evidence", POLICY)) == "ContainerImmutabilityPolicyNotFound"


def test_a_locked_policy_can_only_be_extended(tenant):
    etag = tenant.arm("PUT", "evidence", POLICY, json=period(7)).headers["etag"]
    locked = tenant.arm("POST", "evidence", f"{POLICY}/lock", headers={"If-Match": etag})
    assert locked.json()["properties"]["state"] == "Locked"
    match = {"If-Match": locked.headers["etag"]}
    assert tenant.arm("PUT", "evidence", POLICY, json=period(1)).status_code == 409
    assert tenant.arm("DELETE", "evidence", POLICY, headers=match).status_code == 409
    assert tenant.arm("POST", "evidence", f"{POLICY}/extend", json=period(6), headers=match).status_code == 409
    extended = tenant.arm("POST", "evidence", f"{POLICY}/extend", json=period(2557), headers=match)
    assert extended.json()["properties"]["immutabilityPeriodSinceCreationInDays"] == 2557
    assert tenant.arm("GET", "evidence", POLICY).json() == extended.json()
    assert extended.json()["id"].endswith(f"/containers/evidence{POLICY}")


def test_a_legal_hold_stays_until_its_last_tag_is_cleared(tenant):
    tenant.blob("PUT", "/evidence/a", content=b"a")
    held = tenant.arm("POST", "evidence", "/setLegalHold", json={"tags": ["examination2026", "Court7"]})
    assert held.json() == {"hasLegalHold": True, "tags": ["court7", "examination2026"]}
    tenant.arm("POST", "evidence", "/clearLegalHold", json={"tags": ["court7"]})
    assert tenant.blob("DELETE", "/evidence/a").headers["x-ms-error-code"] == "BlobImmutableDueToLegalHold"
    properties = tenant.arm("GET", "evidence").json()["properties"]
    assert (properties["hasLegalHold"], properties["hasImmutabilityPolicy"]) == (True, False)
    tenant.arm("POST", "evidence", "/clearLegalHold", json={"tags": ["examination2026"]})
    assert tenant.blob("DELETE", "/evidence/a").status_code == 202


def test_version_level_worm_comes_with_creation_or_by_migration(tenant):
    worm = {"properties": {"immutableStorageWithVersioning": {"enabled": True}}}
    assert tenant.arm("PUT", "worm", json=worm).status_code == 201
    assert tenant.arm("PUT", "worm", json=worm).status_code == 200
    assert tenant.arm("PUT", "plain", json={}).status_code == 201
    hold = {"x-ms-legal-hold": "true"}
    assert tenant.blob("PUT", "/worm/a", content=b"a", headers=hold).status_code == 201
    assert tenant.blob("PUT", "/plain/a", content=b"a", headers=hold).status_code == 409
    assert code(tenant.arm("POST", "plain", "/migrate")) == "ContainerImmutabilityPolicyRequired"
    tenant.arm("PUT", "plain", POLICY, json=period(1))
    migrated = tenant.arm("POST", "plain", "/migrate")
    assert (migrated.status_code, migrated.headers["location"].partition("?")[0]) == (
        202,
        str(migrated.request.url).partition("/migrate")[0],
    )
    properties = tenant.arm("GET", "plain").json()["properties"]
    assert properties["immutableStorageWithVersioning"] == {"enabled": True}
    assert properties["immutabilityPolicy"]["properties"]["state"] == "Unlocked"
    assert tenant.blob("PUT", "/plain/a", content=b"a", headers=hold).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "body", "problem"),
    [
        ("PUT", POLICY, period(0), "InvalidRequestPropertyValue"),
        ("PUT", POLICY, period(146_001), "InvalidRequestPropertyValue"),
        ("PUT", POLICY, {"properties": 7}, "InvalidRequestContent"),
        ("POST", "/setLegalHold", {"tags": ["a b"]}, "InvalidRequestPropertyValue"),
        ("POST", "/setLegalHold", {}, "InvalidRequestPropertyValue"),
    ],
)
def test_bad_input_is_refused(tenant, method, path, body, problem):
    answer = tenant.arm(method, "evidence", path, json=body)
    assert (answer.status_code, code(answer)) == (400, problem)


def test_the_token_must_be_for_azure_resource_manager(tenant):
    assert code(tenant.arm("GET", "absent")) == "ContainerNotFound"
    assert tenant.call("GET", f"{tenant.cloud.ready['arm']}/x", BLOB_SCOPE).status_code == 401
    url = str(tenant.arm("GET", "evidence").request.url).partition("?")[0]
    without_version = tenant.call("GET", url, "https://management.azure.com/.default")
    assert code(without_version) == "MissingApiVersionParameter"
