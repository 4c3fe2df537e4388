"""`python -m simulator --selfcheck`: drives a simulator of its own with Microsoft's SDKs, unmodified (contract §19.5).

The SDKs of Key Vault and Blob storage are development dependencies; nothing else imports this module.
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import jwt
import trustme
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ResourceExistsError
from azure.identity import CertificateCredential, WorkloadIdentityCredential
from azure.storage.blob import ImmutabilityPolicy

from simulator.selfcheck_desk import WORKER, Desk, set_up

_BAP = "https://service.powerapps.com/.default"
_GRAPH = "https://graph.microsoft.com/.default"
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.")


class CheckFailedError(Exception):
    """An SDK saw something else than it should."""


def a_secret_buys_tokens(desk: Desk) -> None:
    """azure-identity: a secret buys one token per audience and keeps it"""
    credential = desk.credential()
    first, again = credential.get_token(_BAP).token, credential.get_token(_BAP).token
    _expect(first == again, "the second call came with another token")
    _expect(first != credential.get_token(_GRAPH).token, "two audiences share a token")


def a_wrong_secret_is_refused(desk: Desk) -> None:
    """azure-identity: a wrong secret is refused with AADSTS7000215"""
    with _refused(ClientAuthenticationError, "AADSTS7000215"):
        desk.credential("wrong").get_token(_BAP)


def a_certificate_buys_a_token(desk: Desk) -> None:
    """azure-identity: a certificate signs in, another one is refused with AADSTS700027"""
    other = trustme.CA().issue_cert("elm.example", key_type=trustme.KeyType.RSA)

    def token(certificate: bytes) -> str:
        made = CertificateCredential(desk.tenant, desk.client_id, certificate_data=certificate, **desk.azure)
        return desk.opened.enter_context(made).get_token(_BAP).token

    _expect(bool(token(desk.certificate)), "no token")
    with _refused(ClientAuthenticationError, "AADSTS700027"):
        token(other.private_key_pem.bytes() + other.cert_chain_pems[0].bytes())


def a_workload_buys_a_token(desk: Desk) -> None:
    """azure-identity: a workload's federated token signs in, somebody else's is refused with AADSTS700213"""

    def token(subject: str) -> str:
        claims = {"iss": WORKER["issuer"], "sub": subject, "aud": "api://AzureADTokenExchange"}
        file = desk.folder / "federated-token"
        file.write_text(jwt.encode(claims, "k" * 32, "HS256"))
        made = WorkloadIdentityCredential(
            tenant_id=desk.tenant, client_id=desk.client_id, token_file_path=str(file), **desk.azure
        )
        return desk.opened.enter_context(made).get_token(_BAP).token

    _expect(bool(token(WORKER["subject"])), "no token")
    with _refused(ClientAuthenticationError, "AADSTS700213"):
        token("somebody else")


def throttling_is_waited_out(desk: Desk) -> None:
    """azure-identity: a throttled token endpoint is asked again after Retry-After"""
    rule = {"host": "login", "method": "POST", "tenant": desk.tenant, "throttle": "seconds", "retry_after": 0}
    desk.control("POST", "/faults", rule)
    _expect(bool(desk.credential().get_token(_BAP).token), "no token")
    [found] = desk.control("GET", "/faults").json()["faults"]
    _expect(found.get("hits") == 1, "the fault was not met")
    desk.control("DELETE", "/faults")


def secrets_are_kept_by_version(desk: Desk) -> None:
    """azure-keyvault-secrets: set, get by challenge, versions, expiry date, disabled"""
    vault, until = desk.vault(), datetime.now(UTC).replace(microsecond=0) + timedelta(days=90)
    first = vault.set_secret("elm", desk.secret + "-1", expires_on=until, tags={"keyId": "1"})
    vault.set_secret("elm", desk.secret + "-2")
    _expect(vault.get_secret("elm").value == desk.secret + "-2", "the current version is not the last one")
    old = vault.get_secret("elm", first.properties.version)
    _expect((old.value, old.properties.expires_on) == (desk.secret + "-1", until), "the old version has changed")
    _expect(len(list(vault.list_properties_of_secret_versions("elm"))) == 2, "two versions are not listed")
    vault.update_secret_properties("elm", first.properties.version, enabled=False)
    with _refused(HttpResponseError, "disabled"):
        vault.get_secret("elm", first.properties.version)


def deleted_secrets_come_back(desk: Desk) -> None:
    """azure-keyvault-secrets: a deleted name stays taken until it is recovered"""
    vault = desk.vault()
    vault.begin_delete_secret("elm").wait()
    with _refused(ResourceExistsError, "deleted but recoverable"):
        vault.set_secret("elm", "x")
    vault.begin_recover_deleted_secret("elm").wait()
    _expect(vault.get_secret("elm").value == desk.secret + "-2", "the recovered secret has another value")


def a_claims_challenge_is_met(desk: Desk) -> None:
    """azure-keyvault-secrets: a claims challenge is answered with a new token"""
    vault = desk.vault()
    vault.get_secret("elm")
    desk.control("POST", "/faults", {"host": "key_vault", "tenant": desk.tenant, "cae": True, "count": 0})
    _expect(vault.get_secret("elm").value == desk.secret + "-2", "no value")
    [found] = desk.control("GET", "/faults").json()["faults"]
    _expect(found.get("hits", 0) > 0, "the challenge was not met")
    desk.control("DELETE", "/faults")


def evidence_is_immutable(desk: Desk) -> None:
    """azure-storage-blob: written once with a policy, read back, neither overwritten nor deleted"""
    evidence, until = desk.blob("runs/1.json"), datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    policy = ImmutabilityPolicy(expiry_time=until, policy_mode="Unlocked")
    evidence.upload_blob(b"{}", immutability_policy=policy)
    found = evidence.get_blob_properties().immutability_policy
    _expect((found.expiry_time, found.policy_mode) == (until, "unlocked"), "the policy is not read back")
    _expect(evidence.download_blob().readall() == b"{}", "the content has changed")
    with _refused(ResourceExistsError, "BlobAlreadyExists"):
        evidence.upload_blob(b"[]")
    with _refused(ResourceExistsError, "BlobImmutableDueToPolicy"):
        evidence.upload_blob(b"[]", overwrite=True)
    with _refused(ResourceExistsError, "BlobImmutableDueToPolicy"):
        evidence.delete_blob()


def a_legal_hold_holds(desk: Desk) -> None:
    """azure-storage-blob: a legal hold outlives the policy and ends when it is released"""
    evidence = desk.blob("runs/1.json")
    evidence.set_legal_hold(True)
    evidence.delete_immutability_policy()
    _expect(evidence.get_blob_properties().has_legal_hold is True, "the hold is not read back")
    with _refused(ResourceExistsError, "BlobImmutableDueToLegalHold"):
        evidence.delete_blob()
    evidence.set_legal_hold(False)
    evidence.delete_blob()
    _expect(not evidence.exists(), "the blob is still there")


def the_journal_shows_no_secret(desk: Desk) -> None:
    """journal: every call is there, no secret and no token"""
    journal = desk.control("GET", "/journal").text
    hosts = {entry["host"] for entry in json.loads(journal)["entries"]}
    _expect(hosts == {"login", "key_vault", "blob"}, f"it knows calls to {', '.join(sorted(hosts))}")
    _expect(desk.secret not in journal, "it shows a secret")
    _expect(_TOKEN.search(journal) is None, "it shows a token")


CHECKS: tuple[Callable[[Desk], None], ...] = (
    a_secret_buys_tokens,
    a_wrong_secret_is_refused,
    a_certificate_buys_a_token,
    a_workload_buys_a_token,
    throttling_is_waited_out,
    secrets_are_kept_by_version,
    deleted_secrets_come_back,
    a_claims_challenge_is_met,
    evidence_is_immutable,
    a_legal_hold_holds,
    the_journal_shows_no_secret,
)


def run() -> int:
    """Do every check against one simulator, a line each; return 0 when all went well, else 1."""
    with _quiet(), set_up() as desk:
        failures = sum([not _is_well(check, desk) for check in CHECKS])
    sys.stdout.write(f"{len(CHECKS) - failures} of {len(CHECKS)} checks OK\n")
    return 1 if failures else 0


def _is_well(check: Callable[[Desk], None], desk: Desk) -> bool:
    try:
        check(desk)
    except Exception as error:  # noqa: BLE001 - whatever an SDK raises is what this check has found
        reason = str(error).partition("\n")[0]
        sys.stdout.write(f"FAILED  {check.__doc__} ({type(error).__name__}: {reason})\n")
        return False
    sys.stdout.write(f"OK      {check.__doc__}\n")
    return True


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the SDKs from logging the refusals that checks ask for."""
    logger = logging.getLogger("azure")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _expect(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise CheckFailedError(otherwise)


@contextmanager
def _refused(kind: type[AzureError], words: str) -> Iterator[None]:
    """Demand that the block fails with this error, saying these words."""
    try:
        yield
    except kind as error:
        _expect(words in str(error), f"it was refused, but not with {words}: {error}")
    else:
        raise CheckFailedError(f"it was not refused with {words}")
