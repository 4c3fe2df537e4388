"""Ports, certificates and the servers: one port per service, so that hosts are distinguishable (contract §1.5)."""

import errno
import itertools
import json
import os
import socket
import ssl
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import trustme
from aiohttp import web

from simulator import advisor, arm, bap, blob, control, dataverse, entra, graph, key_vault, power_platform
from simulator.calls import Service
from simulator.front import Front
from simulator.world import Origins, World

_SERVICES: Mapping[str, Service] = {
    "login": entra.SERVICE,
    "bap": bap.SERVICE,
    "bap_regional": bap.SERVICE,
    "power_platform": power_platform.SERVICE,
    "graph": graph.SERVICE,
    "key_vault": key_vault.SERVICE,
    "blob": blob.SERVICE,
    "dataverse": dataverse.SERVICE,
    "control": control.SERVICE,
    "arm": arm.SERVICE,
    "advisor": advisor.SERVICE,
}
_ENDPOINTS = ("login", "bap", "power_platform", "graph", "key_vault", "blob")
_BODY_LIMIT = 64 * 1024 * 1024
_ATTEMPTS = 20


class PortBusyError(Exception):
    """A port that was asked for is taken."""


@dataclass
class Simulator:
    """A world and the sockets on which it will answer."""

    world: World
    host: str
    sockets: dict[str, list[socket.socket]]
    ca: Path
    runners: list[web.AppRunner]

    @classmethod
    def prepare(
        cls, host: str, port: int | None, state_dir: Path, former: Mapping[str, int] | None = None
    ) -> "Simulator":
        """Bind every port: those that were asked for, else the former ones if all are free, else any."""
        if port is not None:
            sockets = _listen_all(host, {name: port + offset for offset, name in enumerate(_SERVICES)})
        else:
            sockets = _listen_again(host, former or {}) or _listen_all(host, dict.fromkeys(_SERVICES))
        origins = {name: f"https://{host}:{items[0].getsockname()[1]}" for name, items in sockets.items()}
        state_dir.mkdir(parents=True, exist_ok=True)
        return cls(World(Origins(**origins)), host, sockets, (state_dir / "ca.pem").resolve(), [])

    @property
    def ports(self) -> dict[str, int]:
        """The port of each service."""
        return {name: int(items[0].getsockname()[1]) for name, items in self.sockets.items()}

    def close(self) -> None:
        for item in itertools.chain(*self.sockets.values()):
            item.close()

    async def start(self) -> None:
        context = self._tls()
        for name, sockets in self.sockets.items():
            origin = str(getattr(self.world.origins, name))
            application = web.Application(client_max_size=_BODY_LIMIT)
            front = Front(self.world, _SERVICES[name], name, origin)
            application.router.add_route("*", "/{path:.*}", front.plain if name == "control" else front.guarded)
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
            await runner.setup()
            self.runners.append(runner)
            for item in sockets:
                await web.SockSite(runner, item, ssl_context=context).start()

    async def stop(self) -> None:
        for runner in self.runners:
            await runner.cleanup()

    def ready_document(self) -> dict[str, Any]:
        """What the ready file says."""
        origins = asdict(self.world.origins)
        return {
            "pid": os.getpid(),
            "ca": str(self.ca),
            "control": origins["control"],
            "arm": origins["arm"],
            "endpoints": {name: origins[name] for name in _ENDPOINTS},
            "trusted_hosts": [origin.removeprefix("https://") for origin in origins.values()],
        }

    def _tls(self) -> ssl.SSLContext:
        authority = trustme.CA(organization_name="Simulator", organization_unit_name="Throw-away CA")
        authority.cert_pem.write_to_path(str(self.ca))
        names = dict.fromkeys((self.host, "localhost", "127.0.0.1", "::1"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(context)
        return context


def write_atomically(path: Path, document: dict[str, Any]) -> None:
    """Write JSON so that a reader sees all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(document, indent=2) + "\n")
    partial.replace(path)


def _listen_again(host: str, former: Mapping[str, int]) -> dict[str, list[socket.socket]] | None:
    """Bind the ports of an earlier start, which clients remember; None when they are not known or not free."""
    if set(former) != set(_SERVICES):
        return None
    try:
        return _listen_all(host, former)
    except PortBusyError as error:
        sys.stderr.write(f"simulator: {error}, so its addresses are other ones than last time\n")
        return None


def _listen_all(host: str, ports: Mapping[str, int | None]) -> dict[str, list[socket.socket]]:
    sockets: dict[str, list[socket.socket]] = {}
    try:
        for name, port in ports.items():
            sockets[name] = _listen(host, port)
    except PortBusyError:
        for item in itertools.chain(*sockets.values()):
            item.close()
        raise
    return sockets


def _listen(host: str, port: int | None) -> list[socket.socket]:
    """Bind all addresses of the host to one port; a free one when none is given."""
    addresses = {item[4][0]: item[0] for item in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    for _ in range(_ATTEMPTS):
        try:
            return _bind(addresses, port or 0)
        except OSError as error:
            if port is not None or error.errno != errno.EADDRINUSE:
                reason = "is already in use" if error.errno == errno.EADDRINUSE else str(error)
                raise PortBusyError(f"port {port} on {host} {reason}") from error
    raise PortBusyError(f"no free port on {host}")


def _bind(addresses: Mapping[Any, int], port: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        for address, family in addresses.items():
            listener = _listener(family, address, port)
            if listener:
                sockets.append(listener)
                port = listener.getsockname()[1]
    except OSError:
        for item in sockets:
            item.close()
        raise
    if not sockets:
        raise OSError(errno.EADDRNOTAVAIL, "no address of the host is available")
    return sockets


def _listener(family: int, address: str, port: int) -> socket.socket | None:
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return None  # no such address family on this machine
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRNOTAVAIL:
            return None
        raise
    return listener
