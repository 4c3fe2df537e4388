"""One pool of connections per process and certificate authority, whose every socket operation obeys a deadline.

httpx only limits single operations: a server that sends one byte every ten seconds would hold a worker for ever. So
the network layer itself asks how much of the call's time is left, which also covers handshakes and headers.
"""

from __future__ import annotations

import atexit
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpcore
import httpx

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
_LIMITS = httpx.Limits(max_connections=50, max_keepalive_connections=20, keepalive_expiry=60.0)

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)
monotonic: Callable[[], float] = time.monotonic


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Let the block's calls take this long in total, and never longer than a block around it allows."""
    outer, ends_at = _ends_at.get(), monotonic() + seconds
    token = _ends_at.set(ends_at if outer is None else min(outer, ends_at))
    try:
        yield
    finally:
        _ends_at.reset(token)


def require_time_left() -> None:
    """Raise ``httpx.ReadTimeout`` when the time is over, for loops that do not touch a socket."""
    _seconds_left(None, httpx.ReadTimeout)


def time_left() -> float | None:
    """Return the seconds that are left of the call, zero or less when its time is over; None: it has no deadline."""
    ends_at = _ends_at.get()
    return None if ends_at is None else ends_at - monotonic()


def has_time_for(seconds: float) -> bool:
    """Say whether more than this is left of the call."""
    left = time_left()
    return left is None or left > seconds


def _seconds_left(timeout: float | None, error: type[Exception]) -> float | None:
    """Return the shorter of an operation's own time-out and what is left of the call."""
    left = time_left()
    if left is None:
        return timeout
    if left <= 0:
        raise error("The call took longer than it may in total.")
    return left if timeout is None else min(left, timeout)


class DeadlineStream(httpcore.NetworkStream):
    """A socket that gives up when the call's time is over."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there."""
        return self._stream.read(max_bytes, _seconds_left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write everything."""
        self._stream.write(buffer, _seconds_left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        """Close the socket."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Shake hands."""
        left = _seconds_left(timeout, httpcore.ConnectTimeout)
        return DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore wants to know about the socket."""
        return self._stream.get_extra_info(info)


class DeadlineBackend(httpcore.SyncBackend):
    """Opens sockets that obey the deadline."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect."""
        left = _seconds_left(timeout, httpcore.ConnectTimeout)
        return DeadlineStream(super().connect_tcp(host, port, left, local_address, socket_options))


_clients: dict[str | None, httpx.Client] = {}
_lock = threading.Lock()


def client_for(ca: str | None) -> httpx.Client:
    """Return this process's client that trusts the certificate authorities in this PEM file, or the public ones."""
    with _lock:
        if ca not in _clients:
            _clients[ca] = _new_client(ca)
        return _clients[ca]


def _new_client(ca: str | None) -> httpx.Client:
    client = httpx.Client(
        verify=ssl.create_default_context(cafile=ca) if ca else True,
        timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        limits=_LIMITS,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # tenants share the client, never a session
    )
    # httpx has no public way to hand over a network backend; a test proves that the deadline holds on a real socket.
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            transport._pool._network_backend = DeadlineBackend()
    return client


def _start_afresh() -> None:
    """After a fork: the parent's sockets are not ours, and its lock may have been held."""
    global _clients, _lock
    _clients, _lock = {}, threading.Lock()


def _close_all() -> None:
    for client in _clients.values():
        client.close()


os.register_at_fork(after_in_child=_start_afresh)
atexit.register(_close_all)
