"""A real simulator process for the session, and a fresh tenant with its own service principal for each test."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.simulator.cloud import QUICK, Cloud, start_process


def _serve(folder):
    process, ready = start_process(ready=folder / "ready.json")
    cloud = Cloud(ready)
    yield cloud
    cloud.close()
    process.terminate()
    process.communicate(timeout=20)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory):
    """The simulator that tests share, each with tenants of its own."""
    yield from _serve(tmp_path_factory.mktemp("simulator"))


@pytest.fixture(scope="session")
def _second(tmp_path_factory):
    yield from _serve(tmp_path_factory.mktemp("simulator"))


@pytest.fixture
def alone(_second):
    """A simulator for tests that move its clock, change its timing, or meet everybody with a fault."""
    timing = _second.control("GET", "/state")["timing"]
    yield _second
    _second.control("DELETE", "/faults")
    _second.control("POST", "/timing", timing, status=200)
    _second.control("POST", "/clock", {"frozen": False}, status=200)


@pytest.fixture
def tenant(cloud):
    """A tenant with the default delays."""
    return cloud.tenant()


@pytest.fixture
def quick(cloud):
    """A tenant in which nothing takes long."""
    return cloud.tenant(timing=QUICK)


@pytest.fixture
def launch(tmp_path):
    """Start further simulators that end with the test."""
    started = []

    def run(*arguments, environment=None):
        process, ready = start_process(*arguments, ready=tmp_path / f"{uuid4()}.json", environment=environment)
        cloud = Cloud(ready)
        started.append((process, cloud))
        return process, cloud

    yield run
    for process, cloud in started:
        cloud.close()
        process.terminate()
        process.communicate(timeout=10)


@pytest.fixture(scope="session")
def keypair():
    """A private key and a certificate that it has signed itself, both as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "elm")]), datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=365))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private, builder.sign(key, SHA256()).public_bytes(Encoding.PEM)
