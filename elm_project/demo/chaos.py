"""Chaos in the demo: faults at the simulator, a worker that is killed again and again, and proof of what survived."""

from __future__ import annotations

import json
import ssl
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx
from django.db.models import Sum
from rich.console import Console
from rich.text import Text

from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from core_app.errors import DomainError
from elm_project.demo import people
from elm_project.demo.processes import Supervisor
from provisioning_app.models import ProvisioningRun
from provisioning_app.steps.outcome import tag_of
from requests_app.choices import State
from requests_app.models import EnvironmentRequest

# A dead worker's runs are free again after this; no call to the simulator takes as long
VARIABLES: Final = {"ELM_RUN_LEASE_SECONDS": "15"}
# How long a creation whose answer is missing is looked for before it is asked for again: the least that is allowed
SHORTENED: Final = {**people.SHORTENED, "propagation_seconds": 120}
STORY_SECONDS: Final = 600.0
_LIFE_SECONDS: Final = 3.0  # how long a worker lives once it has taken a run
_TIMEOUT_SECONDS: Final = 10.0
_WRITE: Final = {"method": "PATCH", "host": "dataverse"}
_CREATION: Final = {"method": "POST", "host": "bap*", "path": r"/environments(\?|$)"}
_MANAGED: Final = {"method": "POST", "host": "bap*", "path": "governanceConfiguration"}
_LIST: Final = {"method": "GET", "host": "bap*", "path": r"/scopes/admin/environments\?"}
_BUSY: Final = {"status": 409, "body": {"error": {"code": "OperationNotStartable", "message": "Another one runs."}}}

# What a rule is named for and what it does; each hits a few calls, so that every request can end well
FAULTS: Final[tuple[dict[str, Any], ...]] = (
    {"name": "throttled", "host": "bap*", "throttle": "seconds", "retry_after": 1, "nth": 4, "count": 3},
    {"name": "throttled", **_CREATION, "throttle": "http-date", "retry_after": 1, "nth": 1, "count": 1},
    {"name": "throttled", "host": "dataverse", "throttle": "absent", "nth": 6, "count": 1},
    {"name": "lost response", **_CREATION, "drop_after": True, "nth": 2, "count": 2},
    {"name": "lost response", **_WRITE, "drop_after": True, "nth": 1, "count": 1},
    {"name": "lost response", "method": "POST", "path": "addEnvironment", "drop_after": True, "nth": 2, "count": 1},
    {"name": "lost request", **_LIST, "drop_before": True, "nth": 5, "count": 1},
    {"name": "busy conflict", **_MANAGED, **_BUSY, "nth": 1, "count": 2},
    {"name": "busy conflict", **_MANAGED, "status": 409, "nth": 4, "count": 1},
    {"name": "gateway error", "method": "GET", "host": "bap*", "html_502": True, "nth": 12, "count": 1},
    {"name": "truncated answer", **_LIST, "truncated_json": True, "nth": 7, "count": 1},
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was injected and what became of it.

    Attributes:
        injected: Calls hit by each kind of fault, as the simulator counted them.
        workers_killed: How often the worker's whole process group was killed.
        adopted: Environments found again whose creation had not been answered.
        environments: How many environments each request has at Microsoft, by request number and tenant.
        left_over: Display names of environments that belong to none of the requests.
    """

    injected: Mapping[str, int]
    workers_killed: int
    adopted: int
    environments: Mapping[str, int]
    left_over: Sequence[str]

    @property
    def problems(self) -> list[str]:
        """Return what chaos has broken, one sentence each."""
        found = [
            f"{request} has {count} environments at Microsoft, not exactly one."
            for request, count in self.environments.items()
            if count != 1
        ]
        found += [f"The environment {name} belongs to no request." for name in self.left_over]
        if not self.workers_killed:
            found.append("No worker was killed, so nothing is shown about that.")
        return found + ([] if self.injected.get("lost response") else ["No response was lost."])

    def as_json(self) -> dict[str, Any]:
        """Return the ``chaos`` part of the demo's JSON document."""
        return {
            "injected": dict(self.injected),
            "workers_killed": self.workers_killed,
            "adopted": self.adopted,
            "environments": sum(self.environments.values()),
            "exactly_one_each": all(count == 1 for count in self.environments.values()),
            "left_over": list(self.left_over),
        }

    def show(self, console: Console) -> None:
        """Print what was injected and survived."""
        faults = ", ".join(f"{count} x {kind}" for kind, count in self.injected.items()) or "nothing"
        lines = (
            f"Injected: {faults}; {self.workers_killed} x worker killed.",
            f"Survived: {sum(self.environments.values())} environments for {len(self.environments)} requests, "
            f"{self.adopted} of them adopted after a lost response, {len(self.left_over)} left over.",
        )
        console.print(Text("\nChaos", style="bold"))
        for line in lines:
            console.print(Text(f"  {line}"), soft_wrap=True)


def begin(supervisor: Supervisor, ready_file: Path, request_ids: Sequence[UUID]) -> Chaos:
    """Begin to make trouble for requests that nobody has provisioned yet.

    Raises:
        DomainError: they have been provisioned in an earlier demo, so there is nothing to disturb.
    """
    early = (State.DRAFT, State.SUBMITTED, State.PENDING_APPROVAL, State.APPROVED)
    if EnvironmentRequest.objects.filter(pk__in=request_ids).exclude(state__in=early).exists():
        raise DomainError(
            "The sample requests here have already been provisioned, so there is nothing left to disturb. "
            "Leave out --dir and DATABASE_URL: then chaos gets a new folder."
        )
    return Chaos(supervisor, json.loads(ready_file.read_text()))


class Chaos:
    """Makes trouble while a demo runs."""

    def __init__(self, supervisor: Supervisor, ready: Mapping[str, Any]) -> None:
        """Inject the faults into the simulator that wrote this ready document."""
        self._supervisor = supervisor
        self._control = httpx.Client(
            base_url=str(ready["control"]),
            verify=ssl.create_default_context(cafile=str(ready["ca"])),
            timeout=_TIMEOUT_SECONDS,
            trust_env=False,
        )
        self._killed = self._seen = 0
        self._working_since: float | None = None
        self._call("POST", "/faults", list(FAULTS))

    def strike(self) -> bool:
        """Kill the worker once it has worked a little while; say whether it was killed now.

        It must have taken up a run since the last time: a worker that cannot even start would show nothing.
        """
        claims = ProvisioningRun.objects.aggregate(claims=Sum("lease_token"))["claims"] or 0
        now = time.monotonic()
        if claims > self._seen and self._working_since is None:
            self._working_since = now
        if self._working_since is None or now - self._working_since < _LIFE_SECONDS:
            return False
        self._supervisor.kill("worker")
        self._killed, self._seen, self._working_since = self._killed + 1, claims, None
        return True

    def end(self, request_ids: Sequence[UUID]) -> Outcome:
        """Stop, and compare the requests with what the simulator really has."""
        try:
            return self._outcome(request_ids)
        finally:
            self._control.close()

    def _outcome(self, request_ids: Sequence[UUID]) -> Outcome:
        hits: Counter[str] = Counter()
        for rule in self._call("GET", "/faults")["faults"]:
            hits[rule["name"]] += rule.get("hits", 0)
        remote = [item for item in self._call("GET", "/state")["environments"] if not item["is_default"]]
        requests = EnvironmentRequest.objects.select_related("tenant").filter(pk__in=request_ids)
        owned = {
            f"{request.tenant} {request}": [item for item in remote if tag_of(request.pk) in item["description"]]
            for request in requests
        }
        known = {item["id"] for items in owned.values() for item in items}
        return Outcome(
            injected={kind: count for kind, count in hits.items() if count},
            workers_killed=self._killed,
            adopted=ProvisioningLog.objects.filter(action=Action.ENVIRONMENT_ADOPTED).count(),
            environments={request: len(items) for request, items in owned.items()},
            left_over=[str(item["display_name"]) for item in remote if item["id"] not in known],
        )

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._control.request(method, path, json=body).raise_for_status()
        return answer.json() if answer.content else None
