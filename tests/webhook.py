"""A Teams workflow on this machine: a real HTTPS server that receives cards and answers as it is told to."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import trustme

from accounts_app.roles import Role
from accounts_app.services import confirm_settings, propose_settings
from tests.factories import make_user
from tests.microsoft import World

SECRET_NAME = "ELM-Teams-Workflow"
SIGNATURE = "TuRnItIn-0123456789-abcdefghijklmnop"


class Workflow:
    """What it received, and what it answers.

    Attributes:
        cards: The bodies of all requests.
        answers: (status, headers) of the next answers; then 202, as Power Automate answers.
        address: Where it listens, with the signature that lets one post.
    """

    def __init__(self) -> None:
        self.cards: list[dict[str, Any]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.address = ""

    @property
    def contents(self) -> list[dict[str, Any]]:
        """Return the cards themselves."""
        return [card["attachments"][0]["content"] for card in self.cards]


@contextmanager
def serving(folder: Path) -> Iterator[tuple[Workflow, Path]]:
    """Let a workflow answer; yields it and the PEM file with the authority that vouches for it."""
    workflow, authority = Workflow(), trustme.CA()

    class Handler(BaseHTTPRequestHandler):
        protocol_version: ClassVar[str] = "HTTP/1.1"

        def do_POST(self) -> None:
            workflow.cards.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            status, headers = workflow.answers.pop(0) if workflow.answers else (202, {})
            self.send_response(status)
            for name, value in {"Content-Length": "0", "Connection": "close", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    certificates = folder / "workflow-ca.pem"
    authority.cert_pem.write_to_path(str(certificates))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        path = "/workflows/3f2a/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun"
        workflow.address = f"https://localhost:{server.server_port}{path}&sv=1.0&sig={SIGNATURE}"
        yield workflow, certificates
        server.shutdown()
        thread.join(5)


def join(world: World, address: str, certificates: Path, settings: Any) -> None:
    """Let a tenant have a Teams channel: its secret in the vault, its name in the settings, its authority trusted."""
    put_secret(world, address)
    lead = world.people.governance_lead
    values = {**world.people.tenant.current_settings.values, "teams_webhook_secret": SECRET_NAME}
    proposal = propose_settings(world.people.tenant.pk, by=lead, values=values)
    confirm_settings(proposal.pk, by=make_user(Role.GOVERNANCE_LEAD, world.people.tenant))
    ready = json.loads(Path(settings.CLOUD_ENDPOINTS_FILE).read_text())
    both = certificates.with_name("both.pem")
    both.write_text(Path(ready["ca"]).read_text() + certificates.read_text())
    endpoints = certificates.with_name("endpoints.json")
    endpoints.write_text(json.dumps({**ready, "ca": str(both)}))
    settings.CLOUD_ENDPOINTS_FILE = str(endpoints)
    settings.TEAMS_WEBHOOK_HOSTS = ["localhost"]


def put_secret(world: World, address: str) -> None:
    """Put another address into the tenant's Key Vault."""
    document = {"id": str(world.tenant_id), "key_vault_secrets": {SECRET_NAME: address}}
    world.simulator.control("POST", "/seed", {"tenants": [document]})
