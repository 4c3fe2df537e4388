"""Tokens through the real azure-identity, against a small Entra on a real TLS socket."""

import base64
import json
import logging
import os
import threading
import time
import traceback
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from microsoft_cloud import (
    ClientCertificate,
    ClientSecret,
    Cloud,
    Endpoint,
    Endpoints,
    Identity,
    WorkloadIdentity,
    identity,
    pool,
)
from microsoft_cloud.errors import AuthenticationError, NotReadyError, ThrottledError, TransientError

TENANT = "11111111-1111-4111-8111-111111111111"
CLIENT = "8784d9fb-0000-4000-8000-96ce0000fc00"
CANARY = "canary-s3cr3t~value"
BAP_SCOPE = "https://service.powerapps.com/.default"
ORG_SCOPE = "https://claims.crm4.dynamics.com/.default"


class Entra:
    """Answers discovery, then the scripted token answers; a token names its number."""

    def __init__(self):
        self.forms, self.discoveries, self.script, self.lock = [], 0, [], threading.Lock()
        self.connections, self.keeps_connections = set(), False
        self.origin = ""
        self.bap_answers = []
        self.bap_tokens = []

    def __call__(self, handler):
        with self.lock:
            self.connections.add(handler.client_address)
            status, headers, body = self._answer(handler)
        if self.keeps_connections:
            handler.protocol_version, handler.close_connection = "HTTP/1.1", False
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    def _answer(self, handler):
        if handler.path.endswith("openid-configuration"):
            self.discoveries += 1
            base = f"{self.origin}/{TENANT}"
            return self._json(
                200,
                {
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                    "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "issuer": f"{base}/v2.0",
                },
            )
        if handler.path.endswith("/token"):
            form = parse_qs(handler.rfile.read(int(handler.headers["Content-Length"])).decode())
            self.forms.append({key: values[0] for key, values in form.items()})
            if self.script:
                return self.script.pop(0)
            token = f"token-{len(self.forms)}"
            return self._json(200, {"token_type": "Bearer", "expires_in": 3599, "access_token": token})
        self.bap_tokens.append(handler.headers["Authorization"])
        return self.bap_answers.pop(0) if self.bap_answers else self._json(200, {"tenantId": TENANT})

    @staticmethod
    def _json(status, data, headers=None):
        return status, {"Content-Type": "application/json", **(headers or {})}, json.dumps(data).encode()

    def says(self, status, data=None, headers=None, body=None):
        self.script.append(self._json(status, data, headers) if body is None else (status, headers or {}, body))

    def refuses(self, status, code, error="invalid_client", text="Something is wrong."):
        self.says(
            status,
            {"error": error, "error_description": f"AADSTS{code}: {text}", "error_codes": [code], "trace_id": "t"},
            {"x-ms-request-id": "r-1"},
        )


@pytest.fixture
def entra(serve):
    entra = Entra()
    entra.origin = serve(entra).origin
    return entra


@pytest.fixture
def endpoints(entra, ca_file):
    return Endpoints.from_mapping({"login": entra.origin, "bap": entra.origin, "ca": ca_file})


@pytest.fixture
def principal():
    return Identity(TENANT, CLIENT, ClientSecret(CANARY))


def test_a_secret_buys_a_token_that_is_kept_per_audience(entra, endpoints, principal):
    again = Identity(TENANT, CLIENT, ClientSecret(CANARY))
    assert principal.token(endpoints, BAP_SCOPE) == "token-1"
    assert again.token(endpoints, BAP_SCOPE) == "token-1"
    assert principal.token(endpoints, ORG_SCOPE) == "token-2"
    assert [form["scope"] for form in entra.forms] == [BAP_SCOPE, ORG_SCOPE]
    assert entra.forms[0]["client_secret"] == CANARY
    assert entra.discoveries == 2


def test_r15_a_rotated_secret_starts_with_an_empty_cache(entra, endpoints, principal):
    principal.token(endpoints, BAP_SCOPE)
    rotated = Identity(TENANT, CLIENT, ClientSecret("new"))
    assert rotated.token(endpoints, BAP_SCOPE) == "token-2"
    assert entra.forms[1]["client_secret"] == "new"


@pytest.fixture(scope="session")
def certificate():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "elm")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + signed.public_bytes(serialization.Encoding.PEM)


def test_a_certificate_signs_an_assertion_and_sends_no_secret(entra, endpoints, certificate):
    principal = Identity(TENANT, CLIENT, ClientCertificate(certificate))
    assert principal.token(endpoints, BAP_SCOPE) == "token-1"
    form = entra.forms[0]
    assert "client_secret" not in form
    assert form["client_assertion_type"].endswith("jwt-bearer")
    payload = form["client_assertion"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["iss"] == claims["sub"] == CLIENT
    assert "PRIVATE KEY" not in repr(principal)


def test_a_federated_token_is_the_assertion_and_is_read_again_after_a_refusal(entra, endpoints, tmp_path):
    file = tmp_path / "token"
    file.write_text("first")
    principal = Identity(TENANT, CLIENT, WorkloadIdentity(str(file)))
    entra.refuses(401, 700024, text="The assertion is expired.")
    with pytest.raises(AuthenticationError) as failed:
        principal.token(endpoints, BAP_SCOPE)
    assert (failed.value.code, failed.value.request_ids) == ("AADSTS700024", {"x-ms-request-id": "r-1"})
    file.write_text("second")
    assert principal.token(endpoints, BAP_SCOPE) == "token-2"
    assert [form["client_assertion"] for form in entra.forms] == ["first", "second"]
    assert entra.forms[1]["client_assertion_type"].endswith("jwt-bearer")
    assert principal.token(endpoints, BAP_SCOPE) == "token-2"
    assert len(entra.forms) == 2


def test_a_busy_or_unreachable_entra_is_transient_for_a_federated_token_too(entra, endpoints, ca_file, tmp_path):
    file = tmp_path / "token"
    file.write_text("first")
    principal = Identity(TENANT, CLIENT, WorkloadIdentity(str(file)))
    entra.says(429, {"error": "temporarily_unavailable"}, {"Retry-After": "60"})
    with pytest.raises(ThrottledError) as failed:
        principal.token(endpoints, BAP_SCOPE)
    assert (failed.value.retry_after, len(entra.forms)) == (60, 1)
    with pytest.raises(TransientError) as unreachable:
        principal.token(Endpoints.from_mapping({"login": "https://localhost:9", "ca": ca_file}), BAP_SCOPE)
    assert unreachable.value.code == "LoginUnreachable"


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b""])
def test_a_federated_token_that_cannot_be_read_is_an_authentication_error(entra, endpoints, tmp_path, content):
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    entra.refuses(401, 700027)
    with pytest.raises(AuthenticationError) as failed:
        Identity(TENANT, CLIENT, WorkloadIdentity(str(file))).token(endpoints, BAP_SCOPE)
    assert failed.value.code == ("AADSTS700027" if content == b"" else "UnreadableCredential")
    assert str(tmp_path) not in str(failed.value)


@pytest.mark.parametrize(
    "broken",
    [
        Identity(TENANT, CLIENT, ClientCertificate(b"-----BEGIN canary-s3cr3t~value-----")),
        Identity("not a tenant!", CLIENT, ClientSecret(CANARY)),
        Identity(TENANT, CLIENT, ClientSecret("")),
        Identity(TENANT, CLIENT, WorkloadIdentity("")),
    ],
)
def test_a_malformed_credential_is_an_authentication_error(endpoints, broken):
    with pytest.raises(AuthenticationError) as failed:
        broken.token(endpoints, BAP_SCOPE)
    assert failed.value.code == "MalformedCredential"
    assert CANARY not in "".join(traceback.format_exception(failed.value))


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, 7000215, "invalid_client"),
        (401, 7000222, "invalid_client"),
        (401, 700027, "invalid_client"),
        (400, 700016, "unauthorized_client"),
        (400, 90002, "invalid_request"),
        (400, 70011, "invalid_scope"),
        (400, 53003, "interaction_required"),
        (400, 500011, "invalid_resource"),
    ],
)
def test_r14_a_permanent_refusal_of_entra_halts(entra, endpoints, principal, status, code, error):
    entra.refuses(status, code, error)
    with pytest.raises(AuthenticationError) as failed:
        principal.token(endpoints, BAP_SCOPE)
    assert (failed.value.code, failed.value.status, failed.value.service) == (f"AADSTS{code}", status, "login")
    assert failed.value.request_ids == {"x-ms-request-id": "r-1"}
    assert len(entra.forms) == 1


def test_a_fresh_organisation_unknown_to_entra_is_not_ready(entra, endpoints, principal):
    entra.refuses(400, 500011, "invalid_resource")
    with pytest.raises(NotReadyError) as failed:
        principal.token(endpoints, ORG_SCOPE)
    assert failed.value.code == "AADSTS500011"
    assert principal.token(endpoints, ORG_SCOPE) == "token-2"


def test_a_failed_token_leaves_the_other_audiences_alone(entra, endpoints, principal):
    principal.token(endpoints, BAP_SCOPE)
    entra.refuses(400, 500011, "invalid_resource")
    with pytest.raises(NotReadyError):
        principal.token(endpoints, ORG_SCOPE)
    assert principal.token(endpoints, BAP_SCOPE) == "token-1"


def test_only_the_most_recently_used_credentials_are_kept(entra, endpoints, principal, monkeypatch):
    monkeypatch.setattr(identity, "_MOST_CREDENTIALS", 2)
    monkeypatch.setattr(identity, "_credentials", identity._Credentials())
    for scope in (BAP_SCOPE, ORG_SCOPE, BAP_SCOPE, "https://other/.default", BAP_SCOPE):
        principal.token(endpoints, scope)
    assert len(entra.forms) == 3
    assert len(identity._credentials._by_key) == 2


def test_r11_a_busy_entra_is_not_waited_for_in_the_worker(entra, endpoints, principal):
    entra.says(429, {"error": "temporarily_unavailable"}, {"Retry-After": "60"})
    with pytest.raises(ThrottledError) as failed:
        principal.token(endpoints, BAP_SCOPE)
    assert (failed.value.retry_after, len(entra.forms)) == (60, 1)
    assert principal.token(endpoints, BAP_SCOPE) == "token-2"


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("body", [b"<html>bad gateway</html>", b"", b'{"error":"server_error"}'])
def test_an_outage_of_entra_is_transient(entra, endpoints, principal, status, body):
    entra.says(status, body=body)
    with pytest.raises(TransientError) as failed:
        principal.token(endpoints, BAP_SCOPE)
    assert type(failed.value) is TransientError
    assert failed.value.status == status


def test_a_token_answer_nobody_can_read_is_transient(entra, endpoints, principal):
    entra.says(200, body=b"<html>login</html>")
    with pytest.raises(TransientError):
        principal.token(endpoints, BAP_SCOPE)


def test_r29_an_entra_that_cannot_be_reached_is_transient(ca_file, principal):
    endpoints = Endpoints.from_mapping({"login": "https://localhost:9", "ca": ca_file})
    with pytest.raises(TransientError) as failed:
        principal.token(endpoints, BAP_SCOPE)
    assert failed.value.code == "LoginUnreachable"


def test_r14_a_401_fetches_a_new_token_once_and_keeps_it(entra, endpoints, principal):
    entra.bap_answers = [Entra._json(401, {})]
    cloud = Cloud(endpoints, principal, "1")
    cloud.bap.tenant()
    cloud.bap.tenant()
    assert entra.bap_tokens == ["Bearer token-1", "Bearer token-2", "Bearer token-2"]


def test_a_claims_challenge_is_met_and_remembered(entra, endpoints, principal):
    claims = '{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}'
    challenge = f'Bearer error="insufficient_claims", claims="{base64.b64encode(claims.encode()).decode()}"'
    entra.bap_answers = [Entra._json(401, {}, {"WWW-Authenticate": challenge})]
    cloud = Cloud(endpoints, principal, "1")
    cloud.bap.tenant()
    cloud.bap.tenant()
    assert entra.bap_tokens == ["Bearer token-1", "Bearer token-2", "Bearer token-2"]
    sent = json.loads(entra.forms[1]["claims"])
    assert sent["access_token"]["nbf"]["value"] == "1604106651"
    assert sent["access_token"]["xms_cc"] == {"values": ["CP1"]}


def test_the_secret_shows_nowhere_even_if_entra_repeats_it(entra, endpoints, principal, caplog):
    caplog.set_level(logging.DEBUG)
    entra.refuses(401, 7000215, text=f"You sent {CANARY}.")
    with pytest.raises(AuthenticationError) as failed:
        principal.token(endpoints, BAP_SCOPE)
    shown = [str(failed.value), repr(failed.value), "".join(traceback.format_exception(failed.value))]
    shown += [repr(principal), str(principal), repr(Cloud(endpoints, principal, "1")), repr(principal.credential)]
    shown += [record.getMessage() for record in caplog.records]
    assert "AADSTS7000215: You sent ***." in shown[0]
    assert CANARY not in "".join(shown)


def test_tokens_of_several_identities_and_services_come_over_one_connection(entra, endpoints, principal):
    entra.keeps_connections = True
    for who in (principal, replace(principal, client_id="8784d9fb-0000-4000-8000-96ce0000fc01")):
        for scope in (BAP_SCOPE, ORG_SCOPE):
            who.token(endpoints, scope)
    assert len(entra.forms) == 4
    assert len(entra.connections) == 1


def test_w14_a_forked_child_starts_with_its_own_credentials(entra, endpoints, principal):
    principal.token(endpoints, BAP_SCOPE)
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write_end, str(len(identity._credentials._by_key)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read_end, 1) == b"0"
    assert identity._credentials._by_key


def test_only_a_known_microsoft_login_is_asked_about_itself(principal, monkeypatch):
    seen = []
    monkeypatch.setattr(identity, "ClientSecretCredential", lambda *args, **options: seen.append(options))
    for endpoints in (Endpoints.public(), Endpoints.from_mapping({"login": "https://localhost:1", "ca": "x.pem"})):
        key = identity._Key(principal, endpoints.login.origin, endpoints.ca, BAP_SCOPE)
        identity._Credentials().of(key, endpoints)
    assert [options["disable_instance_discovery"] for options in seen] == [False, True]
    assert [options["transport"].connection_config.verify for options in seen] == [True, "x.pem"]
    assert {options["retry_total"] for options in seen} == {0}


def test_entra_is_waited_for_no_longer_than_is_left_of_the_call(entra, endpoints, principal, serve, ca_file):
    released = threading.Event()
    silent = serve(lambda _handler: released.wait(30)).origin
    began = time.monotonic()
    try:
        with pytest.raises(TransientError, match="could not be reached"), pool.deadline(0.3):
            principal.token(replace(endpoints, login=Endpoint(silent)), BAP_SCOPE)
    finally:
        released.set()
    assert time.monotonic() - began < 5
    with pytest.raises(TransientError, match="could not be reached"), pool.deadline(0):
        principal.token(endpoints, BAP_SCOPE)
    assert (entra.discoveries, entra.forms) == (0, [])
    assert principal.token(endpoints, BAP_SCOPE) == "token-1"
