"""A portfolio over months in seconds: tenants, people and requests by a seed, through the real verbs.

Every doorbell is lost here, so that the rows alone carry the work; time, ids and the platform's
randomness come from the seed, so that a seed repeats itself down to the last hash of the log.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from math import ceil
from random import Random
from typing import Any
from uuid import UUID

from django.db.models import Min
from django.db.models.functions import Coalesce

from accounts_app.models import Tenant, User
from accounts_app.roles import Role
from audit_app.models import ChainHead
from core_app.clock import ManualClock
from gates_app.levels import Outcome
from provisioning_app import reconcile, services, watch
from provisioning_app.choices import RunStatus
from provisioning_app.models import Gap, ProvisioningRun
from requests_app.choices import TERMINAL_STATES, State
from requests_app.models import EnvironmentRequest
from requests_app.services import sweeps
from simulator.world import World as Microsoft
from tests.factories import make_user, unit_of
from tests.microsoft import World as TenantWorld
from tests.microsoft import WorldMaker
from tests.simulation.cloud import Wire
from tests.simulation.faults import KINDS, OUTAGE
from tests.simulation.people import Staff
from tests.simulation.trouble import Trouble

BEGIN = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# A platform that warms up quickly: what it is like when it does not has tests of its own
_TIMING = {
    "create_polls": None,
    "operation_polls": 1,
    "system_polls": 1,
    "metadata_reads": 1,
    "management_reads": 1,
    "token_denials": 0,
    "dataverse_denials": 0,
    "token_lifetime": 10 * 86_400,
}
_LONGEST_CALM = timedelta(days=10)
_MOST_ATTEMPTS_AT_ONE_MOMENT = 200
_NEVER = datetime.max.replace(tzinfo=UTC)


class Killed(BaseException):
    """The worker was killed at this very call."""


class World:
    """One seeded history. Make it with ``history``."""

    def __init__(self, seed: int, wire: Wire, microsoft: Microsoft, clock: ManualClock) -> None:
        self.seed, self.wire, self.microsoft, self.clock = seed, wire, microsoft, clock
        self.rng = Random(f"{seed}-events")
        self.tenants: list[TenantWorld] = []
        self._tenant_of: dict[UUID, TenantWorld] = {}
        self.requesters: dict[UUID, list[User]] = {}
        self.refused: Counter[str] = Counter()
        self.observers: list[Callable[[World], None]] = []
        self._agenda: list[tuple[datetime, int, Callable[[], None]]] = []
        self._numbers = count()
        self.nobody_works_until = clock.at
        self.kill_in = 0
        self.pending_kill = ""
        self.is_calm = False
        # What may have to be done now: something changed, an objection window ended, a queue has to be looked at again
        self._is_dirty, self._policy_at, self._dispatch_at = True, _NEVER, _NEVER
        self.weights: list[int] = []
        self.staff, self.trouble = Staff(self), Trouble(self)
        wire.before = lambda *_call: self._maybe_killed("before")
        wire.after = lambda *_call: self._maybe_killed("after")

    # Setting up

    def add_tenant(self, maker: WorldMaker, **tenant_settings: Any) -> None:
        """Add a tenant with its people; how long its environments take is drawn."""
        seconds = self.rng.choice((5, 50, 200))
        made = maker(timing={**_TIMING, "create_seconds": seconds}, **tenant_settings)
        tenant, approver = made.people.tenant, made.people.approver
        units = [unit_of(tenant, name) for name in ("Cards", "Treasury")]
        others = [make_user(Role.REQUESTER, unit, manager=approver) for unit in units]
        for user in others:
            document = {"id": str(user.entra_object_id), "upn": user.upn, "display_name": user.display_name}
            maker.simulator.control("POST", "/seed", {"tenants": [{"id": str(made.tenant_id), "users": [document]}]})
        self.tenants.append(made)
        self._tenant_of[tenant.pk] = made
        self.requesters[tenant.pk] = [made.people.requester, *others]

    def expect(self, number: int, days: float, *, faults: int = 0, kinds: tuple[str, ...] = KINDS) -> None:
        """Put so many requests, and faults of these kinds, on the agenda of the coming days."""
        for _ in range(number):
            self.at(self.clock.at + DAY * self.rng.uniform(0, days), self.staff.arrival)
        drawn = [kinds[(13 * self.seed + index) % len(kinds)] for index in range(faults)]  # a few seeds meet every kind
        # However many requests there are, workers are mostly there: one outage in four days
        for kind in sorted(set(drawn)):
            times = min(drawn.count(kind), ceil(days / 4) if kind == OUTAGE else faults)
            for _ in range(times):
                self.at(self.clock.at + DAY * self.rng.uniform(0, days), self.trouble.fault(kind))
        self._expect_sweeps(days)

    def rush(self, number: int, *, faults: int, kinds: tuple[str, ...]) -> None:
        """Let everybody ask within two hours, half of them in the first tenants, so that every limit is met."""
        self.weights = [4 if index < max(1, len(self.tenants) // 5) else 1 for index, _ in enumerate(self.tenants)]
        self.is_calm = True  # every decision is taken by the next sweep
        for _ in range(number):
            self.at(self.clock.at + HOUR * self.rng.uniform(0, 2), self.staff.arrival)
        for _ in range(faults):
            self.at(self.clock.at + HOUR * self.rng.uniform(0, 30), self.trouble.fault(self.rng.choice(kinds)))
        self._expect_sweeps(2)

    def _expect_sweeps(self, days: float) -> None:
        """Sweep every few hours: how often changes when something is found, not what."""
        for hour in range(0, int(days * 24), 6):
            self.at(self.clock.at + HOUR * hour, self._sweep)
            if hour % 96 == 0:
                self.at(self.clock.at + HOUR * hour, reconcile.reconcile_all)

    def later(self, wait: timedelta, act: Callable[[], None]) -> None:
        """Put something on the agenda, so long from now."""
        self.at(self.clock.at + wait, act)

    def at(self, moment: datetime, act: Callable[[], None]) -> None:
        """Put something on the agenda."""
        heapq.heappush(self._agenda, (moment, next(self._numbers), act))

    # Time

    def run(self) -> None:
        """Live through the agenda, then let calm return until nothing is under way any more."""
        self._live_until(lambda: not self._agenda)
        self.trouble.calm_down()
        end = self.clock.at + _LONGEST_CALM
        while (self.under_way() or self._has_gaps()) and self.clock.at < end:
            self._expect_sweeps(1)
            self._live_until(lambda: not self._agenda)

    @property
    def simulated_days(self) -> int:
        """Return how many days have passed."""
        return (self.clock.at - BEGIN).days

    @property
    def works(self) -> bool:
        """Say whether there is a worker now."""
        return self.clock.at >= self.nobody_works_until

    def under_way(self) -> list[EnvironmentRequest]:
        """Return the requests that were handed in and have not ended."""
        return list(EnvironmentRequest.objects.exclude(state__in=TERMINAL_STATES | {State.DRAFT}))

    def _has_gaps(self) -> bool:
        return Gap.objects.filter(closed_at__isnull=True).exists()

    def fingerprint(self) -> str:
        """Return a hash over every chain of the log: equal histories have equal ones."""
        heads = ChainHead.objects.order_by("chain").values_list("chain", "sequence", "entry_hash")
        return sha256(repr(list(heads)).encode()).hexdigest()

    def _live_until(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            self._go_to(min(self._agenda[0][0], self._wake_up() or _NEVER))
            while self._agenda and self._agenda[0][0] <= self.clock.at:
                self._survive(heapq.heappop(self._agenda)[2])
                self._is_dirty = True
            self._survive(self._work)
            for observe in self.observers:
                observe(self)

    def _go_to(self, moment: datetime) -> None:
        self.clock.at = max(self.clock.at, moment)
        self.microsoft.clock.set(self.clock.at)

    def _wake_up(self) -> datetime | None:
        """Return when a run, a policy or a queue wants a worker next."""
        live = ProvisioningRun.objects.filter(status=RunStatus.RUNNING)
        due = live.aggregate(at=Min(Coalesce("lease_until", "next_at")))["at"]
        wanted = min(due or _NEVER, self._policy_at, self._dispatch_at)
        if self._is_dirty and not self.works:
            wanted = self.nobody_works_until
        soonest = max(self.clock.at + timedelta(seconds=1), self.nobody_works_until)
        return max(wanted, soonest) if wanted < _NEVER else None

    # Workers

    def _work(self) -> None:
        """Do what the ticks of every second do, as often as something is due now."""
        if not self.works:
            return
        if self._is_dirty or self.clock.at >= self._policy_at:
            self._is_dirty |= sweeps.approve_due() > 0
            pending = EnvironmentRequest.objects.filter(state=State.PENDING_APPROVAL)
            self._policy_at = pending.aggregate(at=Min("gate__undo_until"))["at"] or _NEVER
        self._is_dirty |= self.clock.at >= self._dispatch_at
        for _ in range(_MOST_ATTEMPTS_AT_ONE_MOMENT):
            if self._is_dirty:
                self._dispatch()
            due = services.due_runs()
            for run_id in due:
                self._survive(lambda run_id=run_id: services.advance(run_id))
            live = ProvisioningRun.objects.filter(pk__in=due, status=RunStatus.RUNNING)
            self._is_dirty = bool(due) and live.count() < len(due)
            if not self._is_dirty:
                return
        raise AssertionError(f"Seed {self.seed}: work does not end at {self.clock.at}.")

    def _dispatch(self) -> None:
        """Do what the sweep over approved requests does, and say when to look again at what found no room."""
        self._dispatch_at = _NEVER
        if waiting := services.tenants_with_work():
            started = sum(services.dispatch(tenant_id) for tenant_id in waiting)
            pause = timedelta(seconds=20) if started else timedelta(minutes=15)
            self._dispatch_at = self.clock.at + pause

    def _survive(self, act: Callable[[], None]) -> None:
        with suppress(Killed):
            act()

    def _maybe_killed(self, when: str) -> None:
        if self.pending_kill == when:
            self.kill_in -= 1
            if self.kill_in <= 0:
                self.pending_kill = ""
                raise Killed

    def _sweep(self) -> None:
        """Sweep, and let operators look after what has failed."""
        if not self.works:
            return
        self.trouble.free_what_is_stuck()
        sweeps.sweep()
        watch.look_for_late()
        if self._has_gaps():
            services.retry_gaps()
        for tenant in Tenant.objects.exclude(halted_reason="").order_by("pk"):
            if self.is_calm or self.rng.random() < 0.7:
                self.staff.resume(tenant)
        failed = EnvironmentRequest.objects.filter(state=State.FAILED).order_by("tenant_id", "number")
        for request in failed.select_related("tenant"):
            if self.is_calm or self.rng.random() < 0.7:
                self.staff.send_on(request)
        for request in EnvironmentRequest.objects.filter(state=State.PENDING_APPROVAL) if self.is_calm else ():
            self.staff.decide(request.pk, Outcome.APPROVE)

    def of(self, tenant_pk: UUID) -> TenantWorld:
        """Return a tenant of this world."""
        return self._tenant_of[tenant_pk]
