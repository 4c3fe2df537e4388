"""Dataverse: E15-E17, users, teams, roles."""

import base64
import json
from uuid import uuid4

import pytest
from azure.core.exceptions import ClientAuthenticationError

from tests.simulator.cloud import BAP


@pytest.fixture
def environment(quick):
    return quick.create()


@pytest.fixture
def organization(quick, environment):
    return quick.organization(environment)


def stranger(quick):
    """A second registered principal that has created nothing."""
    client_id, secret = str(uuid4()), f"secret-{uuid4()}"
    application = {"client_id": client_id, "secret": secret, "management_application": True, "display_name": "other"}
    quick.cloud.control("POST", "/seed", {"tenants": [{"id": quick.id, "applications": [application]}]}, status=200)
    return client_id, quick.credential_for(client_id, secret)


def test_contract_e15_a_fresh_organization_refuses_tokens_and_callers_for_a_while(tenant):
    organization = tenant.organization(tenant.create())
    with pytest.raises(ClientAuthenticationError, match="AADSTS500011"):
        tenant.token(f"{organization.url}/.default")
    tenant.credential = tenant.credential_for(
        tenant.client_id, tenant.secret
    )  # MSAL repeats a 400 from memory for 60 s
    answers = [organization.call("GET", "/WhoAmI") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 403, 200]
    assert answers[1].json()["error"]["code"] == "0x80072560"


def test_contract_e15_waiting_helps_as_much_as_asking(cloud):
    tenant = cloud.tenant(timing={"create_polls": 1, "dataverse_denials": None, "token_denials": 0})
    organization = tenant.organization(tenant.create())
    assert {organization.call("GET", "/WhoAmI").status_code for _ in range(5)} == {401, 403}
    cloud.control("POST", "/clock", {"advance_seconds": 11})
    assert organization.call("GET", "/WhoAmI").status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"isauditenabled": "true"},
        {"sessiontimeoutinmins": "120"},
        {"sessiontimeoutinmins": 30},
        {"auditretentionperiodv2": 7},
        {"auditretentionperiodv2": 30000},
        {"nosuchcolumn": 1},
    ],
)
def test_contract_e16_organization_settings_are_typed_and_ranged(quick, organization, change):
    path = f"/organizations({organization.one('/organizations')['organizationid']})"
    assert organization.call("PATCH", path, json=change).status_code == 400


def test_contract_e16_retention_for_ever_and_representation(quick, organization):
    path = f"/organizations({organization.one('/organizations')['organizationid']})"
    assert organization.call("PATCH", path, json={"auditretentionperiodv2": -1}).status_code == 204
    preferred = organization.call(
        "PATCH", path, json={"isauditenabled": True}, headers={"Prefer": "return=representation"}
    )
    assert (preferred.status_code, preferred.json()["auditretentionperiodv2"]) == (200, -1)
    assert organization.call("PATCH", f"/organizations({uuid4()})", json={"isauditenabled": True}).status_code == 404


def test_contract_e16_only_the_creator_and_added_application_users_are_members(quick, environment, organization):
    client_id, credential = stranger(quick)
    token = credential.get_token(f"{organization.url}/.default").token
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{organization.url}/api/data/v9.2/WhoAmI"
    assert quick.cloud.http.get(url, headers=headers).json()["error"]["code"] == "0x80072560"
    added = {"servicePrincipalAppId": client_id}
    for _ in range(2):
        path = f"/scopes/admin/environments/{environment}/addAppUser"
        assert quick.bap("POST", path, "2020-10-01", json=added).status_code == 200
    assert quick.cloud.http.get(url, headers=headers).status_code == 200
    user = organization.one(f"/systemusers?$select=systemuserid&$filter=applicationid eq {client_id}")
    assert (
        organization.call("GET", f"/systemusers({user['systemuserid']})/systemuserroles_association").json()["value"]
        == []
    )


def test_contract_e17_a_duplicate_application_user_is_a_412(quick, organization):
    client_id, _ = stranger(quick)
    unit = organization.one("/businessunits")["businessunitid"]
    body = {"applicationid": client_id, "accessmode": 4, "businessunitid@odata.bind": f"/businessunits({unit})"}
    created = organization.call("POST", "/systemusers", json=body)
    assert created.status_code == 204
    again = organization.call("POST", "/systemusers", json=body)
    assert (again.status_code, again.json()["error"]["code"]) == (412, "0x80040237")
    path = "/systemusers" + created.headers["odata-entityid"].rpartition("/systemusers")[2]
    assert organization.call("DELETE", path).status_code == 400
    organization.call("PATCH", path, json={"isdisabled": True, "applicationid": client_id})
    assert [organization.call("DELETE", path).status_code for _ in range(2)] == [204, 204]
    assert organization.call("POST", "/systemusers", json=body).status_code == 204


def test_the_creator_is_system_administrator(quick, organization):
    me = organization.call("GET", "/WhoAmI").json()["UserId"]
    roles = organization.call("GET", f"/systemusers({me})?$expand=systemuserroles_association($select=name)").json()
    assert roles["systemuserroles_association"] == [{"name": "System Administrator"}]


def test_people_arrive_by_add_user_and_outside_the_security_group_disabled(quick, environment, organization):
    path = f"/scopes/admin/environments/{environment}/addUser"
    ids = {user["upn"]: user["id"] for user in quick.state()["tenants"][0]["users"]}
    for upn in (quick.person, quick.boss):
        assert quick.bap("POST", path, "2023-06-01", json={"objectId": ids[upn]}).status_code == 200
    absent = quick.bap("POST", path, "2023-06-01", json={"objectId": str(uuid4())})
    assert (absent.status_code, absent.json()["error"]["code"]) == (404, "PrincipalDoesNotExist")
    users = organization.call("GET", "/systemusers?$select=domainname,isdisabled").json()["value"]
    shown = {user["domainname"]: user["isdisabled"] for user in users if user["domainname"]}
    assert shown == {quick.person: False, quick.boss: True}
    me = organization.one(f"/systemusers?$filter=domainname eq '{quick.person}'")["systemuserid"]
    role = organization.one("/roles?$filter=name eq 'Environment Maker'")["roleid"]
    reference = {"@odata.id": f"{organization.url}/api/data/v9.2/roles({role})"}
    link = f"/systemusers({me})/systemuserroles_association/$ref"
    assert [organization.call("POST", link, json=reference).status_code for _ in range(2)] == [204, 204]
    undo = {"$id": reference["@odata.id"]}
    assert [organization.call("DELETE", link, params=undo).status_code for _ in range(2)] == [204, 404]


def test_a_group_team_is_unique_immutable_and_takes_its_members_from_entra(quick, organization):
    unit = organization.one("/businessunits")["businessunitid"]
    team = {"name": "Makers", "teamtype": 2, "membershiptype": 0, "azureactivedirectoryobjectid": quick.group_id}
    body = team | {"businessunitid@odata.bind": f"/businessunits({unit})"}
    created = organization.call("POST", "/teams", json=body, headers={"Prefer": "return=representation"})
    assert created.status_code == 201
    assert organization.call("POST", "/teams", json=body).json()["error"]["code"] == "0x80040237"
    path = f"/teams({created.json()['teamid']})"
    assert organization.call("PATCH", path, json={"membershiptype": 1}).status_code == 400
    member = {"@odata.id": f"{organization.url}/api/data/v9.2/systemusers({uuid4()})"}
    assert organization.call("POST", f"{path}/teammembership_association/$ref", json=member).status_code == 400
    role = organization.one("/roles?$filter=name eq 'Basic User'")["roleid"]
    key = f"/teams(azureactivedirectoryobjectid={uuid4()},membershiptype=0)/teamroles_association/$ref"
    reference = {"@odata.id": f"{organization.url}/api/data/v9.2/roles({role})"}
    assert organization.call("POST", key, json=reference).status_code == 204
    encoded = f"{organization.url}/api/data/v9.2/teams%28{created.json()['teamid']}%29"
    assert quick.call("GET", encoded, f"{organization.url}/.default").json()["name"] == "Makers"


def test_unknown_columns_sets_and_pages(quick, organization):
    assert organization.call("GET", "/organizations?$select=nosuchcolumn").status_code == 400
    assert organization.call("GET", "/accounts").status_code == 404
    page = organization.call("GET", "/roles?$select=name", headers={"Prefer": "odata.maxpagesize=5"}).json()
    rest = quick.call("GET", page["@odata.nextLink"], f"{organization.url}/.default").json()["value"]
    assert len(page["value"]) == 5
    assert {item["name"] for item in page["value"] + rest} >= {"Basic User", "Environment Maker"}
    assert organization.call("POST", "/SaveSettingValue()", json={"SettingName": "a", "Value": "b"}).status_code == 204
    settings = organization.call("GET", "/RetrieveSettingList%28%29").json()["SettingDetailCollection"]
    assert settings == [{"Name": "a", "Value": "b", "DataType": 2}]


def test_the_token_of_one_organization_opens_no_other(quick, environment):
    first, second = quick.organization(environment), quick.organization(quick.create())
    token = quick.token(f"{first.url}/.default")
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["aud"] == first.url
    headers = {"Authorization": f"Bearer {token}"}
    assert quick.cloud.http.get(f"{second.url}/api/data/v9.2/WhoAmI", headers=headers).status_code == 401


def test_teams_and_roles_are_taken_away_again(quick, organization):
    unit = organization.one("/businessunits")["businessunitid"]
    bind = {"businessunitid@odata.bind": f"/businessunits({unit})"}
    assert organization.call("POST", "/teams", json={"name": "x", "teamtype": 2} | bind).status_code == 400
    assert organization.call("POST", "/teams", json={"name": "x", "teamtype": 9} | bind).status_code == 400
    assert organization.call("POST", "/teams", json={"name": "x", "teamtype": 0}).status_code == 400
    created = organization.call("POST", "/teams", json={"name": "Owners", "teamtype": 0} | bind)
    path = "/teams" + created.headers["odata-entityid"].rpartition("/teams")[2]
    absent = {"@odata.id": f"{organization.url}/api/data/v9.2/roles({uuid4()})"}
    assert organization.call("POST", f"{path}/teamroles_association/$ref", json=absent).status_code == 404
    assert organization.call("POST", f"{path}/nosuch_association/$ref", json=absent).status_code == 404
    assert organization.call("DELETE", path).status_code == 204
    assert organization.call("GET", path).json()["error"]["code"] == "0x80040217"
    assert organization.call("DELETE", "/roles").status_code == 405


def test_members_of_a_group_team_are_the_users_that_are_in_the_group(quick, environment, organization):
    unit = organization.one("/businessunits")["businessunitid"]
    team = {"name": "Makers", "teamtype": 2, "membershiptype": 0, "azureactivedirectoryobjectid": quick.group_id}
    body = team | {"businessunitid@odata.bind": f"/businessunits({unit})"}
    created = organization.call("POST", "/teams", json=body, headers={"Prefer": "return=representation"}).json()
    members = f"/teams({created['teamid']})/teammembership_association?$select=domainname"
    assert organization.call("GET", members).json()["value"] == []
    user = quick.graph("GET", f"/users/{quick.person}").json()["id"]
    quick.bap("POST", f"/scopes/admin/environments/{environment}/addUser", json={"objectId": user})
    assert organization.call("GET", members).json()["value"] == [{"domainname": quick.person}]


def test_a_person_who_creates_is_administrator_too(quick):
    def token(audience):
        body = {"tenant": quick.id, "upn": quick.person, "audience": audience}
        return {"Authorization": f"Bearer {quick.cloud.control('POST', '/tokens', body)['access_token']}"}

    url = f"{quick.cloud.endpoints['bap']}{BAP}/environments?api-version=2023-06-01"
    body = quick.body(environmentSku="Developer")
    del body["properties"]["linkedEnvironmentMetadata"]["securityGroupId"]
    location = quick.cloud.http.post(url, json=body, headers=token("https://service.powerapps.com")).headers["location"]
    environment = quick.finish(location)["links"]["environment"]["path"].rpartition("/")[2]
    instance = quick.organization(environment).url
    me = quick.cloud.http.get(f"{instance}/api/data/v9.2/WhoAmI", headers=token(instance)).json()["UserId"]
    roles = f"{instance}/api/data/v9.2/systemusers({me})/systemuserroles_association?$select=name"
    assert quick.cloud.http.get(roles, headers=token(instance)).json()["value"] == [{"name": "System Administrator"}]
