"""Key Vault (E24), blob storage (E25), Power Platform API lists (E26), Graph, data policies."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import uuid4

import pytest

from tests.simulator.cloud import BAP_SCOPE, VAULT_SCOPE

POLICIES = "/providers/PowerPlatform.Governance/v2/policies"


def http_date(days):
    return format_datetime(datetime.now(UTC) + timedelta(days=days), usegmt=True)


def test_contract_e24_the_challenge_names_authority_and_resource(cloud):
    name = f"secret-{uuid4().hex}"
    tenant = cloud.tenant(key_vault_secrets={name: "s3cr3t"})
    url = f"{cloud.endpoints['key_vault']}/secrets/{name}/?api-version=2026-04-01"
    challenge = cloud.http.get(url)
    assert challenge.status_code == 401
    expected = f'Bearer authorization="{cloud.endpoints["login"]}/{tenant.id}", resource="https://vault.azure.net"'
    assert challenge.headers["www-authenticate"] == expected
    token = tenant.credential.get_token(VAULT_SCOPE, enable_cae=True).token
    bundle = cloud.http.get(url, headers={"Authorization": f"Bearer {token}"}).json()
    assert bundle["value"] == "s3cr3t"
    assert bundle["id"].startswith(f"{cloud.endpoints['key_vault']}/secrets/{name}/")


def test_contract_e24_the_unmodified_sdk_reads_and_writes(cloud):
    keyvault = pytest.importorskip("azure.keyvault.secrets")
    name = f"secret-{uuid4().hex}"
    tenant = cloud.tenant(key_vault_secrets={name: "old"})
    client = keyvault.SecretClient(
        cloud.endpoints["key_vault"], tenant.credential, verify_challenge_resource=False, transport=cloud.transport
    )
    assert client.get_secret(name).value == "old"
    client.set_secret(name, "new")
    assert client.get_secret(name).value == "new"


def test_contract_e24_versions_expiry_disabling_and_soft_delete(tenant):
    exp = int((datetime.now(UTC) - timedelta(days=1)).timestamp())
    body = {
        "value": "one",
        "contentType": "text/plain",
        "attributes": {"enabled": True, "exp": exp},
        "tags": {"keyId": "k"},
    }
    first = tenant.vault("PUT", "/secrets/elm", json=body).json()
    assert (first["attributes"]["exp"], first["tags"]) == (exp, {"keyId": "k"})
    second = tenant.vault("PUT", "/secrets/elm", json={"value": "two"}).json()
    version = first["id"].rpartition("/")[2]
    assert tenant.vault("GET", "/secrets/elm/").json()["value"] == "two"
    assert tenant.vault("GET", f"/secrets/elm/{version}").json()["value"] == "one"  # expired, readable all the same
    patched = tenant.vault("PATCH", f"/secrets/elm/{version}", json={"attributes": {"enabled": False}})
    assert "value" not in patched.json()
    disabled = tenant.vault("GET", f"/secrets/elm/{version}")
    assert (disabled.status_code, disabled.json()["error"]["innererror"]["code"]) == (403, "SecretDisabled")
    listed = tenant.vault("GET", "/secrets/elm/versions").json()["value"]
    assert {item["id"] for item in listed} == {first["id"], second["id"]}
    assert all("value" not in item for item in listed)
    assert tenant.vault("GET", "/secrets/other").json()["error"]["code"] == "SecretNotFound"
    assert tenant.vault("DELETE", "/secrets/elm").status_code == 200
    conflict = tenant.vault("PUT", "/secrets/elm", json={"value": "three"})
    assert (conflict.status_code, conflict.json()["error"]["innererror"]["code"]) == (
        409,
        "ObjectIsDeletedButRecoverable",
    )
    assert tenant.vault("POST", "/deletedsecrets/elm/recover").status_code == 200
    assert tenant.vault("GET", "/secrets/elm").json()["value"] == "two"


def test_contract_e24_roles_of_the_vault_are_honoured(cloud):
    tenant = cloud.tenant(key_vault_secrets={"elm": "x"}, key_vault_readers=[], key_vault_officers=[])
    assert tenant.vault("GET", "/secrets/elm").status_code == 403
    cloud.control(
        "POST", "/seed", {"tenants": [{"id": tenant.id, "key_vault_readers": [tenant.client_id]}]}, status=200
    )
    assert tenant.vault("GET", "/secrets/elm").status_code == 200
    assert tenant.vault("PUT", "/secrets/elm", json={"value": "y"}).status_code == 403


def test_contract_e25_a_protected_blob_can_be_neither_overwritten_nor_deleted(tenant):
    until = {"x-ms-immutability-policy-until-date": http_date(30), "x-ms-immutability-policy-mode": "unlocked"}
    path = "/evidence/runs/1.json"
    assert tenant.blob("PUT", path, content=b"{}", headers={"If-None-Match": "*"} | until).status_code == 201
    exists = tenant.blob("PUT", path, content=b"{}", headers={"If-None-Match": "*"})
    assert (exists.status_code, exists.headers["x-ms-error-code"]) == (409, "BlobAlreadyExists")
    for method, headers in (("PUT", {}), ("DELETE", {})):
        refused = tenant.blob(method, path, headers=headers)
        assert (refused.status_code, refused.headers["x-ms-error-code"]) == (409, "BlobImmutableDueToPolicy")
    head = tenant.blob("HEAD", path)
    assert head.headers["x-ms-immutability-policy-mode"] == "unlocked"
    assert head.headers["x-ms-immutability-policy-until-date"] == until["x-ms-immutability-policy-until-date"]
    assert tenant.blob("DELETE", f"{path}?comp=immutabilityPolicies").status_code == 200
    assert tenant.blob("PUT", f"{path}?comp=legalhold", headers={"x-ms-legal-hold": "true"}).status_code == 200
    held = tenant.blob("DELETE", path)
    assert held.headers["x-ms-error-code"] == "BlobImmutableDueToLegalHold"
    tenant.blob("PUT", f"{path}?comp=legalhold", headers={"x-ms-legal-hold": "false"})
    assert tenant.blob("GET", path).content == b"{}"
    assert tenant.blob("DELETE", path).status_code == 202
    assert tenant.blob("GET", path).headers["x-ms-error-code"] == "BlobNotFound"


def test_contract_e25_containers_list_their_blobs(tenant):
    assert tenant.blob("PUT", "/new?restype=container").status_code == 201
    assert tenant.blob("PUT", "/new?restype=container").headers["x-ms-error-code"] == "ContainerAlreadyExists"
    assert tenant.blob("HEAD", "/new?restype=container").status_code == 200
    for name in ("a/1", "a/2", "b"):
        tenant.blob("PUT", f"/new/{name}", content=b"x")
    listing = tenant.blob("GET", "/new?restype=container&comp=list&prefix=a/").text
    assert listing.count("<Blob>") == 2
    assert "<Name>a/1</Name>" in listing
    assert "<NextMarker></NextMarker>" in listing
    page = "/new?restype=container&comp=list&prefix=a/&maxresults=1"
    marker = tenant.blob("GET", page).text.partition("<NextMarker>")[2].partition("<")[0]
    last = tenant.blob("GET", f"{page}&marker={marker}").text
    assert ("<Name>a/1</Name>" in last, "<Name>a/2</Name>" in last) == (False, True)
    assert tenant.blob("GET", f"{page}&marker=2!x").status_code == 400


def test_contract_e25_the_unmodified_sdk_meets_the_policy(cloud, tenant):
    blob = pytest.importorskip("azure.storage.blob")
    client = blob.BlobServiceClient(cloud.endpoints["blob"], tenant.credential, transport=cloud.transport)
    policy = blob.ImmutabilityPolicy(expiry_time=datetime.now(UTC) + timedelta(days=5), policy_mode="Unlocked")
    evidence = client.get_container_client("evidence").upload_blob("1.json", b"{}", immutability_policy=policy)
    assert evidence.get_blob_properties().immutability_policy.policy_mode == "unlocked"
    with pytest.raises(Exception, match="BlobImmutableDueToPolicy"):
        evidence.delete_blob()


def test_contract_e25_a_locked_policy_can_only_be_extended(tenant):
    def policy(days, mode="locked"):
        headers = {"x-ms-immutability-policy-until-date": http_date(days), "x-ms-immutability-policy-mode": mode}
        return tenant.blob("PUT", "/evidence/a?comp=immutabilityPolicies", headers=headers).status_code

    tenant.blob("PUT", "/evidence/a", content=b"a")
    assert [policy(30), policy(60), policy(40), policy(60, "unlocked"), policy(-1)] == [200, 200, 409, 409, 400]
    assert tenant.blob("DELETE", "/evidence/a?comp=immutabilityPolicies").status_code == 409


def test_contract_e25_immutability_needs_version_level_worm(cloud):
    tenant = cloud.tenant(containers=[{"name": "plain", "version_level_worm": False}])
    assert tenant.blob("PUT", "/plain/a", content=b"a", headers={"x-ms-legal-hold": "true"}).status_code == 409
    assert tenant.blob("PUT", "/plain/a", content=b"a").status_code == 201
    assert tenant.blob("PUT", "/absent/a", content=b"a").headers["x-ms-error-code"] == "ContainerNotFound"
    assert tenant.blob("PUT", "/plain/a", headers={"x-ms-version": "2019-12-12"}).status_code == 400


def test_contract_e26_lists_are_paged_with_a_lower_case_nextlink(cloud):
    tenant = cloud.tenant(timing={"page_size": 2})
    for _ in range(4):
        tenant.start(dataverse=False)
    url, pages = "/environmentmanagement/environments", []
    while url:
        page = tenant.pp("GET", url).json()
        pages.append(page["value"])
        url = page.get("@odata.nextlink")
        assert "@odata.nextLink" not in page
    assert [len(page) for page in pages] == [2, 2, 1]
    assert len({item["id"] for page in pages for item in page}) == 5


def test_the_power_platform_api_creates_from_a_flat_body(quick):
    domain = quick.domain()
    body = {
        "displayName": "Z2",
        "environmentSku": "Sandbox",
        "location": "unitedstates",
        "databaseType": "CommonDataService",
        "linkedEnvironmentMetadata": {"baseLanguageCode": 1033, "currency": {"code": "USD"}, "domainName": domain},
    }
    path = "/environmentmanagement/provisioning/environments"
    refused = quick.pp("POST", path, json=body | {"macroRegion": "unitedstates"}).json()
    assert "location" in refused["errorDetail"]["fieldErrors"]
    started = quick.pp("POST", path, json=body)
    document = quick.pp("GET", started.headers["location"]).json()
    assert (started.status_code, document["status"]) == (202, "Succeeded")
    taken = quick.pp("POST", path, json=body)
    assert taken.json()["errorDetail"]["fieldErrors"]["domainName"]["suggestedValue"] == f"{domain}1"
    query = {"$filter": f"domainName eq '{domain}'", "$select": "id"}
    found = quick.pp("GET", "/environmentmanagement/environments", params=query).json()["value"]
    assert found == [{"id": document["updatedEnvironment"]["environmentId"]}]


def test_backups_restore_only_into_a_sandbox_of_the_same_kind(quick):
    source, target = quick.create(), quick.create(environmentSku="Sandbox")
    path = "/environmentmanagement/environments"
    backup = quick.pp("POST", f"{path}/{source}/backups", json={"label": "before"})
    assert backup.status_code == 201
    assert quick.pp("GET", f"{path}/{source}/backups").json()["collection"] == [backup.json()]
    candidates = quick.pp("GET", f"{path}/{source}/restoreCandidates").json()["value"]
    assert [item["id"] for item in candidates] == [target]
    body = {"sourceEnvironmentId": source, "restorePointDateTime": backup.json()["backupPointDateTime"]}
    assert quick.pp("POST", f"{path}/{source}/restore", json=body).status_code == 400
    restored = quick.pp("POST", f"{path}/{target}/restore", json=body)
    assert quick.pp("GET", restored.headers["location"]).json()["name"] == "Restore"
    assert quick.read(target)["states"]["runtime"]["id"] == "AdminMode"


def test_graph_answers_groups_people_and_managers(tenant):
    name = f"SG-{tenant.suffix}"
    query = {"$filter": f"displayName eq '{name}'", "$select": "id,securityEnabled,groupTypes"}
    found = tenant.graph("GET", "/groups", params=query).json()["value"]
    assert found == [{"id": tenant.group_id, "securityEnabled": True, "groupTypes": []}]
    person = tenant.graph("GET", f"/users/{tenant.person}").json()
    manager = tenant.graph("GET", f"/users/{tenant.person}/manager").json()
    assert (person["accountEnabled"], manager["userPrincipalName"]) == (True, tenant.boss)
    nobody = tenant.graph("GET", f"/users/{tenant.boss}/manager")
    assert (nobody.status_code, nobody.json()["error"]["code"]) == (404, "Request_ResourceNotFound")
    asked = {"groupIds": [tenant.group_id, str(uuid4())]}
    inside = tenant.graph("POST", f"/users/{person['id']}/checkMemberGroups", json=asked)
    assert inside.json()["value"] == [tenant.group_id]


def test_graph_membership_is_transitive_and_quotes_are_doubled(cloud):
    inner, outer = str(uuid4()), str(uuid4())
    groups = [
        {"id": inner, "display_name": "inner", "members": ["ada@contoso.example"]},
        {"id": outer, "display_name": "O'Brien's team", "members": [inner]},
    ]
    tenant = cloud.tenant(groups=groups, users=[{"upn": "ada@contoso.example"}])
    found = tenant.graph("GET", "/groups", params={"$filter": "displayName eq 'O''Brien''s team'"}).json()["value"]
    assert [item["id"] for item in found] == [outer]
    answer = tenant.graph("POST", "/users/ada@contoso.example/checkMemberGroups", json={"groupIds": [outer]})
    assert answer.json()["value"] == [outer]


def test_graph_permissions_are_enforced_where_the_seed_names_them(cloud):
    reader = {"client_id": str(uuid4()), "secret": "r", "graph_permissions": ["GroupMember.Read.All"]}
    tenant = cloud.tenant(applications=[reader])
    tenant.credential = tenant.credential_for(reader["client_id"], "r")
    assert tenant.graph("GET", f"/groups/{tenant.group_id}").status_code == 200
    refused = tenant.graph("GET", f"/users/{tenant.person}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "Authorization_RequestDenied")


def test_data_policies_are_stored_replaced_and_checked(cloud):
    tenant = cloud.tenant(dlp_policies=[{"display_name": "Everywhere", "environment_type": "AllEnvironments"}])
    url = f"{cloud.endpoints['bap']}{POLICIES}"
    [policy] = tenant.call("GET", url, BAP_SCOPE).json()["value"]
    name = policy["policyDefinition"]["name"]
    policy["policyDefinition"]["environmentType"] = "OnlyEnvironments"
    changed = tenant.call("PATCH", f"{url}/{name}", BAP_SCOPE, json=policy)
    assert changed.json()["policyDefinition"]["environmentType"] == "OnlyEnvironments"
    bare = {"policyDefinition": {"displayName": "x"}}
    assert tenant.call("POST", url, BAP_SCOPE, json=bare).json()["error"]["code"] == "UrlPatternsNull"
    assert tenant.call("DELETE", f"{url}/{name}", BAP_SCOPE).status_code == 200
    assert tenant.call("GET", f"{url}/{name}", BAP_SCOPE).json()["error"]["code"] == "DLPPolicyNotFound"
