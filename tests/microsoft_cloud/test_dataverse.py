"""One organisation: settings, roles, teams, users."""

import pytest

from microsoft_cloud.dataverse import OrganizationSettings, Role
from microsoft_cloud.errors import (
    ConflictError,
    ConflictKind,
    NotFoundError,
    NotReadyError,
    PermanentError,
    UntrustedUrlError,
)

API = "https://claims.crm4.dynamics.com/api/data/v9.2"
ORGANISATION = "43f51247-0000-4000-8000-000d3a688755"
UNIT = "22222222-0000-4000-8000-000000000001"
ROLE = "33333333-0000-4000-8000-000000000001"
TEAM = "44444444-0000-4000-8000-000000000001"
USER = "55555555-0000-4000-8000-000000000001"
GROUP = "7d3b6a7e-0000-4000-8000-0000000000aa"


def test_who_am_i_uses_the_organisations_own_audience(microsoft, dataverse, tokens):
    microsoft.says(200, {"UserId": USER, "BusinessUnitId": UNIT, "OrganizationId": ORGANISATION})
    me = dataverse.who_am_i()
    assert (me.user_id, me.business_unit_id, me.organization_id) == (USER, UNIT, ORGANISATION)
    assert microsoft.lines == [f"GET {API}/WhoAmI"]
    assert tokens.scopes == ["https://claims.crm4.dynamics.com/.default"]
    assert microsoft.last.headers["OData-Version"] == "4.0"


def test_r04_an_instance_url_elsewhere_is_refused(cloud, tokens):
    with pytest.raises(UntrustedUrlError):
        cloud.dataverse("https://claims.crm4.dynamics.com.evil.example")
    assert tokens.scopes == []


@pytest.mark.parametrize("answer", [(401, None), (403, {"error": {"code": "0x80072560", "message": "not a member"}})])
def test_a_fresh_organisation_is_not_ready(microsoft, dataverse, answer):
    microsoft.says(*answer)
    with pytest.raises(NotReadyError):
        dataverse.who_am_i()


def test_the_organisation_and_its_settings_are_read(microsoft, dataverse):
    row = {
        "organizationid": ORGANISATION,
        "name": "claims",
        "isauditenabled": False,
        "auditretentionperiodv2": None,
        "sessiontimeoutinmins": 480,
    }
    microsoft.says(200, {"value": [row]})
    found = dataverse.organization()
    assert (found.id, found.name) == (ORGANISATION, "claims")
    assert found.settings == OrganizationSettings(isauditenabled=False, sessiontimeoutinmins=480)
    assert "auditretentionperiodv2" in microsoft.last.url.params["$select"]


@pytest.mark.parametrize("rows", [[], [{}, {}]])
def test_anything_but_one_organisation_is_an_error(microsoft, dataverse, rows):
    microsoft.says(200, {"value": rows})
    with pytest.raises(PermanentError) as refused:
        dataverse.organization()
    assert refused.value.code == "UnexpectedRows"


def test_settings_are_written_typed_and_only_where_given(microsoft, dataverse):
    microsoft.says(204)
    dataverse.update_organization(ORGANISATION, OrganizationSettings(isauditenabled=True, auditretentionperiodv2=2557))
    assert microsoft.lines == [f"PATCH {API}/organizations({ORGANISATION})"]
    assert microsoft.sent == {"isauditenabled": True, "auditretentionperiodv2": 2557}
    assert microsoft.last.headers["If-Match"] == "*"
    assert microsoft.last.headers["Content-Type"] == "application/json; charset=utf-8"


def test_the_root_business_unit_and_a_role_in_it(microsoft, dataverse):
    microsoft.says(200, {"value": [{"businessunitid": UNIT}]})
    assert dataverse.root_business_unit() == UNIT
    assert microsoft.last.url.params["$filter"] == "parentbusinessunitid eq null"
    microsoft.answers.clear()
    microsoft.says(200, {"value": [{"roleid": ROLE, "name": "Environment Maker"}]})
    assert dataverse.role_named("Environment Maker", UNIT) == Role(ROLE, "Environment Maker")
    assert microsoft.last.url.params["$filter"] == f"name eq 'Environment Maker' and _businessunitid_value eq {UNIT}"


def test_a_role_that_does_not_exist_is_not_found(microsoft, dataverse):
    microsoft.says(200, {"value": []})
    with pytest.raises(NotFoundError) as missing:
        dataverse.role_named("O'Brien", UNIT)
    assert missing.value.code == "RoleNotFound"
    assert "'O''Brien'" in microsoft.last.url.params["$filter"]


def test_a_group_team_is_created_and_gets_its_role(microsoft, dataverse):
    microsoft.says(204, headers={"OData-EntityId": f"{API}/teams({TEAM.upper()})"})
    assert dataverse.create_group_team("Claims makers", GROUP, UNIT) == TEAM
    assert microsoft.sent == {
        "name": "Claims makers",
        "teamtype": 2,
        "membershiptype": 0,
        "azureactivedirectoryobjectid": GROUP,
        "businessunitid@odata.bind": f"/businessunits({UNIT})",
    }
    dataverse.assign_team_role(TEAM, ROLE)
    assert microsoft.lines[-1] == f"POST {API}/teams({TEAM})/teamroles_association/$ref"
    assert microsoft.sent == {"@odata.id": f"{API}/roles({ROLE})"}


@pytest.mark.parametrize("headers", [{}, {"OData-EntityId": "nonsense"}])
def test_a_team_created_without_an_id_must_be_looked_up(microsoft, dataverse, headers):
    microsoft.says(204, headers=headers)
    with pytest.raises(PermanentError) as refused:
        dataverse.create_group_team("Claims makers", GROUP, UNIT)
    assert refused.value.maybe_executed


def test_a_team_that_exists_already_is_a_conflict(microsoft, dataverse):
    microsoft.says(
        412, {"error": {"code": "0x80040237", "message": "A record with matching key values already exists."}}
    )
    with pytest.raises(ConflictError) as twice:
        dataverse.create_group_team("Claims makers", GROUP, UNIT)
    assert twice.value.kind is ConflictKind.ALREADY_EXISTS


def test_a_group_team_is_found_by_its_group(microsoft, dataverse):
    microsoft.says(200, {"value": [{"teamid": TEAM, "name": "Claims makers", "azureactivedirectoryobjectid": GROUP}]})
    found = dataverse.group_team(GROUP)
    assert (found.id, found.name, found.entra_object_id) == (TEAM, "Claims makers", GROUP)
    assert microsoft.last.url.params["$filter"] == f"azureactivedirectoryobjectid eq {GROUP}"
    microsoft.answers.clear()
    microsoft.says(200, {"value": []})
    assert dataverse.group_team(GROUP) is None


def test_the_roles_of_a_team_and_of_a_user(microsoft, dataverse):
    row = [{"roleid": ROLE, "name": "Basic User"}]
    microsoft.says(200, {"teamroles_association": row, "systemuserroles_association": row})
    assert dataverse.team_roles(TEAM) == dataverse.user_roles(USER) == (Role(ROLE, "Basic User"),)
    assert str(microsoft.requests[0].url) == f"{API}/teams({TEAM})?$expand=teamroles_association($select%3Droleid,name)"


def test_a_person_is_found_by_object_id_and_gets_a_role(microsoft, dataverse):
    microsoft.says(
        200, {"value": [{"systemuserid": USER, "fullname": "Ada", "isdisabled": True, "_businessunitid_value": UNIT}]}
    )
    found = dataverse.system_user(GROUP)
    assert (found.id, found.full_name, found.is_disabled, found.business_unit_id, found.application_id) == (
        USER,
        "Ada",
        True,
        UNIT,
        "",
    )
    assert microsoft.last.url.params["$filter"] == f"azureactivedirectoryobjectid eq {GROUP}"
    microsoft.answers.clear()
    microsoft.says(204)
    dataverse.assign_user_role(USER, ROLE)
    dataverse.remove_user_role(USER, ROLE)
    path = f"{API}/systemusers({USER})/systemuserroles_association/$ref"
    assert microsoft.lines[-2:] == [f"POST {path}", f"DELETE {path}?$id={API}/roles({ROLE})"]


def test_a_role_already_taken_away_is_fine(microsoft, dataverse):
    microsoft.says(404, {"error": {"code": "0x80040217"}})
    dataverse.remove_user_role(USER, ROLE)


def test_soft_deleted_users_do_not_count(microsoft, dataverse):
    rows = [
        {"systemuserid": ROLE, "deletedstate": 1},
        {"systemuserid": USER, "deletedstate": 0, "applicationid": GROUP},
    ]
    microsoft.says(200, {"value": rows})
    assert dataverse.application_user(GROUP).id == USER
    microsoft.answers.clear()
    microsoft.says(200, {"value": rows[:1]})
    assert dataverse.application_user(GROUP) is None
    microsoft.answers.clear()
    microsoft.says(200, {"value": rows[1:] * 2})
    with pytest.raises(ConflictError):
        dataverse.application_user(GROUP)


def test_ids_that_are_not_guids_are_never_sent(microsoft, dataverse):
    for call in (
        lambda: dataverse.team_roles("1 or 1 eq 1"),
        lambda: dataverse.role_named("x", ""),
        lambda: dataverse.group_team("x"),
    ):
        with pytest.raises(PermanentError):
            call()
    assert microsoft.requests == []
