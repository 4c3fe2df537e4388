"""What goes wrong in a simulation: one named kind each, drawn by the seed."""

from __future__ import annotations

from random import Random
from typing import Any, Final

_CREATION: Final = {"method": "POST", "host": "bap*", "path": r"/environments(\?|$)"}
_MANAGED: Final = {"method": "POST", "host": "bap*", "path": "governanceConfiguration"}
_JOIN: Final = {"method": "POST", "path": "addEnvironment"}
_SETTINGS: Final = {"method": "PATCH", "host": "dataverse"}
_READ: Final = {"method": "GET", "host": "bap*"}
_BUSY: Final = {"status": 409, "body": {"error": {"code": "OperationNotStartable", "message": "Another one runs."}}}

# Each of them hits a few calls of one tenant from the moment it is injected
CALL_FAULTS: Final[dict[str, dict[str, Any]]] = {
    "creation: response lost": {**_CREATION, "drop_after": True},
    "creation: request lost": {**_CREATION, "drop_before": True},
    "creation: error after it was executed": {**_CREATION, "status": 503, "after": True},
    "creation: no address to poll": {**_CREATION, "remove_headers": ["Location", "Operation-Location"]},
    "creation: throttled": {**_CREATION, "throttle": "seconds", "retry_after": 20},
    "creation: fails at Microsoft": {**_CREATION, "operation": "Failed"},
    "creation: never ends": {**_CREATION, "operation": "Stuck"},
    "creation: refused": {**_CREATION, "status": 400, "body": {"error": {"code": "InvalidRequestContent"}}},
    "creation: address on a foreign host": {**_CREATION, "hostile_location": True},
    "managed: busy": {**_MANAGED, **_BUSY},
    "managed: empty conflict": {**_MANAGED, "status": 409},
    "managed: response lost": {**_MANAGED, "drop_after": True},
    "managed: operation fails": {**_MANAGED, "operation": "Failed"},
    "group: response lost": {**_JOIN, "drop_after": True},
    "group: busy": {**_JOIN, **_BUSY},
    "settings: response lost": {**_SETTINGS, "drop_after": True},
    "settings: error after it was executed": {**_SETTINGS, "status": 500, "after": True},
    "settings: refused": {**_SETTINGS, "status": 403, "body": {"error": {"code": "0x80040220", "message": "No."}}},
    "read: gateway page": {**_READ, "html_502": True},
    "read: truncated": {**_READ, "truncated_json": True},
    "read: connection lost": {**_READ, "drop_before": True},
    "read: throttled by date": {**_READ, "throttle": "http-date", "retry_after": 30},
    "read: throttled without a hint": {**_READ, "throttle": "absent"},
    "read: throttled for long": {**_READ, "throttle": "seconds", "retry_after": 200},
    "read: claims challenge": {**_READ, "cae": True},
    "vault: unavailable": {"host": "key_vault", "status": 503},
    "directory: unavailable": {"host": "graph", "status": 503},
    "sign-in: unavailable": {"host": "login", "status": 503},
    "sign-in: credential refused": {"host": "login", "aadsts": 7000215},
}
# These hit the platform's memory, the people around it, or us
OUTAGE: Final = "worker: none for hours"
WORLD_FAULTS: Final = (
    "worker: killed before a call",
    "worker: killed after a call",
    OUTAGE,
    "portal: environment deleted",
    "portal: security group deleted",
    "portal: data policies deleted",
)
KINDS: Final = (*CALL_FAULTS, *WORLD_FAULTS)


def rule(kind: str, rng: Random) -> dict[str, Any]:
    """Return the simulator's rule for a kind of fault: which call from now is hit first, and how many."""
    rare = {"creation: never ends", "sign-in: credential refused"}
    count = 1 if kind in rare else rng.choice((1, 1, 2, 3, 5))
    return {"name": kind, "nth": rng.choice((1, 1, 2, 4)), "count": count, **CALL_FAULTS[kind]}
