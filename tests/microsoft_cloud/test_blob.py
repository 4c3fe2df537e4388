"""Evidence in Blob storage: written once, protected, and believed only when the service confirms it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import httpx
import pytest

from microsoft_cloud import Endpoints, blob
from microsoft_cloud.blob import ImmutabilityPolicy, PolicyMode
from microsoft_cloud.errors import (
    AuthenticationError,
    ConflictError,
    ConflictKind,
    NotFoundError,
    PermanentError,
    ResponseTooLargeError,
    TransientError,
    UntrustedUrlError,
)

ACCOUNT = "https://elmevidence.blob.core.windows.net"
NAME = "runs/REQ-00042/package.json"
URL = f"{ACCOUNT}/evidence/{NAME}"
UNTIL = datetime(2033, 11, 21, 12, 0, tzinfo=UTC)
POLICY = ImmutabilityPolicy(UNTIL)
ECHO = {
    "x-ms-immutability-policy-until-date": "Mon, 21 Nov 2033 12:00:00 GMT",
    "x-ms-immutability-policy-mode": "unlocked",
}
HEAD = {
    "Content-Length": "2",
    "Content-Type": "application/json",
    "ETag": '"0x1"',
    "x-ms-version-id": "2026-11-21T12:00:00.0000000Z",
    **ECHO,
}


@pytest.fixture
def store(cloud):
    return cloud.blob(f"{ACCOUNT}/")


def test_evidence_is_written_once_with_its_policy_and_read_back(microsoft, store, tokens):
    microsoft.says(201).says(200, headers=HEAD | {"x-ms-legal-hold": "true"})
    found = store.write_once("evidence", NAME, b"{}", content_type="application/json", policy=POLICY, legal_hold=True)
    assert microsoft.lines == [f"PUT {URL}", f"HEAD {URL}"]
    put, head = microsoft.requests
    assert put.content == b"{}"
    wanted = ECHO | {
        "x-ms-blob-type": "BlockBlob",
        "If-None-Match": "*",
        "Content-Type": "application/json",
        "x-ms-legal-hold": "true",
        "x-ms-version": "2021-12-02",
    }
    assert {name: put.headers[name] for name in wanted} == wanted
    assert put.headers["x-ms-date"].endswith(" GMT")
    assert head.headers["x-ms-version"] == "2021-12-02"
    assert (found.policy, found.has_legal_hold, found.size) == (POLICY, True, 2)
    assert (found.content_type, found.etag, found.version_id) == (
        "application/json",
        '"0x1"',
        "2026-11-21T12:00:00.0000000Z",
    )
    assert set(tokens.scopes) == {"https://storage.azure.com/.default"}


def without(*names):
    return {name: value for name, value in HEAD.items() if not name.startswith(tuple(names))}


@pytest.mark.parametrize(
    "read_back",
    [
        without("x-ms-immutability"),
        without("x-ms-immutability-policy-mode"),
        HEAD | {"x-ms-immutability-policy-mode": "locked"},
        HEAD | {"x-ms-immutability-policy-mode": "Mutable"},
        HEAD | {"x-ms-immutability-policy-until-date": "Mon, 21 Nov 2033 11:59:59 GMT"},
        HEAD | {"x-ms-immutability-policy-until-date": "Mon, 21 Nov 2033 12:00:00 -0000"},
        HEAD | {"x-ms-immutability-policy-until-date": "2033-11-21T12:00:00Z"},
        HEAD | {"x-ms-immutability-policy-until-date": ""},
        HEAD | {"Content-Length": "1"},
        without("Content-Length"),
    ],
)
def test_a_protection_that_is_not_confirmed_counts_as_missing(microsoft, store, read_back):
    microsoft.says(201).says(200, headers=read_back)
    with pytest.raises(PermanentError) as failed:
        store.write_once("evidence", NAME, b"{}", policy=POLICY)
    assert (failed.value.code, failed.value.maybe_executed) == ("NotProtected", True)


def test_a_legal_hold_that_is_not_confirmed_counts_as_missing(microsoft, store):
    microsoft.says(201).says(200, headers=HEAD)
    with pytest.raises(PermanentError) as failed:
        store.write_once("evidence", NAME, b"{}", legal_hold=True)
    assert failed.value.code == "NotProtected"


def test_a_longer_protection_than_asked_for_is_enough(microsoft, store):
    longer = {"x-ms-immutability-policy-until-date": "Tue, 22 Nov 2033 12:00:00 GMT"}
    microsoft.says(201).says(200, headers=HEAD | longer)
    assert store.write_once("evidence", NAME, b"{}", policy=POLICY).policy.until == UNTIL + timedelta(days=1)


def test_without_a_policy_only_the_writing_is_proved(microsoft, store):
    microsoft.says(201).says(200, headers=without("x-ms-immutability"))
    found = store.write_once("evidence", NAME, b"{}")
    assert (found.policy, found.has_legal_hold) == (None, False)
    assert not [name for name in microsoft.requests[0].headers if name.startswith("x-ms-immutability")]


def test_a_read_back_that_fails_says_that_the_blob_may_be_there(microsoft, store):
    microsoft.says(201).says(503)
    with pytest.raises(TransientError) as failed:
        store.write_once("evidence", NAME, b"{}", policy=POLICY)
    assert failed.value.maybe_executed
    assert [request.method for request in microsoft.requests] == ["PUT", "HEAD", "HEAD", "HEAD"]


def test_a_lost_answer_is_never_written_again(microsoft, store):
    microsoft.fails(httpx.ReadError("gone"))
    with pytest.raises(TransientError) as failed:
        store.write_once("evidence", NAME, b"{}", policy=POLICY)
    assert (failed.value.maybe_executed, len(microsoft.requests)) == (True, 1)


XML = '<?xml version="1.0" encoding="utf-8"?><Error><Code>{}</Code><Message>{}</Message></Error>'


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (409, "BlobAlreadyExists", ConflictKind.ALREADY_EXISTS),
        (412, "ConditionNotMet", ConflictKind.ALREADY_EXISTS),
        (409, "BlobImmutableDueToPolicy", ConflictKind.IMMUTABLE),
        (409, "BlobImmutableDueToLegalHold", ConflictKind.IMMUTABLE),
        (409, "ContainerImmutableStorageWithVersioningNotEnabled", ConflictKind.UNKNOWN),
    ],
)
@pytest.mark.parametrize("in_header", [True, False])
def test_conflicts_are_told_apart_by_header_or_xml(microsoft, store, status, code, kind, in_header):
    headers = {"x-ms-error-code": code} if in_header else {}
    microsoft.says(status, body=b"" if in_header else XML.format(code, "No &lt;way&gt;.").encode(), headers=headers)
    with pytest.raises(ConflictError) as failed:
        store.write_once("evidence", NAME, b"{}", policy=POLICY)
    assert (failed.value.kind, failed.value.code) == (kind, code)
    assert in_header or "No <way>." in str(failed.value)
    assert not failed.value.maybe_executed


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (404, b"", NotFoundError),
        (403, XML.format("AuthorizationPermissionMismatch", "").encode(), AuthenticationError),
        (400, b"<html>", PermanentError),
        (400, b"<Error><Code>" + b"x" * 200_000, PermanentError),
        (500, b"\xff<Code>", TransientError),
    ],
)
def test_refusals_are_read_whatever_they_look_like(microsoft, store, status, body, expected):
    microsoft.says(status, body=body)
    with pytest.raises(expected):
        store.get("evidence", NAME)


def test_a_policy_is_set_and_rounded_up_to_a_whole_second(microsoft, store):
    microsoft.says(200, headers=ECHO)
    wanted = ImmutabilityPolicy((UNTIL - timedelta(microseconds=1)).astimezone(timezone(timedelta(hours=2))))
    assert store.set_immutability_policy("evidence", NAME, wanted) == POLICY
    assert microsoft.lines == [f"PUT {URL}?comp=immutabilityPolicies"]
    assert {name: microsoft.last.headers[name] for name in ECHO} == ECHO
    assert microsoft.last.headers["content-length"] == "0"


def test_a_policy_that_is_not_confirmed_counts_as_missing(microsoft, store):
    microsoft.says(200)
    with pytest.raises(PermanentError) as failed:
        store.set_immutability_policy("evidence", NAME, POLICY)
    assert (failed.value.code, failed.value.maybe_executed) == ("NotProtected", True)


def test_a_locked_policy_is_sent_and_confirmed_as_locked(microsoft, store):
    microsoft.says(200, headers=ECHO | {"x-ms-immutability-policy-mode": "Locked"})
    wanted = replace(POLICY, mode=PolicyMode.LOCKED)
    assert store.set_immutability_policy("evidence", NAME, wanted) == wanted
    assert microsoft.last.headers["x-ms-immutability-policy-mode"] == "locked"


@pytest.mark.parametrize(("held", "word"), [(True, "true"), (False, "false")])
def test_a_legal_hold_is_placed_and_released(microsoft, store, held, word):
    microsoft.says(200, headers={"x-ms-legal-hold": word}).says(200)
    store.set_legal_hold("evidence", NAME, held=held)
    assert microsoft.lines == [f"PUT {URL}?comp=legalhold"]
    assert microsoft.last.headers["x-ms-legal-hold"] == word
    with pytest.raises(PermanentError) as failed:
        store.set_legal_hold("evidence", NAME, held=held)
    assert failed.value.code == "NotProtected"


def test_a_policy_needs_a_time_zone():
    with pytest.raises(ValueError, match="time zone"):
        ImmutabilityPolicy(datetime(2033, 1, 1))  # noqa: DTZ001


def test_content_is_read_up_to_the_cap_and_not_sent_beyond_it(microsoft, store, monkeypatch):
    microsoft.says(200, body=b"x" * 10)
    assert store.get("evidence", NAME) == b"x" * 10
    monkeypatch.setattr(blob, "CONTENT_CAP", 9)
    microsoft.says(200, body=b"x" * 10)
    with pytest.raises(ResponseTooLargeError):
        store.get("evidence", NAME)
    asked = len(microsoft.requests)
    with pytest.raises(PermanentError) as failed:
        store.write_once("evidence", NAME, b"x" * 10)
    assert (failed.value.code, len(microsoft.requests)) == ("ContentTooLarge", asked)


LIST = f"{ACCOUNT}/evidence?restype=container&comp=list&prefix=runs/"


def listing(*names, marker=""):
    items = "".join(f"<Blob><Name>{name}</Name><Properties/></Blob>" for name in names)
    text = f"<EnumerationResults><Prefix>runs/</Prefix><Blobs>{items}</Blobs><NextMarker>{marker}</NextMarker>"
    return f'\ufeff<?xml version="1.0" encoding="utf-8"?>{text}</EnumerationResults>'.encode()


def test_the_names_of_blobs_are_read_to_the_last_page(microsoft, store):
    microsoft.says(200, body=listing("runs/a", "runs/b&amp;b", marker="2!a b/c=")).says(200, body=listing("runs/c"))
    assert list(store.names("evidence", "runs/")) == ["runs/a", "runs/b&b", "runs/c"]
    assert microsoft.lines == [f"GET {LIST}", f"GET {LIST}&marker=2%21a%20b/c%3D"]
    assert microsoft.last.headers["x-ms-version"] == "2021-12-02"


@pytest.mark.parametrize("body", [b"", b"<html>", b"<Error><Code>x</Code></Error>", b"\xff", b'{"value": []}'])
def test_a_list_of_blobs_that_is_none_is_an_error_and_no_empty_list(microsoft, store, body):
    microsoft.says(200, body=body)
    with pytest.raises(TransientError) as failed:
        list(store.names("evidence", ""))
    assert failed.value.code == "UnreadableAnswer"


def test_a_list_of_blobs_that_does_not_end_is_an_error(microsoft, store, monkeypatch):
    monkeypatch.setattr(blob, "_MOST_PAGES", 2)
    microsoft.says(200, body=listing("runs/a", marker="x")).says(200, body=listing("runs/a", marker="x"))
    with pytest.raises(PermanentError) as failed:
        list(store.names("evidence", "runs/"))
    assert failed.value.code == "TooManyPages"


def test_a_container_that_does_not_exist_has_no_names(microsoft, store):
    microsoft.says(404)
    with pytest.raises(NotFoundError):
        list(store.names("evidence", "runs/"))


@pytest.mark.parametrize(
    ("container", "name"),
    [
        ("", "a"),
        ("ev", "a"),
        ("Evidence", "a"),
        ("$root", "a"),
        ("-evidence", "a"),
        ("evi--dence", "a"),
        ("evidence", ""),
        ("evidence", "/a"),
        ("evidence", "a//b"),
        ("evidence", "../a"),
        ("evidence", "a/.."),
        ("evidence", "a?comp=legalhold"),
        ("evidence", "a b"),
        ("evidence", "ä"),
        ("evidence", "a" * 1025),
    ],
)
def test_odd_names_are_never_sent(microsoft, store, container, name):
    with pytest.raises(PermanentError) as failed:
        store.head(container, name)
    assert (failed.value.code, microsoft.requests) == ("InvalidIdentifier", [])


def test_the_account_may_come_from_the_endpoints_and_must_be_a_storage_account(cloud):
    configured = replace(cloud, endpoints=Endpoints.from_mapping({"blob": ACCOUNT}))
    assert configured.blob()
    for url in ("https://elm.evil.example", "https://kv-elm.vault.azure.net", "http://x.blob.core.windows.net", ""):
        with pytest.raises(UntrustedUrlError):
            cloud.blob(url)


def kept_now():
    return HEAD | {"Date": format_datetime(datetime.now(UTC), usegmt=True)}


def test_what_is_kept_is_written_once_and_confirmed_when_it_is_there_already(microsoft, store):
    microsoft.says(201).says(200, headers=kept_now())
    first = store.keep("evidence", NAME, b"{}", policy=POLICY)
    microsoft.answers.clear()
    microsoft.says(409, headers={"x-ms-error-code": "BlobImmutableDueToPolicy"}).says(200, body=b"{}")
    microsoft.says(200, headers=kept_now())
    assert store.keep("evidence", NAME, b"{}", policy=POLICY) == first


def test_a_conflict_of_another_kind_is_not_explained_away(microsoft, store):
    microsoft.says(409, headers={"x-ms-error-code": "ContainerImmutableStorageWithVersioningNotEnabled"})
    with pytest.raises(ConflictError) as failed:
        store.keep("evidence", NAME, b"{}", policy=POLICY)
    assert (failed.value.kind, len(microsoft.requests)) == (ConflictKind.UNKNOWN, 1)


@pytest.mark.parametrize("date", [{}, {"Date": "yesterday"}, {"Date": "Mon, 21 Nov 2033 12:00:00 GMT"}])
def test_what_is_kept_at_a_time_that_proves_nothing_is_refused(microsoft, store, date):
    microsoft.says(201).says(200, headers=HEAD | date)
    with pytest.raises(PermanentError, match="Correct the clock") as failed:
        store.keep("evidence", NAME, b"{}", policy=POLICY)
    assert (failed.value.code, failed.value.maybe_executed) == ("ClocksDiffer", True)
