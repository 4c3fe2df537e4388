"""What an error shows, and what it never shows."""

import pickle

import pytest

from microsoft_cloud.errors import (
    AuthenticationError,
    CloudError,
    ConflictError,
    ConflictKind,
    GroupError,
    GroupProblem,
    NotReadyError,
    PermanentError,
    ThrottledError,
    TransientError,
    redacted,
)

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "text",
    [
        f"token {JWT} refused",
        "Authorization: Bearer abc.def",
        "client_secret=hunter2&x=1",
        "https://x/blob?sv=1&sig=hunter2",
        "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nhunter2",
    ],
)
def test_secrets_are_taken_out_of_messages(text):
    shown = str(CloudError(text))
    assert "***" in shown
    assert not any(secret in shown for secret in ("hunter2", JWT, "abc.def"))


def test_a_message_is_one_short_printable_line():
    shown = redacted("a\nb\x00\x1b[31m" + "x" * 10_000)
    assert shown.startswith("a b[31m")
    assert len(shown) == 400


def test_the_classes_say_what_to_do_next():
    assert issubclass(ThrottledError, TransientError)
    assert issubclass(NotReadyError, TransientError)
    assert issubclass(AuthenticationError, PermanentError)
    assert not issubclass(ConflictError, PermanentError | TransientError)
    assert ThrottledError("x").retry_after == 15.0


def test_an_error_survives_pickling_with_its_facts():
    error = ConflictError("busy", ConflictKind.BUSY, service="bap", status=409, code="OperationNotStartable")
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.kind, copy.status, copy.code, str(copy)) == (ConflictKind.BUSY, 409, "OperationNotStartable", "busy")
    assert copy.facts() == error.facts()
    assert GroupError("?", GroupProblem.AMBIGUOUS).kind is GroupProblem.AMBIGUOUS


def test_an_error_without_facts_has_harmless_ones():
    error = CloudError("?")
    assert (error.service, error.status, error.code, error.maybe_executed, error.retry_after) == (
        "",
        None,
        "",
        False,
        None,
    )
    assert error.request_ids == {}
