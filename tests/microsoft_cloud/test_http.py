"""The one way out: what is sent, what is refused, what is repeated."""

import base64
import logging
import ssl
import traceback

import httpx
import pytest

from microsoft_cloud import Cloud, Endpoints
from microsoft_cloud.errors import (
    AuthenticationError,
    NotReadyError,
    PermanentError,
    ThrottledError,
    TransientError,
    UntrustedUrlError,
)

TENANT = {"tenantId": "11111111-1111-4111-8111-111111111111", "state": "Enabled"}
BAP_SCOPE = "https://service.powerapps.com/.default"


@pytest.fixture
def session(cloud):
    return cloud.bap_session


def test_a_call_carries_token_correlation_id_and_nothing_surprising(microsoft, cloud, tokens):
    microsoft.says(json=TENANT)
    assert cloud.bap.tenant().state == "Enabled"
    headers = microsoft.last.headers
    assert headers["Authorization"] == f"Bearer token-for-{BAP_SCOPE}"
    assert {headers[name] for name in ("X-Correlation-Id", "x-ms-client-request-id", "client-request-id")} == {
        cloud.correlation_id
    }
    assert headers["Accept"] == "application/json"
    assert tokens.scopes == [BAP_SCOPE]


def test_a_query_uses_percent_20_and_keeps_odata_readable(microsoft, session):
    microsoft.says(json={"value": []})
    session.read("/x", params={"$filter": "name eq 'O''Brien & co'", "$select": "a,b"})
    assert microsoft.last.url.raw_path.decode() == ("/x?$filter=name%20eq%20'O''Brien%20%26%20co'&$select=a,b")


def test_r04_a_location_on_a_foreign_host_is_refused_and_the_change_counts_as_executed(microsoft, session):
    microsoft.says(202, headers={"Location": "https://evil.example/steal"})
    answer = session.write("POST", "/x")
    with pytest.raises(UntrustedUrlError) as refused:
        answer.followed_url("Location")
    assert refused.value.maybe_executed
    assert len(microsoft.requests) == 1


def test_r04_no_token_is_even_fetched_for_an_untrusted_url(microsoft, session, tokens):
    with pytest.raises(UntrustedUrlError):
        session.read("https://evil.example/x")
    assert (microsoft.requests, tokens.scopes) == ([], [])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_r04_a_redirect_is_not_followed(microsoft, session, status):
    microsoft.says(status, headers={"Location": "https://api.bap.microsoft.com/elsewhere"})
    with pytest.raises(UntrustedUrlError):
        session.read("/x")
    assert len(microsoft.requests) == 1


def test_r04_a_next_link_to_a_foreign_host_is_refused(microsoft, session):
    microsoft.says(json={"value": [{}], "nextLink": "https://evil.example/page2"})
    with pytest.raises(UntrustedUrlError):
        session.read_pages("/x")
    assert len(microsoft.requests) == 1


@pytest.mark.parametrize("key", ["nextLink", "nextlink", "@odata.nextLink", "@odata.nextlink"])
def test_pages_are_followed_whatever_the_key_is_called(microsoft, session, key):
    microsoft.says(json={"value": [{"n": 1}, "junk"], key: "https://europe.api.bap.microsoft.com/x?page=2"})
    microsoft.says(json={"value": [{"n": 2}], key: None})
    assert session.read_pages("/x", params={"a": "b"}) == [{"n": 1}, {"n": 2}]
    assert str(microsoft.last.url) == "https://europe.api.bap.microsoft.com/x?page=2"


def test_a_list_without_an_end_is_given_up(microsoft, session, monkeypatch):
    monkeypatch.setattr("microsoft_cloud.http._MOST_PAGES", 3)
    microsoft.answers = []
    for _ in range(4):
        microsoft.says(json={"value": [{}], "nextLink": "https://api.bap.microsoft.com/x"})
    with pytest.raises(PermanentError, match="does not end"):
        session.read_pages("/x")
    assert len(microsoft.requests) == 3


def test_a_page_without_a_list_is_an_empty_page(microsoft, session):
    microsoft.says(json={"value": None})
    assert session.read_pages("/x") == []


# Repeating


def test_a_read_survives_brief_trouble(microsoft, session):
    microsoft.says(503).fails(httpx.ReadError("reset")).says(json={"ok": True})
    assert session.read("/x").object() == {"ok": True}
    assert len(microsoft.requests) == 3


def test_a_read_gives_up_after_three_attempts(microsoft, session):
    microsoft.says(502)
    with pytest.raises(TransientError) as failed:
        session.read("/x")
    assert (len(microsoft.requests), failed.value.status, failed.value.maybe_executed) == (3, 502, False)


@pytest.mark.parametrize("status", [408, 499, 500, 502, 503, 504])
def test_r12_a_mutation_is_never_repeated(microsoft, session, status):
    microsoft.says(status)
    with pytest.raises(TransientError) as failed:
        session.write("POST", "/x", json={})
    assert (len(microsoft.requests), failed.value.maybe_executed) == (1, True)


def test_r01_a_connection_lost_after_sending_a_mutation_is_unknown(microsoft, session):
    microsoft.fails(httpx.ReadError("connection reset by peer"))
    with pytest.raises(TransientError) as failed:
        session.write("POST", "/x", json={})
    assert (len(microsoft.requests), failed.value.maybe_executed, failed.value.code) == (1, True, "ReadError")


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("[Errno -2] Name or service not known"),
        httpx.ConnectTimeout("slow"),
        httpx.PoolTimeout("full"),
    ],
)
def test_r29_without_a_connection_a_mutation_was_not_executed(microsoft, session, error):
    microsoft.fails(error)
    with pytest.raises(TransientError) as failed:
        session.write("POST", "/x")
    assert not failed.value.maybe_executed


def test_an_organisation_that_cannot_be_reached_is_not_ready(microsoft, dataverse):
    microsoft.fails(httpx.ConnectError("[Errno -2] Name or service not known"))
    with pytest.raises(NotReadyError):
        dataverse.who_am_i()
    assert len(microsoft.requests) == 1


def test_r27_a_certificate_that_is_not_trusted_fails_closed(microsoft, session):
    microsoft.fails(httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired"))
    with pytest.raises(PermanentError, match="not trusted"):
        session.read("/x")
    assert len(microsoft.requests) == 1


def test_r11_a_short_throttling_is_waited_for_and_a_long_one_is_the_callers(microsoft, session):
    microsoft.says(429, headers={"Retry-After": "1"}).says(json={})
    session.read("/x")
    assert len(microsoft.requests) == 2
    for header in ({"Retry-After": "120"}, {}):
        microsoft.requests.clear()
        microsoft.answers.clear()
        microsoft.says(429, headers=header)
        with pytest.raises(ThrottledError) as throttled:
            session.read("/x")
        assert (len(microsoft.requests), throttled.value.retry_after) == (1, 120 if header else 15)


def test_r11_an_outage_that_names_a_long_wait_is_the_callers(microsoft, session):
    microsoft.says(503, headers={"Retry-After": "60"})
    with pytest.raises(TransientError) as failed:
        session.read("/x")
    assert (len(microsoft.requests), failed.value.retry_after) == (1, 60)


def test_r11_a_throttled_mutation_is_the_callers(microsoft, session):
    microsoft.says(429, headers={"Retry-After": "0"})
    with pytest.raises(ThrottledError) as throttled:
        session.write("POST", "/x")
    assert (len(microsoft.requests), throttled.value.maybe_executed, throttled.value.retry_after) == (1, False, 0)


# 401


def test_r14_a_401_is_answered_with_one_fresh_token(microsoft, session, tokens):
    microsoft.says(401).says(202)
    assert session.write("POST", "/x", json={"a": 1}).status == 202
    assert microsoft.last.headers["Authorization"] == f"Bearer renewed-for-{BAP_SCOPE}"
    assert (tokens.claims, microsoft.sent) == ([None], {"a": 1})


def test_r14_a_persistent_401_or_403_halts(microsoft, session):
    for status, calls in ((401, 2), (403, 1)):
        microsoft.requests.clear()
        microsoft.answers.clear()
        microsoft.says(status)
        with pytest.raises(AuthenticationError):
            session.read("/x")
        assert len(microsoft.requests) == calls


def test_a_claims_challenge_reaches_the_identity(microsoft, session, tokens):
    claims = base64.b64encode(b'{"access_token":{}}').decode()
    microsoft.says(401, headers={"WWW-Authenticate": f'Bearer error="insufficient_claims", claims="{claims}"'})
    microsoft.says(json={})
    session.read("/x")
    assert tokens.claims == ['{"access_token":{}}']


# Secrets


def test_no_token_and_no_body_shows_in_errors_reprs_and_logs(microsoft, cloud, caplog):
    caplog.set_level(logging.DEBUG)
    microsoft.says(200, body=b"canary-body")
    session = cloud.bap_session
    answer = session.write("POST", "/x", json={"value": "canary-sent"})
    microsoft.answers.clear()
    microsoft.says(500, body=b"canary-page").fails(httpx.ReadError("Bearer canary-token"))
    shown = [repr(answer), repr(session), repr(cloud)]
    for _ in range(2):
        try:
            session.write("POST", "/x?secret=canary-query")
        except TransientError as error:
            shown += [str(error), repr(error), "".join(traceback.format_exception(error))]
    assert "canary" not in "".join(shown).replace("session.write", "").replace('"/x?secret=canary-query"', "")
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("microsoft_cloud")]
    assert ours
    assert "canary" not in "".join(ours)


def test_an_unverified_server_is_refused_on_a_real_socket(serve, tokens):
    server = serve(lambda handler: handler.send_response(200))
    endpoints = Endpoints.from_mapping({"bap": server.origin})
    with pytest.raises(PermanentError, match="not trusted"):
        Cloud(endpoints, tokens, "1").bap.tenant()
    assert ssl.get_default_verify_paths()
