"""Keeps the world in a file, so that another start finds the same cloud (`--state FILE`).

Tenants, environments, organizations, credentials and operations are kept; faults, scenarios and the journal belong to
one start. What was running when the simulator ended has come to its end by the next start, as at Microsoft.
"""

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from simulator import directory, environment, operations
from simulator.operations import Operation
from simulator.timing import Timing
from simulator.world import World

_VERSION = 1
_TYPE = "@type"
_LOOK_SECONDS = 0.5
_SHARE = 10  # at most this part of the time goes into writing, however large the world is
_KEPT: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        directory.Application,
        directory.Blob,
        directory.Certificate,
        directory.Container,
        directory.ContainerPolicy,
        directory.EnvironmentGroup,
        directory.FederatedCredential,
        directory.Group,
        directory.Secret,
        directory.SecretVersion,
        directory.Tenant,
        directory.User,
        environment.Environment,
        environment.Organization,
        operations.Operation,
        Timing,
    )
}
_NOT_KEPT = frozenset({"on_end"})  # what an operation does at its end: see `_end`
_ENDS = frozenset({"Create", "Delete", "Recover", "Provision"})


class StateError(ValueError):
    """The file holds no world that this simulator can read."""


@dataclass(frozen=True)
class Kept:
    """What a file says.

    Attributes:
        ports: service → the port on which it answered; clients may remember addresses with it.
    """

    ports: Mapping[str, int]
    now: datetime
    timing: Timing
    tenants: dict[str, directory.Tenant]
    environments: dict[str, environment.Environment]
    operations: dict[str, Operation]


def read(path: Path) -> Kept | None:
    """Return what is kept in the file, None when there is no file yet.

    Raises:
        StateError: it cannot be read; says what to do.
    """
    try:
        document = json.loads(path.read_text(), object_hook=_revived)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StateError(f"{path} holds no world ({error}); delete it to begin with the seed") from error
    if not isinstance(document, dict) or document.pop("version", None) != _VERSION:
        raise StateError(f"{path} was written by another version; delete it to begin with the seed")
    try:
        return Kept(**document)
    except TypeError as error:
        raise StateError(f"{path} is incomplete ({error}); delete it to begin with the seed") from error


def restore(world: World, kept: Kept) -> None:
    """Fill an empty world; its time goes on where it stood, and never runs backwards."""
    if kept.now > world.clock.now():
        world.clock.set(kept.now)
    world.timing = kept.timing
    world.tenants, world.environments = kept.tenants, kept.environments
    for operation in kept.operations.values():
        if not operation.ended and operation.outcome != "Stuck":
            _end(world, operation)
        world.remember(operation)


def write(world: World, path: Path, ports: Mapping[str, int]) -> None:
    """Write the world so that a reader sees all of it or nothing; only its owner may read the secrets in it."""
    document = {
        "version": _VERSION,
        "ports": dict(ports),
        "now": world.clock.now(),
        "timing": world.timing,
        "tenants": world.tenants,
        "environments": world.environments,
        "operations": world.operations,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(document, default=_plain))
    partial.replace(path)


@asynccontextmanager
async def kept_in(path: Path | None, world: World, ports: Mapping[str, int]) -> AsyncIterator[None]:
    """Keep the world in the file while the block runs, and once more at its end; without a file nowhere."""
    if path is None:
        yield
        return
    write(world, path, ports)
    keeper = asyncio.create_task(_keep(world, path, ports))
    try:
        yield
    finally:
        keeper.cancel()
        write(world, path, ports)


async def _keep(world: World, path: Path, ports: Mapping[str, int]) -> None:
    """Write the world soon after each change; a full disk is said, and survived."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        if not world.touched:
            continue
        world.touched, began = False, monotonic()
        try:
            write(world, path, ports)
        except OSError as error:
            world.touched = True
            sys.stderr.write(f"simulator: {path} cannot be written ({error.strerror}); it is tried again\n")
        await asyncio.sleep(_SHARE * (monotonic() - began))


def _end(world: World, operation: Operation) -> None:
    """End what was running: what makes or removes an environment went on, a change to one was lost."""
    now = world.clock.now()
    found = world.environments.get(operation.environment_id.lower())
    operation.ended = operation.last_action = now
    is_system = operation.requested_by.get("id") == operations.SYSTEM["id"]
    if operation.type not in _ENDS and not is_system:
        operation.outcome = "Failed"
    if found is None:
        return
    if operation.outcome == "Succeeded":
        _succeed(operation, found, now)
    elif operation.type == "Create":
        del world.environments[operation.environment_id.lower()]
    elif operation.type == "Delete":
        found.life = "Ready"


def _succeed(operation: Operation, found: environment.Environment, now: datetime) -> None:
    if operation.type in ("Create", "Provision"):
        found.become_ready(now)
    elif operation.type == "Delete":
        found.become_deleted(now)
    elif operation.type == "Recover":
        found.come_back()


def _plain(value: object) -> object:
    """Turn what JSON does not know into what it knows."""
    if isinstance(value, datetime):
        return {_TYPE: "time", "of": value.isoformat()}
    if isinstance(value, set):
        return {_TYPE: "set", "of": sorted(value)}
    if isinstance(value, bytes):
        return {_TYPE: "bytes", "of": base64.b64encode(value).decode()}
    if isinstance(value, x509.Certificate):
        return {_TYPE: "certificate", "of": value.public_bytes(Encoding.PEM).decode()}
    if is_dataclass(value) and type(value).__name__ in _KEPT:
        kept = {item.name: getattr(value, item.name) for item in fields(value) if item.name not in _NOT_KEPT}
        return {_TYPE: type(value).__name__} | kept
    raise TypeError(f"{type(value).__name__} is not kept")


def _revived(document: dict[str, Any]) -> Any:
    """Turn back what `_plain` has made of a value."""
    kind = document.get(_TYPE)
    if kind in _KEPT:
        return _KEPT[kind](**{name: value for name, value in document.items() if name != _TYPE})
    revive = _REVIVED.get(str(kind))
    return revive(document["of"]) if revive else document


_REVIVED: Mapping[str, Any] = {
    "time": datetime.fromisoformat,
    "set": lambda items: {tuple(item) if isinstance(item, list) else item for item in items},
    "bytes": base64.b64decode,
    "certificate": lambda pem: x509.load_pem_x509_certificate(pem.encode()),
}
