"""The connection pool and the deadline, on real sockets."""

import os
import threading

import httpcore
import httpx
import pytest

from microsoft_cloud import Cloud, Endpoints, pool
from microsoft_cloud.errors import TransientError


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class FakeSocket(httpcore.NetworkStream):
    """Answers one byte per read, ten seconds each."""

    def __init__(self, clock):
        self.clock, self.timeouts, self.closed = clock, [], False

    def read(self, max_bytes, timeout=None):
        self.timeouts.append(timeout)
        self.clock.now += 10
        return b"x"

    def write(self, buffer, timeout=None):
        self.timeouts.append(timeout)

    def start_tls(self, ssl_context, server_hostname=None, timeout=None):
        self.timeouts.append(timeout)
        return self

    def close(self):
        self.closed = True

    def get_extra_info(self, info):
        return info


def test_r28_every_socket_operation_gets_only_what_is_left_of_the_call(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(pool, "monotonic", clock)
    socket = FakeSocket(clock)
    stream = pool.DeadlineStream(socket)
    with pool.deadline(25):
        stream.start_tls(None, "host", 5).write(b"request", 5)
        for _ in range(3):
            stream.read(100, 15)
        with pytest.raises(httpcore.ReadTimeout):
            stream.read(100, 15)
        with pytest.raises(httpcore.WriteTimeout):
            stream.write(b"more")
    assert socket.timeouts == [5, 5, 15, 15, 5]
    stream.read(1, 7)
    assert socket.timeouts[-1] == 7
    assert stream.get_extra_info("ssl_object") == "ssl_object"
    stream.close()
    assert socket.closed


def test_r28_a_deadline_inside_another_cannot_be_longer(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(pool, "monotonic", clock)
    with pool.deadline(10):
        with pool.deadline(5):
            clock.now = 5
            with pytest.raises(httpx.ReadTimeout):
                pool.require_time_left()
        pool.require_time_left()
        with pool.deadline(100):
            clock.now = 10
            with pytest.raises(httpx.ReadTimeout):
                pool.require_time_left()
    pool.require_time_left()


def test_r28_headers_that_trickle_run_into_the_total_deadline(serve, ca_file, tokens, monkeypatch):
    over = threading.Event()

    def trickle(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(200):
            if over.wait(0.02):
                return
            handler.wfile.write(b"x")

    monkeypatch.setattr("microsoft_cloud.http.CALL_SECONDS", 0.3)
    server = serve(trickle)
    endpoints = Endpoints.from_mapping({"bap": server.origin, "ca": ca_file})
    try:
        with pytest.raises(TransientError) as failed:
            Cloud(endpoints, tokens, "1").bap_session.write("POST", "/x")
    finally:
        over.set()
    assert (failed.value.code, failed.value.maybe_executed) == ("ReadTimeout", True)


def test_a_real_call_works_and_the_client_is_shared(serve, ca_file, tokens):
    cookies = []

    def answer(handler):
        cookies.append(handler.headers["Cookie"])
        body = b'{"tenantId":"1"}'
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("Set-Cookie", "session=of-the-first-tenant")
        handler.end_headers()
        handler.wfile.write(body)

    server = serve(answer)
    endpoints = Endpoints.from_mapping({"bap": server.origin, "ca": ca_file})
    assert Cloud(endpoints, tokens, "1").bap.tenant().tenant_id == "1"
    assert Cloud(endpoints, tokens, "2").bap.tenant().tenant_id == "1"
    assert cookies == [None, None]
    assert pool.client_for(ca_file) is pool.client_for(ca_file)
    assert pool.client_for(ca_file) is not pool.client_for(None)


def test_w14_a_forked_child_does_not_use_the_parents_sockets():
    parents = id(pool.client_for(None))
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write_end, b"1" if not pool._clients and id(pool.client_for(None)) else b"0")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read_end, 1) == b"1"
    assert id(pool.client_for(None)) == parents


def test_proxies_of_the_environment_obey_the_deadline_too(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    client = pool._new_client(None)
    backends = [t._pool._network_backend for t in (client._transport, *client._mounts.values()) if t]
    assert len(backends) == 2
    assert all(isinstance(backend, pool.DeadlineBackend) for backend in backends)


def test_the_client_never_follows_redirects_and_limits_connections():
    client = pool.client_for(None)
    assert client.follow_redirects is False
    assert client.timeout == httpx.Timeout(pool.READ_SECONDS, connect=pool.CONNECT_SECONDS)
