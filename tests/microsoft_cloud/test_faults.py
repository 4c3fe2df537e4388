"""Reading what failed answers say."""

import base64
import json
from datetime import UTC, datetime

import pytest

from microsoft_cloud import Service
from microsoft_cloud.errors import (
    AuthenticationError,
    ConflictError,
    ConflictKind,
    NotFoundError,
    NotReadyError,
    PermanentError,
    ThrottledError,
    TransientError,
    UntrustedUrlError,
)
from microsoft_cloud.faults import FailedAnswer, claims_challenge, fault_in, request_ids_in, retry_after_seconds

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("5", 5),
        (" 7 ", 7),
        ("2.5", 2.5),
        ("10s", 10),
        ("00:00:20", 20),
        ("0", 0),
        ("-30", 0),
        ("1000000000", 300),
        ("1e9", 300),
        ("inf", 300),
        ("99:00:00", 300),
        ("nan", None),
        ("", None),
        ("   ", None),
        (None, None),
        ("soon", None),
        ("Sat, 21 Nov 2026 12:00:42 GMT", 42),
        ("Sat, 21 Nov 2026 12:00:42", 42),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0),
        ("Sat, 21 Nov 2099 11:00:00 GMT", 300),
        ("Sat, 99 Nov 2026 11:00:00 GMT", None),
    ],
)
def test_r11_retry_after_is_understood_in_every_form_and_clamped(header, seconds):
    assert retry_after_seconds(header, NOW) == seconds


@pytest.mark.parametrize(
    ("body", "code", "inner", "message"),
    [
        (b'{"error":{"code":"EnvironmentNotFound","message":"gone"}}', "EnvironmentNotFound", "", "gone"),
        (
            b'{"code":"EndpointInvalid","innererror":{"code":"EnvironmentIdInvalid"}}',
            "EndpointInvalid",
            "EnvironmentIdInvalid",
            "",
        ),
        (b'{"error":{"code":"Forbidden","innererror":{"code":"SecretDisabled"}}}', "Forbidden", "SecretDisabled", ""),
        (b'{"error":{"code":"R","innerError":{"code":"I"}}}', "R", "I", ""),
        (b'{"errorDetail":{"code":"ValidationError","message":"m"}}', "ValidationError", "", "m"),
        (
            b'{"error":"invalid_client","error_description":"AADSTS7000215: wrong"}',
            "invalid_client",
            "",
            "AADSTS7000215: wrong",
        ),
        (b'{"error":{"code":42,"message":["x"]}}', "", "", ""),
        (b'{"error":null,"code":"C"}', "C", "", ""),
        (b"", "", "", ""),
        (b"[]", "", "", ""),
        (b"null", "", "", ""),
        (b"<html>502 Bad Gateway</html>", "", "", ""),
        (b'{"error":{"code":"Trunc', "", "", ""),
        (b"\xff\xfe\x00garbage", "", "", ""),
        (b"[" * 100_000, "", "", ""),
    ],
)
def test_r13_error_bodies_are_read_tolerantly(body, code, inner, message):
    fault = fault_in(body, {})
    assert (fault.code, fault.inner_code, fault.message) == (code, inner, message)


def test_blob_tells_its_code_in_a_header():
    assert fault_in(b"<?xml?><Error/>", {"x-ms-error-code": "BlobAlreadyExists"}).code == "BlobAlreadyExists"


def failure(status, code="", *, service=Service.BAP, is_write=True, message="", headers=None, body=None):
    answer = json.dumps({"error": {"code": code, "message": message}}).encode() if code or message else b""
    return FailedAnswer(
        service=service,
        line="POST host/path",
        status=status,
        headers=headers or {},
        body=answer if body is None else body,
        is_write=is_write,
        shows_message=True,
        now=NOW,
    ).error()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (409, "OperationNotStartable", ConflictKind.BUSY),
        (409, "", ConflictKind.BUSY),
        (409, "DomainNameAlreadyInUse", ConflictKind.DOMAIN_IN_USE),
        (409, "InsufficientCapacity_StorageDriven", ConflictKind.CAPACITY),
        (409, "GovernanceConfigurationChangeBlockedByGroup", ConflictKind.LOCKED_BY_GROUP),
        (409, "SomethingNew", ConflictKind.UNKNOWN),
    ],
)
def test_r07_r08_r09_r10_r26_conflicts_are_told_apart(status, code, kind):
    error = failure(status, code)
    assert isinstance(error, ConflictError)
    assert error.kind is kind
    assert not error.maybe_executed


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "InvalidApiVersion", PermanentError),
        (400, "EnvironmentIdInvalid", NotReadyError),
        (401, "", AuthenticationError),
        (403, "Forbidden", AuthenticationError),
        (403, "userNotLicensed", NotReadyError),
        (403, "LinkedEnvironmentForbiddenOperation", PermanentError),
        (404, "EnvironmentNotFound", NotFoundError),
        (404, "ServiceToServiceEnvironmentNotFound", NotReadyError),
        (404, "PrincipalDoesNotExist", NotReadyError),
        (412, "ConditionNotMet", PermanentError),
        (425, "", TransientError),
        (429, "", ThrottledError),
        (302, "", UntrustedUrlError),
    ],
)
def test_answers_are_sorted_by_what_to_do_next(status, code, expected):
    error = failure(status, code)
    assert type(error) is expected
    assert (error.status, error.code, error.service) == (status, code, "bap")


@pytest.mark.parametrize("status", [408, 499, 500, 502, 503, 504])
def test_r12_a_failed_mutation_may_have_been_executed_and_a_failed_read_may_not(status):
    assert type(failure(status)) is TransientError
    assert failure(status).maybe_executed
    assert not failure(status, is_write=False).maybe_executed


def test_an_outage_is_unknown_whatever_code_it_carries():
    error = failure(500, "PrincipalDoesNotExist")
    assert (type(error), error.maybe_executed) == (TransientError, True)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 425, 429])
def test_a_refused_mutation_was_not_executed(status):
    assert not failure(status).maybe_executed


@pytest.mark.parametrize(
    ("status", "code", "message", "expected"),
    [
        (401, "", "", NotReadyError),
        (403, "0x80072560", "The user is not a member of the organization.", NotReadyError),
        (403, "0x80040220", "missing privilege", PermanentError),
        (400, "0x80040237", "", ConflictError),
        (412, "0x80040237", "", ConflictError),
        (412, "", "A record with matching key values already exists.", ConflictError),
        (400, "0x80048d19", "wrong type", PermanentError),
    ],
)
def test_dataverse_answers_are_sorted_by_their_own_rules(status, code, message, expected):
    error = failure(status, code, service=Service.DATAVERSE, message=message)
    assert type(error) is expected
    if expected is ConflictError:
        assert error.kind is ConflictKind.ALREADY_EXISTS


def test_a_duplicate_key_is_dataverses_own_notion():
    assert type(failure(412, "0x80040237")) is PermanentError


def test_a_throttled_call_carries_the_wait():
    assert failure(429, headers={"Retry-After": "60"}).retry_after == 60
    assert failure(429).retry_after == 15
    assert failure(409, headers={"Retry-After": "20"}).retry_after == 20


def test_the_error_names_call_status_code_and_message():
    assert str(failure(400, "InvalidApiVersion", message="no such version")) == (
        "POST host/path: 400 InvalidApiVersion no such version"
    )


def test_request_ids_are_kept_for_support():
    headers = {
        "x-ms-request-id": "1",
        "X-Ms-Correlation-Request-Id": "2",
        "request-id": "3",
        "x-ms-region": "eu",
        "date": "x",
    }
    assert request_ids_in(headers) == {"x-ms-request-id": "1", "x-ms-correlation-request-id": "2", "request-id": "3"}
    assert failure(500, headers={"x-ms-request-id": "1"}).request_ids == {"x-ms-request-id": "1"}


def challenge(claims: bytes, error: str = "insufficient_claims") -> dict[str, str]:
    encoded = base64.urlsafe_b64encode(claims).decode().rstrip("=")
    return {"WWW-Authenticate": f'Bearer authorization_uri="https://x", error="{error}", claims="{encoded}"'}


def test_a_claims_challenge_is_decoded():
    wanted = '{"access_token":{"nbf":{"essential":true,"value":"1"}}}'
    assert claims_challenge(challenge(wanted.encode())) == wanted


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"WWW-Authenticate": "Bearer"},
        challenge(b"not json"),
        challenge(b"\xff\xfe"),
        challenge(b"{}", error="invalid_token"),
        {"WWW-Authenticate": 'Bearer error="insufficient_claims", claims="%"'},
    ],
)
def test_anything_else_is_no_challenge(headers):
    assert claims_challenge(headers) is None
