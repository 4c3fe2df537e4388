"""Certificates of a service principal, as they are made and as Key Vault may hold them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import NoEncryption, load_pem_private_key, pkcs12

from provisioning_app import services
from provisioning_app.credentials import certificates
from tests.microsoft import World
from tests.rotating import Kind, Purpose, Rotating, Stage, make_rotating

BEGINS, ENDS = datetime(2026, 7, 1, tzinfo=UTC), datetime(2027, 7, 1, tzinfo=UTC)


def test_a_certificate_is_rsa_2048_with_sha_256_for_a_year_and_hides_its_key() -> None:
    made = certificates.make("ELM-Provisioning-ServicePrincipal", BEGINS, ENDS)

    certificate = x509.load_der_x509_certificate(made.der)
    assert certificate.public_key().key_size == 2048
    assert isinstance(certificate.signature_hash_algorithm, SHA256)
    assert (certificate.not_valid_before_utc, certificate.not_valid_after_utc) == (BEGINS, ENDS)
    assert certificate.subject.rfc4514_string() == "CN=ELM-Provisioning-ServicePrincipal"
    assert "PRIVATE" not in repr(made)


def test_the_thumbprint_is_read_from_pem_and_from_pkcs12() -> None:
    made = certificates.make("ELM", BEGINS, ENDS)
    certificate, key = x509.load_der_x509_certificate(made.der), load_pem_private_key(made.pem.encode(), None)
    bundle = pkcs12.serialize_key_and_certificates(b"elm", key, certificate, None, NoEncryption())
    without = pkcs12.serialize_key_and_certificates(b"elm", key, None, None, NoEncryption())

    wanted = certificate.fingerprint(SHA1()).hex().upper()
    assert certificates.thumbprint(made.pem) == wanted
    assert certificates.thumbprint(base64.b64encode(bundle).decode()) == wanted
    for broken in ("not a certificate", "-----BEGIN nothing", base64.b64encode(without).decode()):
        with pytest.raises(ValueError):
            certificates.thumbprint(broken)


@pytest.fixture
def rotating(world: World) -> Rotating:
    return make_rotating(world)


def test_a_vault_whose_secret_entra_does_not_know_is_repaired_and_nothing_is_revoked(rotating):
    kept = rotating.key_ids()
    stored = {"ELM-ServicePrincipal-Secret": "zzz-not-the-applications"}
    rotating.world.simulator.control(
        "POST", "/seed", {"tenants": [{"id": str(rotating.world.tenant_id), "key_vault_secrets": stored}]}
    )

    row = rotating.rotate()

    assert (row.stage, row.old_key_id) == (Stage.COMPLETED, "")
    assert sorted(rotating.key_ids()) == sorted([*kept, row.key_id])


def test_a_certificate_in_the_vault_that_is_none_is_replaced(rotating):
    identity = rotating.identity()
    identity.kind, identity.secret_name = Kind.CERTIFICATE, "ELM-ServicePrincipal-Certificate"
    identity.save()
    first = rotating.rotate()
    broken = {identity.secret_name: "not a certificate"}
    rotating.world.simulator.control(
        "POST", "/seed", {"tenants": [{"id": str(rotating.world.tenant_id), "key_vault_secrets": broken}]}
    )

    second = rotating.rotate()

    assert (first.stage, second.stage, second.old_key_id) == (Stage.COMPLETED, Stage.COMPLETED, "")


def test_a_due_rotation_is_rung_for_and_not_performed_by_the_tick(rotating):
    row = rotating.start(Purpose.DIRECTORY)

    services.wake_rotations()

    row.refresh_from_db()
    assert row.is_live
