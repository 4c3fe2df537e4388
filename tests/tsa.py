"""A time-stamp authority (RFC 3161) over real HTTP, with a certificate authority of its own; it can be told to lie."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from core_app import clock

SHA256 = "2.16.840.1.101.3.4.2.1"
ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2"
SIGNED_DATA, TST_INFO = "1.2.840.113549.1.7.2", "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"
POLICY = "1.3.6.1.4.1.99999.1"


def tlv(tag: int, *parts: bytes) -> bytes:
    """Return parts as one value in DER."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def sequence(*parts: bytes) -> bytes:
    return tlv(0x30, *parts)


def set_of(*parts: bytes) -> bytes:
    return tlv(0x31, *sorted(parts))


def octets(content: bytes) -> bytes:
    return tlv(0x04, content)


def integer(number: int) -> bytes:
    return tlv(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    content = bytes([40 * first + second])
    for arc in rest:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.insert(0, 0x80 | arc & 0x7F)
        content += bytes(groups)
    return tlv(0x06, content)


def parts_of(value: bytes) -> list[bytes]:
    """Return the values within a constructed value, each whole."""

    def bounds(at: int) -> tuple[int, int]:
        size, begin = value[at + 1], at + 2
        if size & 0x80:
            begin += size & 0x7F
            size = int.from_bytes(value[at + 2 : begin], "big")
        return begin, begin + size

    at, end = bounds(0)
    found = []
    while at < end:
        after = bounds(at)[1]
        found.append(value[at:after])
        at = after
    return found


class Authority:
    """Its keys and certificates, and what it answers.

    Attributes:
        now: Its clock.
        answer: Makes the answer to a request; replaced by tests in which it lies.
        asked: How often it was asked.
    """

    def __init__(self, folder: Path) -> None:
        self.now: Callable[[], datetime] = clock.now
        self.answer: Callable[[bytes], bytes] = self.stamp
        self.content_type, self.asked, self.address = "application/timestamp-reply", 0, ""
        root_key, self.key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = _certificate("Test root", root_key.public_key(), "Test root", root_key, is_authority=True)
        self.certificate = _certificate("Test TSA", self.key.public_key(), "Test root", root_key, is_authority=False)
        self.certificates = folder / "tsa.pem"
        self.certificates.write_bytes(root.public_bytes(Encoding.PEM))

    def stamp(self, request: bytes, *, imprint: bytes = b"", nonce: bytes = b"") -> bytes:
        """Answer a request with a token, over another imprint or with another nonce where one is given."""
        _version, asked, *rest = parts_of(request)
        echoed = nonce or next((part for part in rest if part[0] == 0x02), b"")
        when = tlv(0x18, f"{self.now():%Y%m%d%H%M%SZ}".encode())
        info = sequence(integer(1), oid(POLICY), imprint or asked, integer(self.asked + 1), when, echoed)
        return sequence(sequence(integer(0)), self._signed(info))

    def refuse(self, request: bytes) -> bytes:
        """Answer that it does not stamp this."""
        return sequence(sequence(integer(2)))

    def _signed(self, info: bytes) -> bytes:
        algorithm = sequence(oid(SHA256))
        encoded = self.certificate.public_bytes(Encoding.DER)
        chosen = sequence(sequence(sequence(octets(hashlib.sha256(encoded).digest()))))
        attributes = [
            sequence(oid(CONTENT_TYPE), set_of(oid(TST_INFO))),
            sequence(oid(MESSAGE_DIGEST), set_of(octets(hashlib.sha256(info).digest()))),
            sequence(oid(SIGNING_CERTIFICATE_V2), set_of(chosen)),
        ]
        signed = set_of(*attributes)
        signature = self.key.sign(signed, ec.ECDSA(hashes.SHA256()))
        issuer = sequence(self.certificate.issuer.public_bytes(), integer(self.certificate.serial_number))
        signer = sequence(
            integer(1), issuer, algorithm, b"\xa0" + signed[1:], sequence(oid(ECDSA_WITH_SHA256)), octets(signature)
        )
        content = sequence(oid(TST_INFO), tlv(0xA0, octets(info)))
        data = sequence(integer(3), set_of(algorithm), content, tlv(0xA0, encoded), set_of(signer))
        return sequence(oid(SIGNED_DATA), tlv(0xA0, data))


@contextmanager
def serving(authority: Authority) -> Iterator[Authority]:
    """Let an authority answer on a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version: ClassVar[str] = "HTTP/1.1"

        def do_POST(self) -> None:
            authority.asked += 1
            answer = authority.answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", authority.content_type)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        authority.address = f"http://127.0.0.1:{server.server_port}/"
        yield authority
        server.shutdown()
        thread.join(5)


def _certificate(
    name: str,
    key: ec.EllipticCurvePublicKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool,
) -> x509.Certificate:
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=20 * 365))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    return (builder if is_authority else builder.add_extension(usage, critical=True)).sign(issuer_key, hashes.SHA256())
