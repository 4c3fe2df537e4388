"""The worked trace of the contract (§20): a Zone 3 environment from token to evidence."""


def test_the_worked_trace_runs_from_token_to_evidence(tenant):
    smoke = tenant.bap("GET", "/tenant").json()
    assert smoke["tenantId"] == tenant.id
    locations = {
        item["name"]: item["properties"] for item in tenant.bap("GET", "/locations", "2023-06-01").json()["value"]
    }
    assert locations["europe"]["canProvisionDatabase"]
    assert not locations["europe"]["isDisabled"]

    domain = tenant.domain()
    free = tenant.bap(
        "POST", "/validateEnvironmentDetails", json={"domainName": domain, "environmentLocation": "europe"}
    )
    assert (free.status_code, free.content) == (200, b"")

    started = tenant.start(domain=domain)
    assert (started.status_code, started.content) == (202, b"")
    environment = tenant.finish(started.headers["location"])["links"]["environment"]["path"].rpartition("/")[2]
    assert "linkedEnvironmentMetadata" not in tenant.read(environment)
    ready = tenant.settle(environment)
    assert ready["linkedEnvironmentMetadata"]["domainName"] == domain
    assert ready["linkedEnvironmentMetadata"]["securityGroupId"] == tenant.group_id

    limits = {"isGroupSharingDisabled": "true", "maxLimitUserSharing": "20"}
    properties = tenant.manage(environment, **limits)
    assert properties["governanceConfiguration"]["protectionLevel"] == "Standard"
    assert limits.items() <= properties["governanceConfiguration"]["settings"]["extendedSettings"].items()

    tenant.join(environment)
    assert tenant.read(environment)["parentEnvironmentGroup"]["id"] == tenant.environment_group

    tenant.cloud.control("POST", "/timing", {"tenant": tenant.id, "token_denials": 0, "dataverse_denials": 0})
    organization = tenant.organization(environment)
    me = organization.call("GET", "/WhoAmI").json()
    path = f"/organizations({me['OrganizationId']})"
    wanted = {
        "isauditenabled": True,
        "auditretentionperiodv2": 2557,
        "sessiontimeoutenabled": True,
        "sessiontimeoutinmins": 120,
    }
    assert organization.call("PATCH", path, json=wanted, headers={"If-Match": "*"}).status_code == 204
    assert wanted.items() <= organization.call("GET", path).json().items()

    unit = organization.one("/businessunits?$select=businessunitid,name&$filter=parentbusinessunitid eq null")[
        "businessunitid"
    ]
    assert unit == me["BusinessUnitId"] != me["OrganizationId"]
    role = organization.one(
        f"/roles?$select=roleid,name&$filter=name eq 'Basic User' and _businessunitid_value eq {unit}"
    )
    team = organization.call(
        "POST",
        "/teams",
        json={
            "name": "Z3-Claims makers",
            "teamtype": 2,
            "membershiptype": 0,
            "azureactivedirectoryobjectid": tenant.group_id,
            "businessunitid@odata.bind": f"/businessunits({unit})",
        },
    )
    assert team.status_code == 204
    team_path = "/teams" + team.headers["odata-entityid"].rpartition("/teams")[2]
    reference = {"@odata.id": f"{organization.url}/api/data/v9.2/roles({role['roleid']})"}
    assert organization.call("POST", f"{team_path}/teamroles_association/$ref", json=reference).status_code == 204
    proof = organization.call(
        "GET", f"{team_path}?$select=name,teamtype&$expand=teamroles_association($select=roleid,name)"
    )
    assert proof.json()["teamroles_association"] == [{"roleid": role["roleid"], "name": "Basic User"}]

    policies = tenant.call(
        "GET",
        f"{tenant.cloud.endpoints['bap']}/providers/PowerPlatform.Governance/v2/policies",
        "https://service.powerapps.com/.default",
    )
    assert policies.json() == {"value": []}
    evidence = tenant.blob("PUT", "/evidence/run.json", content=b"{}", headers={"If-None-Match": "*"})
    assert evidence.status_code == 201
    [state] = [item for item in tenant.state()["environments"] if not item["is_default"]]
    assert (state["domain"], state["life"], state["environment_group_id"]) == (
        domain,
        "Ready",
        tenant.environment_group,
    )
