"""The simulator without sockets: calls of our clients and of azure-identity go straight to the door it guards.

The clients, the sign-in and the simulator are the real ones; only the wire between them is missing, and with it the
operating system's scheduling, so that a run repeats itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter

from microsoft_cloud import Service, identity, pool
from simulator import app
from simulator.front import Front
from simulator.world import Origins, World

SERVICES = {name: service for name, service in app._SERVICES.items() if name != "control"}
ORIGINS = Origins(**{name: f"https://{name.replace('_', '-')}.simulation.example" for name in (*SERVICES, "control")})


@dataclass(frozen=True)
class Answer:
    """What came back; None in place of an Answer means that the connection was cut."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Line:
    """The transport of a request; a fault can cut it."""

    def __init__(self) -> None:
        self.is_cut = False

    def abort(self) -> None:
        self.is_cut = True


class _Request:
    """What the simulator's door reads of a request."""

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        parts = urlsplit(url)
        self.method, self.body = method, body
        self.raw_path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.headers = requests.structures.CaseInsensitiveDict(headers)
        self.transport = _Line()

    async def read(self) -> bytes:
        return self.body


class Wire:
    """Carries calls to one simulated cloud."""

    def __init__(self, world: World) -> None:
        self.calls = 0
        self.before: Callable[[str, str], None] = lambda _method, _url: None
        self.after: Callable[[str, str], None] = lambda _method, _url: None
        self._fronts = {
            urlsplit(str(getattr(world.origins, name))).netloc: Front(
                world, service, name, str(getattr(world.origins, name))
            )
            for name, service in SERVICES.items()
        }

    def carry(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer | None:
        """Bring a call to the simulator and its answer back, None when the connection was cut."""
        self.calls += 1
        self.before(method, url)
        request = _Request(method, url, headers, body)
        response = _finished(self._fronts[urlsplit(url).netloc].guarded(request))  # type: ignore[arg-type]
        self.after(method, url)
        if request.transport.is_cut:
            return None
        return Answer(response.status, dict(response.headers), response.body or b"")


def _finished(coroutine: Any) -> Any:
    """Run a coroutine that never really waits."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration as end:
        return end.value


@contextmanager
def connected(wire: Wire, folder: Path) -> Iterator[Path]:
    """Let our clients and azure-identity use the wire; yields the file with the endpoints."""
    ca = folder / "no-certificate-needed.pem"
    table = {
        name: origin for name, origin in asdict(ORIGINS).items() if name in app._ENDPOINTS and name in set(Service)
    }
    hosts = [urlsplit(origin).netloc for origin in asdict(ORIGINS).values()]
    file = folder / "endpoints.json"
    file.write_text(json.dumps(table | {"trusted_hosts": hosts, "ca": str(ca)}))
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        client = stack.enter_context(httpx.Client(transport=_Transport(wire)))
        patch.setitem(pool._clients, str(ca), client)
        patch.setattr(identity, "_credentials", identity._Credentials())
        patch.setattr(HTTPAdapter, "send", _sender(wire))
        yield file


class _Transport(httpx.BaseTransport):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._wire.carry(request.method, str(request.url), request.headers, request.read())
        if answer is None:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)
        stream = httpx.ByteStream(answer.body)
        return httpx.Response(answer.status, headers=dict(answer.headers), stream=stream, request=request)


def _sender(wire: Wire) -> Callable[..., requests.Response]:
    """Return what replaces the sockets of requests, which azure-identity uses."""

    def send(adapter: HTTPAdapter, request: requests.PreparedRequest, **_options: Any) -> requests.Response:
        body = request.body or b""
        content = body.encode() if isinstance(body, str) else bytes(body)
        answer = wire.carry(str(request.method), str(request.url), request.headers, content)
        if answer is None:
            raise requests.ConnectionError("Connection aborted.", request=request)
        raw = urllib3.HTTPResponse(
            BytesIO(answer.body), headers=dict(answer.headers), status=answer.status, preload_content=False
        )
        return adapter.build_response(request, raw)

    return send
