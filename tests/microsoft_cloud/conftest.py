"""A Microsoft that answers from a script, and a real TLS server for what only a socket can prove."""

from __future__ import annotations

import json as json_format
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import stamina
import trustme

from microsoft_cloud import Cloud, Endpoints

ORG = "https://claims.crm4.dynamics.com"
CORRELATION_ID = "0a0a0a0a-0000-4000-8000-000000000001"


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Retries happen, pauses do not."""
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


class Microsoft:
    """Gives the scripted answers in order (the last one again and again) and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[httpx.Response | Exception] = []
        self.requests: list[httpx.Request] = []

    def says(
        self, status: int = 200, json: Any = None, *, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Microsoft:
        content = body if body is not None else b"" if json is None else json_format.dumps(json).encode()
        self.answers.append(httpx.Response(status, headers=headers, stream=httpx.ByteStream(content)))
        return self

    def fails(self, error: Exception) -> Microsoft:
        self.answers.append(error)
        return self

    def streams(self, chunks: Callable[[], Iterator[bytes]], headers: dict[str, str] | None = None) -> Microsoft:
        class Stream(httpx.SyncByteStream):
            def __iter__(self) -> Iterator[bytes]:
                return chunks()

        self.answers.append(httpx.Response(200, headers=headers, stream=Stream()))
        return self

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def last(self) -> httpx.Request:
        return self.requests[-1]

    @property
    def sent(self) -> Any:
        """The JSON of the last request."""
        return json_format.loads(self.last.content)

    @property
    def lines(self) -> list[str]:
        return [f"{request.method} {request.url}" for request in self.requests]


class Tokens:
    """Hands out recognisable tokens and remembers for which scope."""

    def __init__(self) -> None:
        self.scopes: list[str] = []
        self.claims: list[str | None] = []

    def token(self, endpoints: Endpoints, scope: str) -> str:
        self.scopes.append(scope)
        return f"token-for-{scope}"

    def renewed_token(self, endpoints: Endpoints, scope: str, claims: str | None = None) -> str:
        self.claims.append(claims)
        return f"renewed-for-{scope}"


@pytest.fixture
def microsoft() -> Microsoft:
    return Microsoft()


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture
def cloud(microsoft: Microsoft, tokens: Tokens) -> Cloud:
    client = httpx.Client(transport=httpx.MockTransport(microsoft))
    return Cloud(Endpoints.public(), tokens, CORRELATION_ID, client=client)


@pytest.fixture
def dataverse(cloud: Cloud) -> Any:
    return cloud.dataverse(f"{ORG}/")


class TlsServer:
    """A local HTTPS server; ``handle(request handler)`` writes the answer."""

    def __init__(self, ca: trustme.CA, handle: Callable[[BaseHTTPRequestHandler], None]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                handle(self)

            do_POST = do_GET  # noqa: N815 - the standard library's name

            def log_message(self, *args: Any) -> None:
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("localhost").configure_cert(context)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.origin = f"https://localhost:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @contextmanager
    def running(self) -> Iterator[TlsServer]:
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Any) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def serve(authority: trustme.CA) -> Iterator[Callable[[Callable[[BaseHTTPRequestHandler], None]], TlsServer]]:
    running = []

    def start(handle: Callable[[BaseHTTPRequestHandler], None]) -> TlsServer:
        context = TlsServer(authority, handle).running()
        running.append(context)
        return context.__enter__()

    yield start
    for context in running:
        context.__exit__(None, None, None)
