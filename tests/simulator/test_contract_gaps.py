"""Calls and limits of the contract that are rarely met: advisor, link, continuity, settings, billing, quotas."""

from uuid import uuid4

from tests.simulator.cloud import QUICK

ENVIRONMENTS = "/environmentmanagement/environments"
RULE_SET = "0ad12346-e108-40b8-a956-9a8f95ea18c9"


def code(answer):
    return answer.json()["error"]["code"]


def person_of(tenant, upn=None):
    """Return what a call needs to be made in a person's name."""
    body = {"tenant": tenant.id, "upn": upn or tenant.boss, "audience": "https://api.powerplatform.com"}
    return {"Authorization": f"Bearer {tenant.cloud.control('POST', '/tokens', body)['access_token']}"}


def finished(tenant, answer):
    """Look until the operation has ended, and return its name and how."""
    assert answer.status_code == 202, answer.text
    for _ in range(5):
        operation = tenant.pp("GET", answer.headers["operation-location"]).json()
        if operation["status"] == "Succeeded":
            return operation["name"]
    raise AssertionError(operation)


def test_contract_6_3_the_solution_checkers_rules_are_at_the_address_that_an_environment_names(quick):
    origin = quick.read(f"Default-{quick.id}")["runtimeEndpoints"]["microsoft.PowerAppsAdvisor"]

    def rules(**query):
        scope = "https://advisor.powerapps.com/.default"
        return quick.call(
            "GET", f"{origin}/api/rule", scope, params={"api-version": "2.0", "ruleset": RULE_SET} | query
        )

    found = rules()
    assert found.status_code == 200
    assert "web-avoid-eval" in {rule["code"] for rule in found.json()}
    assert rules(ruleset=str(uuid4())).status_code == 404
    assert code(rules(**{"api-version": "1.0"})) == "InvalidApiVersion"
    wrong_audience = quick.call("GET", f"{origin}/api/rule", "https://api.powerplatform.com/.default")
    assert wrong_audience.status_code == 401


def test_contract_11_1_dataverse_is_linked_to_an_environment_without_it(quick):
    environment = quick.start(dataverse=False).json()["name"]
    path = f"/environmentmanagement/provisioning/environments/{environment}/link"
    linked = {"baseLanguageCode": 1033, "currency": {"code": "EUR"}, "domainName": quick.domain()}

    assert finished(quick, quick.pp("PATCH", path, json={"linkedEnvironmentMetadata": linked})) == "Provision"

    assert quick.settle(environment)["linkedEnvironmentMetadata"]["domainName"] == linked["domainName"]
    again = quick.pp("PATCH", path, json={"linkedEnvironmentMetadata": linked})
    assert "already has a database" in again.json()["errorDetail"]["message"]


def test_contract_11_5_an_environment_fails_over_and_back(quick):
    environment = quick.create()
    quick.manage(environment)
    path = f"{ENVIRONMENTS}/{environment}"
    assert quick.pp("POST", f"{path}/disasterRecoveryDrill").status_code == 400  # not enabled

    def region():
        return quick.pp("GET", f"{path}/businessContinuityStateFullSnapshot").json()["activeRegion"]

    assert finished(quick, quick.pp("POST", f"{path}/enableDisasterRecovery")) == "Enable"
    assert finished(quick, quick.pp("POST", f"{path}/disasterRecoveryDrill")) == "DisasterRecoveryDrill"
    assert quick.pp("POST", f"{path}/failback").status_code == 400
    assert region() == "Primary"
    assert finished(quick, quick.pp("POST", f"{path}/forceFailover")) == "ForceFailover"
    assert region() == "Secondary"
    assert quick.pp("POST", f"{path}/disasterRecoveryDrill").status_code == 400
    assert finished(quick, quick.pp("POST", f"{path}/failback")) == "Failback"
    assert region() == "Primary"


def test_contract_11_6_settings_are_read_replaced_and_changed_in_an_envelope(tenant):
    path = f"{ENVIRONMENTS}/Default-{tenant.id}/settings"
    assert tenant.pp("GET", path).json() == {
        "objectResult": {},
        "errors": None,
        "nextLink": None,
        "responseMessage": None,
    }
    one, other = {"PowerPages_AllowMakers": True}, {"Copilot_Studio": False}
    tenant.pp("POST", path, json=one)
    assert tenant.pp("PATCH", path, json=other).json()["objectResult"] == one | other
    assert tenant.pp("POST", path, json=other).json()["objectResult"] == other
    assert tenant.pp("PATCH", path, json={"camelCase": True}).status_code == 400


def test_contract_12_enterprise_policies_are_linked_and_unlinked(quick):
    environment = quick.create()

    def change(verb, kind="Encryption", **body):
        return quick.bap(
            "POST", f"/environments/{environment}/enterprisePolicies/{kind}/{verb}", "2019-10-01", json=body
        )

    assert change("unlink", systemId="x").status_code == 404
    for verb, kind in (("link", "Link"), ("unlink", "Unlink")):
        answer = change(verb, systemId="x")
        assert quick.finish(answer.headers["location"])["type"]["id"] == kind
    assert change("unlink", systemId="x").status_code == 404
    assert (change("link").status_code, change("link", "Other", systemId="x").status_code) == (400, 400)


def test_contract_12_environments_are_billed_to_a_policy_that_a_person_has_made(quick):
    version, path = "2022-03-01-preview", "/licensing/billingPolicies"
    assert quick.pp("POST", path, version, json={"name": "Pay as you go"}).status_code == 403
    url = f"{quick.cloud.endpoints['power_platform']}{path}?api-version={version}"
    person = person_of(quick)
    policy = quick.cloud.http.post(url, json={"name": "Pay as you go"}, headers=person).json()["id"]
    environment = quick.create()

    def change(verb, policy_id=policy, named=environment):
        return quick.pp("POST", f"{path}/{policy_id}/environments/{verb}", version, json={"environmentIds": [named]})

    def billed():
        return quick.read(environment, **{"$expand": "properties/billingPolicy"}).get("billingPolicy")

    assert [item["id"] for item in quick.pp("GET", path, version).json()["value"]] == [policy]
    assert change("add").status_code == 200
    assert billed() == {"id": policy}
    assert change("remove").status_code == 200
    assert billed() is None
    assert code(change("add", policy_id=str(uuid4()))) == "BillingPolicyNotFound"
    assert code(change("add", named=str(uuid4()))) == "EnvironmentNotFound"


def test_contract_16_a_person_has_at_most_three_developer_environments(cloud):
    tenant = cloud.tenant(allow_developer=True, timing=QUICK)

    def create(upn):
        owner = tenant.graph("GET", f"/users/{upn}").json()["id"]
        used_by = {"id": owner, "type": "User"}
        return tenant.start(dataverse=False, environmentSku="Developer", usedBy=used_by)

    made = [create(tenant.person) for _ in range(3)]
    assert [answer.status_code for answer in made] == [201, 201, 201]
    refused = create(tenant.person)
    assert refused.status_code == 403
    assert "limit of 3 developer environments" in refused.json()["error"]["message"]
    assert create(tenant.boss).status_code == 201

    tenant.bap(
        "GET",
        tenant.bap("DELETE", f"/scopes/admin/environments/{made[0].json()['name']}", json={"code": "7"}).headers[
            "location"
        ],
    )
    assert create(tenant.person).status_code == 201


def test_contract_3_4_who_asks_a_dataverse_organization_too_often_waits(alone):
    alone.control("POST", "/clock", {"frozen": True}, status=200)
    tenant = alone.tenant(timing=QUICK | {"dataverse_requests": 3})
    url = tenant.read(tenant.create())["linkedEnvironmentMetadata"]["instanceUrl"].rstrip("/")

    def ask():
        return tenant.call("GET", f"{url}/api/data/v9.2/WhoAmI", f"{url}/.default")

    header = "x-ms-ratelimit-burst-remaining-xrm-requests"
    assert [ask().headers[header] for _ in range(3)] == ["2", "1", "0"]
    refused = ask()
    assert (refused.status_code, code(refused), refused.headers["retry-after"]) == (429, "0x80072322", "300")
    alone.control("POST", "/clock", {"advance_seconds": 300}, status=200)
    assert ask().status_code == 200
