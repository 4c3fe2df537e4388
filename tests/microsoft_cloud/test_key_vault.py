"""Secrets in Key Vault."""

import traceback
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from microsoft_cloud import Endpoints
from microsoft_cloud.errors import AuthenticationError, ConflictError, NotFoundError, PermanentError, UntrustedUrlError

VAULT = "https://kv-elm.vault.azure.net"
CANARY = "canary-v4lue"
BUNDLE = {
    "value": CANARY,
    "id": f"{VAULT}/secrets/elm-sp-secret/0123456789abcdef0123456789abcdef",
    "attributes": {"enabled": True, "exp": 1798761600},
    "tags": {"keyId": "k1"},
}


@pytest.fixture
def vault(cloud):
    return cloud.key_vault(f"{VAULT}/")


def test_the_current_secret_is_read_and_hides_its_value(microsoft, vault, tokens):
    microsoft.says(200, BUNDLE)
    secret = vault.get_secret("elm-sp-secret")
    assert (secret.value, secret.version) == (CANARY, "0123456789abcdef0123456789abcdef")
    assert (secret.expires_on, secret.tags) == (datetime(2027, 1, 1, tzinfo=UTC), {"keyId": "k1"})
    assert CANARY not in repr(secret)
    assert microsoft.lines == [f"GET {VAULT}/secrets/elm-sp-secret?api-version=7.4"]
    assert tokens.scopes == ["https://vault.azure.net/.default"]


def test_a_version_can_be_named(microsoft, vault):
    microsoft.says(200, {"value": "x"})
    secret = vault.get_secret("elm-sp-secret", "abc")
    assert microsoft.lines == [f"GET {VAULT}/secrets/elm-sp-secret/abc?api-version=7.4"]
    assert (secret.version, secret.expires_on, secret.tags) == ("", None, {})


def test_a_secret_is_set_with_its_end_date(microsoft, vault):
    microsoft.says(200, BUNDLE)
    vault.set_secret("elm-sp-secret", CANARY, expires_on=datetime(2027, 1, 1, tzinfo=UTC), tags={"keyId": "k1"})
    assert microsoft.lines == [f"PUT {VAULT}/secrets/elm-sp-secret?api-version=7.4"]
    assert microsoft.sent["attributes"] == {"enabled": True, "exp": 1798761600}
    assert (microsoft.sent["value"], microsoft.sent["tags"]) == (CANARY, {"keyId": "k1"})
    vault.set_secret("elm-sp-secret", CANARY)
    assert microsoft.sent["attributes"] == {"enabled": True}


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (403, {"code": "Forbidden", "message": CANARY}, AuthenticationError),
        (403, {"code": "Forbidden", "message": CANARY, "innererror": {"code": "SecretDisabled"}}, PermanentError),
        (404, {"code": "SecretNotFound", "message": CANARY}, NotFoundError),
        (409, {"code": "Conflict", "innererror": {"code": "ObjectIsDeletedButRecoverable"}}, ConflictError),
        (400, {"code": "BadParameter", "message": CANARY}, PermanentError),
    ],
)
def test_r16_a_refusal_fails_closed_and_never_quotes_the_vault(microsoft, vault, status, error, expected):
    microsoft.says(status, {"error": error})
    with pytest.raises(expected) as failed:
        vault.set_secret("elm-sp-secret", CANARY)
    assert type(failed.value) is expected
    assert CANARY not in str(failed.value)
    assert CANARY not in "".join(traceback.format_exception(failed.value)).replace(f'"{CANARY}"', "")


@pytest.mark.parametrize("name", ["", "a/b", "a b", "../x"])
def test_odd_names_are_never_sent(microsoft, vault, name):
    with pytest.raises(PermanentError):
        vault.get_secret(name)
    assert microsoft.requests == []


def test_the_vault_may_come_from_the_endpoints_and_must_be_a_vault(cloud):
    configured = replace(cloud, endpoints=Endpoints.from_mapping({"key_vault": VAULT}))
    assert configured.key_vault()
    for url in ("https://kv.evil.example", "https://z3.crm4.dynamics.com", ""):
        with pytest.raises(UntrustedUrlError):
            cloud.key_vault(url)
