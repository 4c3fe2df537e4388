"""Groups and people."""

import pytest

from microsoft_cloud import Cloud, Endpoints
from microsoft_cloud.errors import AuthenticationError, GroupError, GroupProblem, NotFoundError, PermanentError

API = "https://graph.microsoft.com/v1.0"
GROUP = "7d3b6a7e-0000-4000-8000-0000000000aa"
PERSON = "55555555-0000-4000-8000-000000000001"
SECURITY = {
    "id": GROUP.upper(),
    "displayName": "SG-ELM-Claims",
    "securityEnabled": True,
    "mailEnabled": False,
    "groupTypes": [],
}
MISSING = {"error": {"code": "Request_ResourceNotFound", "message": "gone", "innerError": {"request-id": "1"}}}
ADA = {
    "id": PERSON,
    "displayName": "Ada",
    "userPrincipalName": "ada@contoso.com",
    "accountEnabled": True,
    "mail": "a@c",
}


def test_graph_is_read_by_the_directory_identity(microsoft, cloud, tokens):
    class Directory:
        def token(self, endpoints, scope):
            return f"directory-{scope}"

    other = Cloud(Endpoints.public(), tokens, "1", directory_identity=Directory(), client=cloud.client)
    microsoft.says(200, ADA)
    other.graph.user("ada@contoso.com")
    assert microsoft.last.headers["Authorization"] == "Bearer directory-https://graph.microsoft.com/.default"
    microsoft.answers.clear()
    microsoft.says(200, {})
    other.bap.tenant()
    assert tokens.scopes == ["https://service.powerapps.com/.default"]


def test_a_group_by_id(microsoft, cloud):
    microsoft.says(200, SECURITY)
    found = cloud.graph.group(f" {GROUP} ")
    assert (found.id, found.display_name) == (GROUP, "SG-ELM-Claims")
    assert microsoft.lines == [
        f"GET {API}/groups/{GROUP}?$select=id,displayName,securityEnabled,mailEnabled,groupTypes"
    ]


def test_a_group_by_name(microsoft, cloud):
    microsoft.says(200, {"value": [SECURITY]})
    assert cloud.graph.group("SG-O'Brien & Co").id == GROUP
    assert microsoft.last.url.params["$filter"] == "displayName eq 'SG-O''Brien & Co'"


def test_groups_by_the_beginning_of_their_name(microsoft, cloud):
    other = {**SECURITY, "id": PERSON, "displayName": "SG-ELM-Agents"}
    distribution = {**SECURITY, "securityEnabled": False}
    microsoft.says(200, {"value": [SECURITY, distribution, other]})
    found = cloud.graph.groups_named("SG-ELM's", 10)
    assert [group.display_name for group in found] == ["SG-ELM-Agents", "SG-ELM-Claims"]
    asked = microsoft.last.url.params
    assert asked["$filter"] == "startswith(displayName,'SG-ELM''s') and securityEnabled eq true"
    assert asked["$top"] == "10"


@pytest.mark.parametrize(
    ("wanted", "status", "answer", "kind"),
    [
        (GROUP, 404, MISSING, GroupProblem.NOT_FOUND),
        ("SG", 200, {"value": []}, GroupProblem.NOT_FOUND),
        ("SG", 200, {"value": [SECURITY, SECURITY]}, GroupProblem.AMBIGUOUS),
        ("SG", 200, {"value": [{**SECURITY, "securityEnabled": False}]}, GroupProblem.NOT_SECURITY_ENABLED),
        (GROUP, 200, {**SECURITY, "securityEnabled": None}, GroupProblem.NOT_SECURITY_ENABLED),
        ("{7d3b6a7e-0000-4000-8000-0000000000aa}", 200, {"value": []}, GroupProblem.NOT_FOUND),
    ],
)
def test_r17_r18_an_unusable_group_is_refused_with_its_reason(microsoft, cloud, wanted, status, answer, kind):
    microsoft.says(status, answer)
    with pytest.raises(GroupError) as refused:
        cloud.graph.group(wanted)
    assert (refused.value.kind, refused.value.service) == (kind, "graph")


def test_r18_no_group_named_is_no_group(microsoft, cloud):
    with pytest.raises(GroupError):
        cloud.graph.group("  ")
    assert microsoft.requests == []


def test_a_directory_that_refuses_is_not_a_missing_group(microsoft, cloud):
    microsoft.says(403, {"error": {"code": "Authorization_RequestDenied"}})
    with pytest.raises(AuthenticationError):
        cloud.graph.group(GROUP)


def test_a_person(microsoft, cloud):
    microsoft.says(200, ADA)
    ada = cloud.graph.user("ada_fabrikam.com#EXT#@contoso.com")
    assert (ada.id, ada.display_name, ada.user_principal_name, ada.mail, ada.is_enabled) == (
        PERSON,
        "Ada",
        "ada@contoso.com",
        "a@c",
        True,
    )
    assert microsoft.last.url.raw_path.decode().startswith("/v1.0/users/ada_fabrikam.com%23EXT%23@contoso.com?")
    microsoft.answers.clear()
    microsoft.says(404, MISSING)
    with pytest.raises(NotFoundError):
        cloud.graph.user("nobody@contoso.com")


def test_a_manager_or_none(microsoft, cloud):
    microsoft.says(200, {"id": PERSON, "displayName": "Grace", "userPrincipalName": "grace@contoso.com"})
    grace = cloud.graph.manager("ada@contoso.com")
    assert (grace.display_name, grace.is_enabled, grace.mail) == ("Grace", None, "")
    microsoft.answers.clear()
    microsoft.says(404, MISSING)
    assert cloud.graph.manager("ada@contoso.com") is None


def test_membership_counts_nested_groups(microsoft, cloud):
    microsoft.says(200, {"value": [GROUP.upper()]})
    assert cloud.graph.is_member(PERSON, GROUP)
    assert microsoft.lines == [f"POST {API}/users/{PERSON}/checkMemberGroups"]
    assert microsoft.sent == {"groupIds": [GROUP]}
    microsoft.answers.clear()
    microsoft.says(200, {"value": []})
    assert not cloud.graph.is_member(PERSON, GROUP)
    with pytest.raises(PermanentError):
        cloud.graph.is_member("ada", GROUP)
