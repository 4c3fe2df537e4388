"""Fault injection: every effect, on the chosen call only (contract §19.3)."""

from email.utils import parsedate_to_datetime

import httpx
import pytest

from tests.simulator.cloud import BAP_SCOPE

LIST = "/scopes/admin/environments"


def test_a_fault_hits_the_nth_call_and_as_many_as_it_says(tenant):
    tenant.fault(host="bap", method="GET", path="/tenant", nth=2, count=2, status=503, body={"error": {"code": "Busy"}})
    assert [tenant.bap("GET", "/tenant").status_code for _ in range(5)] == [200, 503, 503, 200, 200]
    assert tenant.bap("GET", LIST).status_code == 200


def test_a_fault_meets_only_its_tenant_and_method(cloud, tenant):
    other = cloud.tenant()
    tenant.fault(path="/tenant", method="POST", status=500, count=0)
    tenant.fault(path="/tenant", status=418, count=0, headers={"x-fault": "1"})
    assert other.bap("GET", "/tenant").status_code == 200
    answer = tenant.bap("GET", "/tenant")
    assert (answer.status_code, answer.headers["x-fault"]) == (418, "1")


def test_a_call_dropped_before_is_not_processed_one_dropped_after_is(tenant):
    tenant.fault(host="bap", method="POST", path="/environments", drop_before=True)
    with pytest.raises(httpx.TransportError):
        tenant.start()
    assert all(item["is_default"] for item in tenant.state()["environments"])
    tenant.fault(host="bap", method="POST", path="/environments", drop_after=True)
    domain = tenant.domain()
    with pytest.raises(httpx.TransportError):
        tenant.start(domain=domain)
    [created] = [item for item in tenant.state()["environments"] if not item["is_default"]]
    assert (created["domain"], created["life"]) == (domain, "Creating")
    entries = tenant.journal(method="POST", path="/environments")
    assert [(entry["status"], entry["processed"]) for entry in entries] == [(0, False), (0, True)]


def test_a_status_may_replace_the_answer_of_a_processed_call(tenant):
    tenant.fault(host="bap", method="POST", path="/environments", status=503, after=True)
    assert tenant.start().status_code == 503
    assert len(tenant.state()["environments"]) == 2


def test_truncated_json_and_a_gateway_page(tenant):
    tenant.fault(host="bap", path="/tenant", truncated_json=True)
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        tenant.bap("GET", "/tenant").json()
    tenant.fault(host="bap", path="/tenant", html_502=True)
    page = tenant.bap("GET", "/tenant")
    assert (page.status_code, page.headers["content-type"]) == (502, "text/html")
    assert page.text.startswith("<html>")


@pytest.mark.parametrize(
    ("throttle", "value"),
    [
        ("seconds", "7"),
        ("http-date", "GMT"),
        ("absent", None),
        ("duration", "00:00:07"),
        ("negative", "-5"),
        ("huge", "1000000000"),
    ],
)
def test_throttling_announces_its_wait_in_every_form(tenant, throttle, value):
    tenant.token(BAP_SCOPE)
    tenant.fault(throttle=throttle, retry_after=7)
    answer = tenant.bap("GET", "/tenant")
    header = answer.headers.get("retry-after")
    if throttle == "http-date":
        assert parsedate_to_datetime(header)
    else:
        assert header == value
    assert answer.status_code == 429


def test_a_delay_outlasts_an_impatient_client(tenant):
    tenant.token(BAP_SCOPE)
    tenant.fault(host="bap", path="/tenant", delay=0.5)
    with pytest.raises(httpx.TimeoutException):
        tenant.bap("GET", "/tenant", timeout=0.1)


def test_a_body_may_drip_or_be_far_too_large(tenant):
    tenant.token(BAP_SCOPE)
    tenant.fault(host="bap*", path="/tenant", padding_mb=3)
    assert len(tenant.bap("GET", "/tenant").content) > 3_000_000
    tenant.fault(host="bap*", path="/tenant", trickle=0.001)
    assert tenant.bap("GET", "/tenant").json()["tenantId"] == tenant.id


def test_operations_can_fail_or_never_end(quick):
    environment = quick.create()
    path = f"/scopes/admin/environments/{environment}"
    quick.fault(host="bap", method="PATCH", operation="Failed")
    failed = quick.bap("PATCH", path, json={"properties": {"description": "x"}}).headers["location"]
    assert quick.finish(failed)["state"]["id"] == "Failed"
    assert quick.read(environment)["description"] == "elm:req=1"
    quick.fault(host="bap", method="PATCH", operation="Stuck")
    stuck = quick.bap("PATCH", path, json={"properties": {"description": "x"}}).headers["location"]
    assert {quick.bap("GET", stuck).json()["state"]["id"] for _ in range(5)} == {"Running"}


def test_headers_can_be_removed_and_bodies_forged(tenant):
    tenant.fault(host="bap", method="POST", path="/environments", remove_headers=["Location"])
    answer = tenant.start()
    assert answer.status_code == 202
    assert "location" not in answer.headers
    tenant.fault(host="bap", path="/tenant", status=200, body_base64="AAEC")
    assert tenant.bap("GET", "/tenant").content == b"\x00\x01\x02"


def test_faults_are_listed_counted_and_removed(cloud, tenant):
    rule = tenant.fault(name="outage", host="bap", path="/tenant", status=503, count=0)
    tenant.bap("GET", "/tenant")
    [listed] = [item for item in cloud.control("GET", "/faults")["faults"] if item["id"] == rule]
    assert (listed["name"], listed["hits"]) == ("outage", 1)
    assert tenant.journal(host="bap")[-1]["fault"] == "outage"
    cloud.control("DELETE", f"/faults/{rule}", status=204)
    assert tenant.bap("GET", "/tenant").status_code == 200


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"nonsense": 1}, "nonsense: unknown"),
        ({"status": "503"}, "status: must be int"),
        ({"path": "("}, "not a regular expression"),
        ({"throttle": "often"}, "throttle: must be one of"),
        ([1], "must be an object"),
    ],
)
def test_a_bad_fault_is_refused_with_its_reason(cloud, rule, problem):
    answer = cloud.control("POST", "/faults", rule, status=400)
    assert problem in answer["error"]["message"]


def test_a_hostile_next_link_and_all_faults_cleared(alone):
    tenant = alone.tenant(timing={"page_size": 1})
    tenant.start(dataverse=False)
    alone.control(
        "POST", "/faults", {"host": "power_platform", "hostile_location": "https://attacker.example/x"}, status=201
    )
    page = tenant.pp("GET", "/environmentmanagement/environments").json()
    assert page["@odata.nextlink"] == "https://attacker.example/x"
    alone.control("POST", "/faults", {"rules": [{"status": 500, "count": 0}]}, status=201)
    alone.control("DELETE", "/faults", status=204)
    assert tenant.bap("GET", "/tenant").status_code == 200
