"""The control API: journal and redaction, seed, clock, timing, page."""

import base64
import json
from datetime import datetime
from uuid import uuid4

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential

from tests.simulator.cloud import BAP_SCOPE


def test_the_journal_keeps_the_order_and_filters(cloud, tenant):
    since = cloud.control("GET", "/journal?limit=1")["next"]
    tenant.bap("GET", "/tenant", headers={"x-ms-client-request-id": "run-1"})
    tenant.bap("POST", "/validateEnvironmentDetails", json={"domainName": tenant.domain()})
    entries = tenant.journal(since=since, host="bap")
    assert [entry["method"] for entry in entries] == ["GET", "POST"]
    first = entries[0]
    assert (first["principal"], first["status"]) == (tenant.client_id, 200)
    assert first["request_headers"]["x-ms-client-request-id"] == "run-1"
    assert "domainName" in entries[1]["request_body"]
    assert [entry["seq"] for entry in tenant.journal(method="post", path="validate")] == [entries[1]["seq"]]


def test_no_secret_and_no_token_reaches_the_journal_or_the_state(cloud, tenant):
    vault_value = f"vault-{uuid4()}"
    token = tenant.token(BAP_SCOPE)
    tenant.bap("GET", "/tenant")
    tenant.vault("PUT", "/secrets/elm", json={"value": vault_value})
    tenant.vault("GET", "/secrets/elm")
    text = tenant.graph("POST", f"/applications/{tenant.object_id}/addPassword", json={}).json()["secretText"]
    with pytest.raises(ClientAuthenticationError):
        tenant.credential_for(tenant.client_id, "a-wrong-secret").get_token(BAP_SCOPE)
    seen = json.dumps(tenant.journal()) + json.dumps(tenant.state())
    for secret in (tenant.secret, token, vault_value, text, "a-wrong-secret", token.split(".")[1]):
        assert secret not in seen
    assert "[redacted]" in seen
    assert tenant.journal(host="login")[0]["method"] == "GET"


def test_the_journal_can_be_cleared(alone):
    alone.tenant().bap("GET", "/tenant")
    alone.control("DELETE", "/journal", status=204)
    answer = alone.control("GET", "/journal")
    assert answer["entries"] == []
    assert answer["next"] > 0
    assert alone.control("GET", "/journal?since=x", status=400)


def test_the_journal_knows_hosts_by_name_and_address_and_times(alone):
    tenant = alone.tenant()
    tenant.bap("GET", "/tenant")
    [entry] = tenant.journal(host="bap")
    assert tenant.journal(host=alone.endpoints["bap"].removeprefix("https://")) == [entry]
    assert tenant.journal(since=entry["time"]) == []
    assert entry in tenant.journal(since="2020-01-01T00:00:00Z")


def test_people_in_portals_make_things_vanish(cloud, quick):
    environment = quick.create()
    for kind, key in (("groups", quick.group_id), ("environments", environment)):
        cloud.control("DELETE", f"/tenants/{quick.id}/{kind}/{key}", status=204)
        cloud.control("DELETE", f"/tenants/{quick.id}/{kind}/{key}", status=404)
    assert quick.graph("GET", f"/groups/{quick.group_id}").status_code == 404
    assert quick.bap("GET", f"/scopes/admin/environments/{environment}").status_code == 404


def test_a_seed_merges_and_keeps_what_is_there(cloud, quick):
    environment = quick.create()
    document = {"id": quick.id, "groups": [{"display_name": "later"}], "capacity_gb": 7}
    cloud.control("POST", "/seed", {"tenants": [document]}, status=200)
    [state] = quick.state()["tenants"]
    assert {group["display_name"] for group in state["groups"]} == {f"SG-{quick.suffix}", "later"}
    assert state["capacity_gb"] == 7
    assert quick.read(environment)["displayName"] == "Z3-Claims-PROD"


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], "must be an object"),
        ({"tenants": [{}]}, "tenants[0].id: is missing"),
        ({"tenants": [{"id": "x"}]}, "tenants[0].id: 'x' is not a GUID"),
        ({"tenants": [{"id": str(uuid4()), "users": [{}]}]}, "tenants[0].users[0].upn: is missing"),
        ({"tenants": [{"id": str(uuid4()), "colour": 1}]}, "tenants[0].colour: unknown member"),
        ({"tenants": [{"id": str(uuid4()), "locations": {"mars": {}}}]}, "locations.mars: unknown location"),
        ({"tenants": [{"id": str(uuid4()), "capacity_gb": "all"}]}, "capacity_gb: must be a number"),
        ({"tenants": [{"id": str(uuid4()), "applications": [{"client_id": 1}]}]}, "client_id: must be a string"),
        ({"timing": {"create_poll": 1}}, "timing.create_poll: unknown"),
        ({"timing": {"create_polls": "4"}}, "timing.create_polls: must be a number"),
        ({"faults": [{"status": "x"}]}, "faults[0]: status: must be int"),
    ],
)
def test_a_bad_seed_says_what_is_wrong_and_changes_nothing(cloud, document, problem):
    before = len(cloud.control("GET", "/state")["tenants"])
    answer = cloud.control("POST", "/seed", document, status=400)
    assert problem in answer["error"]["message"]
    assert len(cloud.control("GET", "/state")["tenants"]) == before


def test_the_clock_can_be_set_frozen_and_moved(alone):
    alone.control("POST", "/clock", {"set": "2030-01-01T00:00:00Z", "frozen": True}, status=200)
    first = alone.control("GET", "/state")["now"]
    assert first.startswith("2030-01-01T00:00:00")
    assert alone.control("GET", "/state")["now"] == first
    moved = alone.control("POST", "/clock", {"advance_seconds": 90})["now"]
    assert (datetime.fromisoformat(moved[:26]) - datetime.fromisoformat(first[:26])).seconds == 90
    assert alone.control("POST", "/clock", {"set": "tomorrow"}, status=400)


def test_timing_of_all_and_of_one_tenant(alone):
    one, two = alone.tenant(), alone.tenant()
    alone.control("POST", "/timing", {"create_polls": 2}, status=200)
    alone.control("POST", "/timing", {"tenant": two.id, "create_polls": 1}, status=200)
    states = [tenant.bap("GET", tenant.start().headers["location"]).json()["state"]["id"] for tenant in (one, two)]
    assert states == ["Running", "Succeeded"]
    assert alone.control("POST", "/timing", {"create_polls": -1}, status=400)
    assert alone.control("POST", "/timing", {"tenant": str(uuid4())}, status=404)


def test_the_page_shows_itself_without_any_other_resource(cloud):
    page = cloud.control("GET", "/", status=200)
    assert page.headers["content-type"].startswith("text/html")
    assert "http" not in page.text.replace("https://attacker", "")


def test_a_call_that_makes_no_sense_is_a_500_in_the_services_own_words(tenant):
    answer = tenant.bap("PATCH", f"/scopes/admin/environments/Default-{tenant.id}", json={"properties": "x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "InternalServerError")
    assert tenant.journal()[-1]["status"] == 500


def test_a_new_secret_may_need_time_to_be_accepted_everywhere(cloud):
    tenant = cloud.tenant(timing={"secret_propagation_seconds": 60})
    added = tenant.graph("POST", f"/applications/{tenant.object_id}/addPassword", json={}).json()["secretText"]
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        tenant.credential_for(tenant.client_id, added).get_token(BAP_SCOPE)
    cloud.control("POST", "/clock", {"advance_seconds": 61})
    assert tenant.credential_for(tenant.client_id, added).get_token(BAP_SCOPE).token


def test_a_new_certificate_may_need_time_to_be_accepted_everywhere(cloud, keypair):
    private, certificate = keypair
    tenant = cloud.tenant(timing={"certificate_propagation_seconds": 60})
    key = {"type": "AsymmetricX509Cert", "usage": "Verify", "key": base64.b64encode(certificate).decode()}
    tenant.graph("PATCH", f"/applications/{tenant.object_id}", json={"keyCredentials": [key]})
    known = CertificateCredential(tenant.id, tenant.client_id, certificate_data=private + certificate, **cloud.azure)
    with pytest.raises(ClientAuthenticationError, match="AADSTS700027"):
        known.get_token(BAP_SCOPE)
    cloud.control("POST", "/clock", {"advance_seconds": 61})
    known = CertificateCredential(tenant.id, tenant.client_id, certificate_data=private + certificate, **cloud.azure)
    assert known.get_token(BAP_SCOPE).token
