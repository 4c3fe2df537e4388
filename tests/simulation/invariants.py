"""What is asserted while a simulation runs, when it has ended, and from the journal of the platform."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from provisioning_app.choices import LIVE_STATUSES
from provisioning_app.models import Gap, ProvisioningRun
from requests_app.choices import TERMINAL_STATES, State
from requests_app.models import EnvironmentRequest
from simulator.clock import parse_time
from tests.faults.invariants import check_anchored, check_log, check_nothing_is_overdue, check_tenant
from tests.simulation.world import BEGIN, DAY, World

# How many invariants a look checks: four over everything, then nine of each tenant
OF_EVERYBODY, OF_EACH_TENANT = 4, 9
CONCURRENT, PER_MINUTE, PER_DAY = 5, 10, 50  # the seed's Concurrent Limits
_CREATION = re.compile(r"/environments\?")
_CORRELATION = "x-correlation-id"


class Observer:
    """Watches a world, every few simulated days.

    Attributes:
        looks: How often it has looked.
        checks: How many times an invariant was checked, of one tenant or of all.
    """

    def __init__(self, every: timedelta = DAY * 5) -> None:
        self.looks = self.checks = 0
        self._every, self._due = every, BEGIN
        self._ended: dict[UUID, int] = {}
        self._tokens: dict[UUID, int] = {}

    def __call__(self, world: World) -> None:
        """Look, when it is time."""
        if world.clock.at >= self._due:
            self._due = world.clock.at + self._every
            self.look(world)

    def look(self, world: World) -> None:
        """Check every invariant now."""
        self.looks += 1
        self._nothing_terminal_changed()
        self._tokens_only_grew()
        if world.works:
            check_nothing_is_overdue()
        check_anchored(*(tenant.people.tenant.pk for tenant in world.tenants))
        check_log()
        for tenant in world.tenants:
            check_tenant(tenant)
        self.checks += OF_EVERYBODY + OF_EACH_TENANT * len(world.tenants)

    def _nothing_terminal_changed(self) -> None:
        now = dict(EnvironmentRequest.objects.filter(state__in=TERMINAL_STATES).values_list("pk", "state"))
        assert self._ended.items() <= now.items(), "I12: something terminal changed"
        self._ended = now

    def _tokens_only_grew(self) -> None:
        now = dict(ProvisioningRun.objects.values_list("pk", "lease_token"))
        assert all(now[pk] >= token for pk, token in self._tokens.items()), "I9: a lease token went back"
        self._tokens = now


def check_end(world: World) -> None:
    """Assert that calm brought everything to its end, with exactly one environment for each completed request."""
    assert not world.under_way(), f"not ended: {[f'{r.tenant} {r} {r.get_state_display()}' for r in world.under_way()]}"
    assert not ProvisioningRun.objects.filter(status__in=LIVE_STATUSES).exists()
    assert not Gap.objects.filter(closed_at__isnull=True).exists(), "a gap stayed open"
    here = {item.id for item in world.microsoft.environments.values() if item.life == "Ready"}
    completed = EnvironmentRequest.objects.filter(state=State.COMPLETED).values_list("environment_id", flat=True)
    missing = set(completed) - here - world.trouble.deleted
    assert not missing, f"completed without an environment at Microsoft: {missing}"


class JournalLimits:
    """Reads flows and creations from the simulator's journal; our rows say only which correlation ids are runs."""

    def __init__(self) -> None:
        self.starts: dict[str, list[datetime]] = defaultdict(list)
        self.calls = 0
        self._since = 0
        self._flows: dict[str, _Flow] = {}

    def __call__(self, world: World) -> None:
        """Take the new calls over, now and then: the journal keeps only so many."""
        if world.microsoft.journal.last - self._since >= 5000:
            self._take_over(world)

    def _take_over(self, world: World) -> None:
        journal = world.microsoft.journal
        for entry in journal.find({"since": str(self._since)})["entries"]:
            if correlation := entry["request_headers"].get(_CORRELATION):
                flow = self._flows.setdefault(correlation, _Flow(entry["tenant"], entry["seq"], entry["seq"]))
                flow.last = entry["seq"]
            if _is_creation(entry):
                self.starts[entry["tenant"]].append(parse_time(entry["time"]))
        self.calls, self._since = journal.last, journal.last
        journal.clear()

    def figures(self, world: World) -> dict[str, Any]:
        """Return the most that ever happened at once in any tenant, and in how many creations."""
        self._take_over(world)
        created = Counter(item.tenant_id for item in world.microsoft.operations.values() if item.type == "Create")
        seen = {tenant: len(starts) for tenant, starts in self.starts.items()}
        assert created == seen, "the journal lacks a creation"
        days = (Counter(at.date() for at in starts) for starts in self.starts.values())
        minute = timedelta(seconds=60)
        return {
            "calls": self.calls,
            "creations": created.total(),
            "most flows at once": max((_most_at_once(flows) for flows in self._flows_by_tenant().values()), default=0),
            "most starts in 60 s": max((_most_within(starts, minute) for starts in self.starts.values()), default=0),
            "most in a UTC day": max((max(day.values()) for day in days), default=0),
        }

    def _flows_by_tenant(self) -> dict[str, list[_Flow]]:
        found: dict[str, list[_Flow]] = defaultdict(list)
        for run_id in ProvisioningRun.objects.values_list("pk", flat=True):
            if flow := self._flows.get(str(run_id)):
                found[flow.tenant].append(flow)
        return found


@dataclass(slots=True)
class _Flow:
    """A run as the platform saw it.

    Attributes:
        tenant: Whose it is.
        first: The number of its first call in the journal.
        last: That of its last one.
    """

    tenant: str
    first: int
    last: int


def _is_creation(entry: dict[str, Any]) -> bool:
    """Say whether a call created an environment, whatever its caller got to see."""
    is_asked = entry["method"] == "POST" and entry["host"].startswith("bap") and _CREATION.search(entry["url"])
    return bool(is_asked and entry["processed"] and not 400 <= entry["status"] < 500)


def _most_at_once(flows: list[_Flow]) -> int:
    """Return how many flows overlapped; one that waits between two calls, as for a poll, is under way all the same."""
    changes = sorted([(flow.first, 0, 1) for flow in flows] + [(flow.last, 1, -1) for flow in flows])
    running = most = 0
    for _, _, change in changes:
        running += change
        most = max(most, running)
    return most


def _most_within(moments: list[datetime], window: timedelta) -> int:
    ordered = sorted(moments)
    most = first = 0
    for last, moment in enumerate(ordered):
        while moment - ordered[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return most
