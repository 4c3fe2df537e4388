"""What the selfcheck works at: a simulator of its own with one tenant, and Microsoft's SDKs pointed at it."""

import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import trustme
from azure.identity import ClientSecretCredential
from azure.keyvault.secrets import SecretClient
from azure.storage.blob import BlobClient, BlobServiceClient

WORKER = {"issuer": "https://cluster.example", "subject": "system:serviceaccount:elm:worker"}
_ROOT = Path(__file__).resolve().parents[1]
_START_SECONDS = 60


@dataclass
class Desk:
    """A running simulator with one tenant, and what an SDK needs to work with it."""

    ready: dict[str, Any]
    http: httpx.Client
    folder: Path
    opened: ExitStack
    tenant: str = field(default_factory=lambda: str(uuid4()))
    client_id: str = field(default_factory=lambda: str(uuid4()))
    secret: str = field(default_factory=lambda: f"secret-{uuid4()}")

    def __post_init__(self) -> None:
        authority = trustme.CA()
        leaf = authority.issue_cert("elm.example", key_type=trustme.KeyType.RSA)
        self.certificate = leaf.private_key_pem.bytes() + leaf.cert_chain_pems[0].bytes()
        application = {
            "client_id": self.client_id,
            "secret": self.secret,
            "certificate_pem": leaf.cert_chain_pems[0].bytes().decode(),
            "federated_credentials": [WORKER],
        }
        self.control("POST", "/seed", {"tenants": [{"id": self.tenant, "applications": [application]}]})

    def control(self, method: str, path: str, body: object = None) -> httpx.Response:
        return self.http.request(method, self.ready["control"] + path, json=body).raise_for_status()

    def credential(self, secret: str = "") -> ClientSecretCredential:
        made = ClientSecretCredential(self.tenant, self.client_id, secret or self.secret, **self.azure)
        return self.opened.enter_context(made)

    @property
    def azure(self) -> dict[str, Any]:
        """What every credential must be told about an authority that is not Microsoft's."""
        authority = self.ready["endpoints"]["login"]
        return {"authority": authority, "disable_instance_discovery": True, "connection_verify": self.ready["ca"]}

    def vault(self) -> SecretClient:
        made = SecretClient(
            self.ready["endpoints"]["key_vault"],
            self.credential(),
            verify_challenge_resource=False,
            connection_verify=self.ready["ca"],
        )
        return self.opened.enter_context(made)

    def blob(self, name: str) -> BlobClient:
        made = BlobServiceClient(self.ready["endpoints"]["blob"], self.credential(), connection_verify=self.ready["ca"])
        return self.opened.enter_context(made).get_blob_client("evidence", name)


@contextmanager
def set_up() -> Iterator[Desk]:
    """Start a simulator on free ports as a process of its own, and end it."""
    with tempfile.TemporaryDirectory(prefix="selfcheck-") as folder, ExitStack() as opened:
        ready = Path(folder) / "ready.json"
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "simulator", "--ready-file", str(ready)],
            cwd=_ROOT,
            env=os.environ | {"SIMULATOR_DIE_WITH_PARENT": "1"},
            stdout=subprocess.DEVNULL,
        )
        opened.callback(process.wait, 20)
        opened.callback(process.terminate)
        document = _when_ready(ready, process)
        context = ssl.create_default_context(cafile=document["ca"])
        http = opened.enter_context(httpx.Client(verify=context, timeout=30))
        yield Desk(document, http, Path(folder), opened)


def _when_ready(ready: Path, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    end = time.monotonic() + _START_SECONDS
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit("simulator: it did not start")
        time.sleep(0.02)
    return dict(json.loads(ready.read_text()))
