"""The credentials of app registrations."""

import base64
import json
import traceback
from datetime import UTC, datetime

import pytest

from microsoft_cloud import Cloud, Endpoints
from microsoft_cloud.applications import CredentialKind, NewCertificate
from microsoft_cloud.errors import AuthenticationError, NotFoundError, PermanentError, TransientError

API = "https://graph.microsoft.com/v1.0"
CLIENT = "5e1f0000-0000-4000-8000-000000000001"
PATH = f"{API}/applications(appId='{CLIENT}')"
COLUMNS = "id,appId,displayName,passwordCredentials,keyCredentials"
CANARY = "canary-secret-text"
ENDS = datetime(2027, 1, 1, tzinfo=UTC)
PASSWORD = {
    "keyId": "k1",
    "displayName": "elm-1",
    "hint": "can",
    "startDateTime": "2026-07-01T00:00:00Z",
    "endDateTime": "2027-01-01T00:00:00Z",
    "secretText": None,
}
CERTIFICATE = {
    "keyId": "c1",
    "displayName": "seed",
    "type": "AsymmetricX509Cert",
    "usage": "Verify",
    "customKeyIdentifier": "ab01",
    "startDateTime": "2026-07-01T00:00:00Z",
    "endDateTime": "2027-07-01T00:00:00Z",
    "key": None,
}
APPLICATION = {
    "id": "AAAA0000-0000-4000-8000-000000000001",
    "appId": CLIENT.upper(),
    "displayName": "ELM",
    "passwordCredentials": [PASSWORD],
    "keyCredentials": [CERTIFICATE],
}
NEW = NewCertificate("c2", "elm-2", b"\x30\x82", datetime(2026, 7, 1, tzinfo=UTC), ENDS)


@pytest.fixture
def applications(cloud):
    return cloud.applications


def test_an_application_is_listed_with_its_credentials(microsoft, applications):
    microsoft.says(200, APPLICATION)
    found = applications.application(CLIENT.upper())
    assert microsoft.lines == [f"GET {PATH}?$select={COLUMNS}"]
    assert (found.client_id, found.display_name) == (CLIENT, "ELM")
    secret, certificate = found.credentials
    assert (secret.key_id, secret.kind, secret.hint, secret.ends_on) == ("k1", CredentialKind.SECRET, "can", ENDS)
    assert (certificate.kind, certificate.thumbprint) == (CredentialKind.CERTIFICATE, "AB01")
    assert found.credential("c1") == certificate
    assert found.credential("k9") is None


def test_applications_are_changed_by_the_identity_itself_and_never_by_the_directory_reader(microsoft, cloud, tokens):
    class Directory:
        def token(self, endpoints, scope):
            raise AssertionError

    other = Cloud(Endpoints.public(), tokens, "1", directory_identity=Directory(), client=cloud.client)
    microsoft.says(200, APPLICATION)
    other.applications.application(CLIENT)
    assert microsoft.last.headers["Authorization"] == "Bearer token-for-https://graph.microsoft.com/.default"


def test_a_secret_is_added_and_never_shown(microsoft, applications):
    microsoft.says(200, {**PASSWORD, "secretText": CANARY})
    made = applications.add_password(CLIENT, "elm-1", ENDS)
    assert (made.key_id, made.value, made.ends_on) == ("k1", CANARY, ENDS)
    assert CANARY not in repr(made)
    assert microsoft.lines == [f"POST {PATH}/addPassword"]
    assert microsoft.sent == {"passwordCredential": {"displayName": "elm-1", "endDateTime": "2027-01-01T00:00:00Z"}}


def test_a_secret_that_is_added_without_being_shown_may_exist(microsoft, applications):
    microsoft.says(200, PASSWORD)
    with pytest.raises(TransientError) as lost:
        applications.add_password(CLIENT, "elm-1", ENDS)
    assert lost.value.maybe_executed


def test_a_later_error_that_echoes_a_new_secret_does_not_show_it(microsoft, applications):
    microsoft.says(200, {**PASSWORD, "secretText": CANARY})
    applications.add_password(CLIENT, "elm-1", ENDS)
    microsoft.answers.clear()
    microsoft.says(400, {"error": {"code": CANARY, "message": f"what is {CANARY}?"}})
    with pytest.raises(PermanentError) as refused:
        applications.add_password(CLIENT, "elm-1", ENDS)
    assert CANARY not in "".join(traceback.format_exception(refused.value)) + refused.value.code


def test_a_secret_is_removed_by_its_key_id(microsoft, applications):
    microsoft.says(200, APPLICATION).says(204)
    applications.remove(CLIENT, applications.application(CLIENT).credentials[0])
    assert microsoft.lines[-1] == f"POST {PATH}/removePassword"
    assert microsoft.sent == {"keyId": "k1"}


def test_a_certificate_is_added_beside_those_that_are_there(microsoft, applications):
    microsoft.says(200, APPLICATION).says(204)
    applications.add_certificate(CLIENT, NEW)
    assert microsoft.lines[-1] == f"PATCH {PATH}"
    kept, added = microsoft.sent["keyCredentials"]
    assert kept == CERTIFICATE
    assert base64.b64decode(added["key"]) == b"\x30\x82"
    assert (added["keyId"], added["type"], added["usage"]) == ("c2", "AsymmetricX509Cert", "Verify")
    assert (added["startDateTime"], added["endDateTime"]) == ("2026-07-01T00:00:00Z", "2027-01-01T00:00:00Z")


def test_a_certificate_is_removed_and_the_others_stay(microsoft, applications):
    other = {**CERTIFICATE, "keyId": "c2"}
    both = {**APPLICATION, "keyCredentials": [CERTIFICATE, other]}
    microsoft.says(200, both).says(200, json.loads(json.dumps(both))).says(204)
    applications.remove(CLIENT, applications.application(CLIENT).credentials[1])
    assert microsoft.sent == {"keyCredentials": [other]}


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "Authorization_RequestDenied", AuthenticationError),
        (404, "Request_ResourceNotFound", NotFoundError),
    ],
)
def test_what_may_not_be_read_or_does_not_exist_is_told_apart(microsoft, applications, status, code, error):
    microsoft.says(status, {"error": {"code": code, "message": "no"}})
    with pytest.raises(error):
        applications.application(CLIENT)


def test_an_application_is_named_by_a_guid_and_nothing_else(microsoft, applications):
    with pytest.raises(PermanentError, match="GUID"):
        applications.application("x')/owners")
    assert microsoft.requests == []
