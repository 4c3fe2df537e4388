"""The web application as a process of its own, and people who look at it without end."""

from __future__ import annotations

import hashlib
import html
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.test import Client
from gunicorn.app.base import BaseApplication

from accounts_app.models import User
from core_app.outage import Outage
from requests_app.models import EnvironmentRequest
from tests.faults.clusters import eventually
from tests.faults.processes import forked
from tests.lanes import servers
from tests.microsoft import World
from tests.requests_app.payloads import payload_of
from tests.screens import client_of, dialog_of

TOKEN = "a-token-of-the-intake-agent"
_TAKEN = (200, 201)
_LIST = "/admin/requests_app/environmentrequest/"


def browser(user: User) -> Client:
    """Return a browser in which the person is signed in, and which shows what went wrong as a browser does."""
    return client_of(user, raise_request_exception=False)


def in_words(page: Any, outage: Outage, *kept: str) -> bool:
    """Say whether a page tells of the trouble in words and keeps what the person typed."""
    text = html.unescape(page.content.decode())
    return all(words in text for words in (outage.value, *kept)) and "Traceback" not in text


def approve(person: Client, request: EnvironmentRequest, comment: str, **headers: str) -> Any:
    """Confirm the dialog that approves a request."""
    said = {"_form_submitted": "on", "content_hash": request.content_hash, "comment": comment}
    answer = person.post(dialog_of(request, "approve"), said, headers=headers)
    connection.close_if_unusable_or_obsolete()  # as after every request, only that a test's browser does not do it
    return answer


class Web:
    """A web process, and what it answered to a reader and to a program that delivers payloads."""

    def __init__(self, world: World, url: str) -> None:
        self.world, self.url = world, url
        self.read: Counter[int] = Counter()
        self.delivered: Counter[int] = Counter()
        self.payloads: list[dict[str, Any]] = []
        self.stopping = threading.Event()

    def reader(self, cookie: str) -> None:
        """Look at the list of requests without end."""
        with httpx.Client(base_url=self.url, cookies={"sessionid": cookie}, timeout=10) as client:
            while not self.stopping.is_set():
                self.read[client.get(_LIST).status_code] += 1

    def deliverer(self) -> None:
        """Deliver one payload after the other, each again until it is taken."""
        with httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10) as client:
            while not self.stopping.is_set():
                name = f"FIN-P{uuid4().hex[:12]}-DEV"
                payload = payload_of(self.world.people, environment__name=name)
                self.payloads.append(payload)
                status = 0
                while status not in _TAKEN and not self.stopping.is_set():
                    time.sleep(0.3)  # an agent may deliver 120 payloads a minute
                    status = client.post("/api/intake", json=payload).status_code
                    self.delivered[status] += 1


class _Server(BaseApplication):
    """Gunicorn, with the application that is already there."""

    def __init__(self, address: str) -> None:
        self.options = {"bind": address, "worker_class": "gthread", "threads": 4, "loglevel": "critical"}
        super().__init__()

    def load_config(self) -> None:
        """Serve as the Procfile does."""
        for name, value in {**self.options, "control_socket_disable": True}.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Return the application."""
        return get_wsgi_application()


@contextmanager
def web(world: World, settings: Any, folder: Path) -> Iterator[Web]:
    """Serve the web application as in production, with a reader and a deliverer (``settings``: the fixture)."""
    session = client_of(world.people.requester).cookies["sessionid"].value
    tokens, address = folder / "tokens.json", f"127.0.0.1:{servers.free_port()}"
    fingerprint = hashlib.sha256(TOKEN.encode()).hexdigest()
    tokens.write_text(json.dumps({fingerprint: {"name": "agent", "tenant": str(world.people.tenant.pk)}}))
    settings.API_TOKENS_FILE = str(tokens)
    process = forked(_serve, address)
    running = Web(world, f"http://{address}")
    threads = [
        threading.Thread(target=running.reader, args=(session,)),
        threading.Thread(target=running.deliverer),
    ]
    try:
        eventually(lambda: _answers(running.url), "an answer of the web application")
        for thread in threads:
            thread.start()
        yield running
    finally:
        running.stopping.set()
        for thread in threads:
            if thread.ident:
                thread.join(30)
        process.terminate()
        process.join(30)


def _serve(address: str) -> None:
    _Server(address).run()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/admin/login/").status_code == 200
    except httpx.TransportError:
        return False
