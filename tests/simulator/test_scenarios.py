"""Named scenarios: what each sample does to which calls, and how they are switched from file, API and page."""

import json
import re
from uuid import uuid4

import httpx
import pytest
from azure.core.exceptions import ClientAuthenticationError

from simulator.__main__ import main
from simulator.scenarios import SAMPLES
from tests.simulator.cloud import BAP_SCOPE, QUICK, VAULT_SCOPE, managed

NAMES = ["busy-conflicts", "expired-secret", "lost-responses", "outage", "throttling-storm"]


@pytest.fixture
def switch(cloud):
    """Turn a scenario on for one tenant."""

    def on(tenant, name):
        answer = cloud.control("POST", "/scenarios", {"name": name, "tenant": tenant.id}, status=200)
        assert answer["active"] == name

    yield on
    cloud.control("DELETE", "/scenarios", status=204)


def test_the_samples_are_known_and_say_what_they_do(cloud):
    known = cloud.control("GET", "/scenarios")
    assert ([item["name"] for item in known["scenarios"]], known["active"]) == (NAMES, "")
    assert all(item["title"] and item["description"].endswith(".") and item["faults"] for item in known["scenarios"])
    assert [path.stem for path in sorted(SAMPLES.glob("*.json"))] == NAMES


def test_a_scenario_replaces_the_one_before_and_leaves_single_faults_alone(cloud, tenant, switch):
    single = tenant.fault(host="graph", status=503)
    switch(tenant, "outage")
    switch(tenant, "lost-responses")
    rules = [rule for rule in cloud.control("GET", "/faults")["faults"] if rule["tenant"] == tenant.id]
    assert {rule.get("scenario") for rule in rules} == {None, "lost-responses"}
    assert cloud.control("GET", f"/state?tenant={tenant.id}")["active"] == "lost-responses"
    cloud.control("DELETE", "/scenarios", status=204)
    left = [rule["id"] for rule in cloud.control("GET", "/faults")["faults"] if rule["tenant"] == tenant.id]
    assert left == [single]
    assert cloud.control("GET", "/scenarios")["active"] == ""


def test_an_outage_ends_when_it_is_switched_off(cloud, tenant, switch):
    other = cloud.tenant()
    switch(tenant, "outage")
    answers = [tenant.bap("GET", "/tenant") for _ in range(3)]
    assert [(answer.status_code, answer.headers.get("retry-after")) for answer in answers] == [
        (502, None),
        (503, "10"),
        (503, "10"),
    ]
    assert tenant.pp("GET", "/environmentmanagement/environments").status_code == 503
    assert tenant.graph("GET", f"/groups/{tenant.group_id}").status_code == 200
    assert other.bap("GET", "/tenant").status_code == 200
    cloud.control("DELETE", "/scenarios", status=204)
    assert tenant.bap("GET", "/tenant").status_code == 200


def test_a_throttling_storm_refuses_one_call_in_five_in_every_form(tenant, switch):
    assert tenant.token(BAP_SCOPE)
    switch(tenant, "throttling-storm")
    answers = [tenant.bap("GET", "/tenant") for _ in range(20)]
    refused = [number for number, answer in enumerate(answers, 1) if answer.status_code == 429]
    assert refused == [2, 6, 12, 16, 20]
    seconds, date, _, _, absent = [answers[number - 1].headers.get("retry-after") for number in refused]
    assert (seconds, absent) == ("1", None)
    assert date.endswith(" GMT")


def test_lost_responses_are_carried_out_all_the_same(tenant, switch):
    switch(tenant, "lost-responses")
    with pytest.raises(httpx.TransportError):
        tenant.start()
    assert len(tenant.state()["environments"]) == 2
    assert tenant.start().status_code == 202
    assert tenant.bap("GET", "/tenant").status_code == 200


def test_busy_environments_refuse_every_second_change(cloud, switch):
    tenant = cloud.tenant(timing=QUICK)
    environment = tenant.create()
    switch(tenant, "busy-conflicts")
    path, body = f"/environments/{environment}/governanceConfiguration", managed({"maxLimitUserSharing": "20"})
    refused = tenant.bap("POST", path, json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "OperationNotStartable")
    assert tenant.bap("POST", path, json=body).status_code == 202
    deleted = tenant.bap("DELETE", f"/scopes/admin/environments/{environment}", "2023-06-01", json={"code": "7"})
    assert (deleted.status_code, deleted.content) == (409, b"")


def test_an_expired_secret_stops_management_applications_and_nobody_else(cloud, switch):
    reader = {"client_id": str(uuid4()), "secret": "r", "display_name": "reader"}
    tenant = cloud.tenant(applications=[reader])
    assert tenant.bap("GET", "/tenant").status_code == 200
    switch(tenant, "expired-secret")
    assert tenant.bap("GET", "/tenant").status_code == 401
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000222"):
        tenant.credential_for(tenant.client_id, tenant.secret).get_token(BAP_SCOPE)
    tenant.credential = tenant.credential_for(reader["client_id"], "r")
    assert tenant.token(VAULT_SCOPE)
    assert tenant.graph("GET", f"/groups/{tenant.group_id}").status_code == 200


def test_a_scenario_of_ones_own_is_learnt_by_switching_to_it(launch, tmp_path):
    own = {"name": "mine", "faults": [{"host": "bap", "status": 418, "count": 0}]}
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(own))
    _, cloud = launch("--scenario", file)
    assert cloud.control("GET", "/scenarios")["active"] == "mine"
    assert cloud.tenant().bap("GET", "/tenant").status_code == 418
    other = own | {"name": "other", "title": "Other"}
    assert cloud.control("POST", "/scenarios", other, status=200)["active"] == "other"
    known = {item["name"]: item["title"] for item in cloud.control("GET", "/scenarios")["scenarios"]}
    assert (known["mine"], known["other"]) == ("mine", "Other")
    cloud.control("DELETE", "/faults", status=204)
    assert cloud.control("GET", "/scenarios")["active"] == ""


@pytest.mark.parametrize(
    ("document", "status", "problem"),
    [
        ({"name": "nonsense"}, 404, "There is no scenario 'nonsense'; known are: busy-conflicts,"),
        ({"name": "outage", "tenant": "x"}, 404, "There is no tenant 'x'."),
        ({}, 400, "name: is missing; faults: must be a list with at least one fault"),
        ({"name": "a", "faults": []}, 400, "faults: must be a list with at least one fault"),
        ({"name": 1, "title": 2, "faults": [{}]}, 400, "name: must be a string; title: must be a string"),
        ({"name": "a", "faults": [{}], "colour": 1}, 400, "colour: unknown member"),
        ({"name": "a", "faults": [{"every": 0}]}, 400, "faults[0]: every: must be a whole number, one or more"),
        ({"name": "a", "faults": [{"scenario": "x"}]}, 400, "faults[0]: scenario: unknown"),
    ],
)
def test_a_bad_scenario_says_what_is_wrong_and_changes_nothing(cloud, document, status, problem):
    answer = cloud.control("POST", "/scenarios", document, status=status)
    assert problem in answer["error"]["message"]
    known = cloud.control("GET", "/scenarios")
    assert ([item["name"] for item in known["scenarios"]], known["active"]) == (NAMES, "")


def test_a_bad_scenario_file_is_one_clear_line_and_exit_code_2(tmp_path, capsys):
    file = tmp_path / "bad.json"
    file.write_text('{"name": "bad"}')
    assert main(["--scenario", str(file)]) == 2
    assert capsys.readouterr().err == f"simulator: {file}: faults: must be a list with at least one fault\n"


@pytest.mark.browser
def test_the_page_switches_a_scenario_for_one_tenant_and_off_again(launch, tmp_path, browser):
    """Somebody rehearses an outage with the mouse."""
    seed, tenant = tmp_path / "seed.json", str(uuid4())
    seed.write_text(json.dumps({"tenants": [{"id": tenant, "name": "Contoso Bank"}]}))
    _, cloud = launch("--seed", seed)
    page = browser.new_page(ignore_https_errors=True)
    page.goto(cloud.ready["control"])
    page.get_by_label("For").select_option("Contoso Bank")
    storm = page.get_by_role("button", name="Throttling storm")
    storm.click()
    page.get_by_text("Throttling storm, for Contoso Bank.").wait_for()
    assert storm.get_attribute("aria-pressed") == "true"
    rules = cloud.control("GET", "/faults")["faults"]
    assert {(rule["scenario"], rule["tenant"]) for rule in rules} == {("throttling-storm", tenant)}
    assert page.get_by_role("row", name=re.compile("storm: date.*one call in 10")).count() == 1
    storm.click()
    page.get_by_text("No scenario is on.").wait_for()
    assert cloud.control("GET", "/faults")["faults"] == []
    page.close()
