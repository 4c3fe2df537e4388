"""Makes self-signed certificates for a service principal: RSA-2048, SHA-256 (seed, Creation Process)."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from cryptography.x509.oid import NameOID
from django.utils.translation import gettext_noop as noop

from core_app.redaction import never_show

_BITS = 2048
_PUBLIC_EXPONENT = 65537


@dataclass(frozen=True, slots=True)
class MadeCertificate:
    """A fresh certificate.

    Attributes:
        der: the public half, for Entra.
        pem: certificate and private key, for Key Vault and nothing else.
    """

    der: bytes = field(repr=False)
    pem: str = field(repr=False)

    def __post_init__(self) -> None:
        never_show(self.pem)


def make(common_name: str, begins: datetime, ends: datetime) -> MadeCertificate:
    """Make a key and a certificate that it has signed itself."""
    key = rsa.generate_private_key(_PUBLIC_EXPONENT, _BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return MadeCertificate(
        der=certificate.public_bytes(Encoding.DER),
        pem=(certificate.public_bytes(Encoding.PEM) + private).decode(),
    )


def thumbprint(stored: str) -> str:
    """Return the SHA-1 thumbprint by which Entra names a certificate, in upper case hexadecimal.

    Args:
        stored: What Key Vault holds: PEM text, or base64 of PKCS#12.

    Raises:
        ValueError: it is no certificate.
    """
    digest = hashlib.new("sha1", _read(stored).public_bytes(Encoding.DER), usedforsecurity=False)
    return digest.hexdigest().upper()


def _read(stored: str) -> x509.Certificate:
    if stored.lstrip().startswith("-----BEGIN"):
        return x509.load_pem_x509_certificate(stored.encode())
    bundle = pkcs12.load_pkcs12(base64.b64decode(stored, validate=True), None)
    if bundle.cert is None:
        raise ValueError(noop("The bundle holds no certificate."))
    return bundle.cert.certificate
