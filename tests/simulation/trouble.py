"""Injects the faults of a simulation and keeps count of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from simulator.faults import Rule
from tests.microsoft import World as TenantWorld
from tests.simulation.faults import OUTAGE, WORLD_FAULTS, rule

if TYPE_CHECKING:
    from tests.simulation.world import World

HOUR = timedelta(hours=1)
_FORGOTTEN_AFTER = timedelta(days=3)  # what no call has met by then


class Trouble:
    """What goes wrong in a world, as its seed draws it."""

    def __init__(self, world: World) -> None:
        self._world, self._rng = world, world.rng
        self.deleted: set[str] = set()  # environments that somebody deleted in the portal
        self.injected: Counter[str] = Counter()

    def fault(self, kind: str) -> Callable[[], None]:
        return lambda: self._inject(kind)

    def _inject(self, kind: str) -> None:
        world = self._rng.choice(self._world.tenants)
        if kind not in WORLD_FAULTS:
            document = {**rule(kind, self._rng), "tenant": str(world.tenant_id)}
            (added,) = self._world.microsoft.faults.add(document)
            self._world.later(_FORGOTTEN_AFTER, lambda: self._end(added))
            return
        tenant = self._world.microsoft.tenants[str(world.tenant_id)]
        self.injected[kind] += 1
        if kind.startswith("worker: killed"):
            self._world.pending_kill, self._world.kill_in = kind.split()[2], self._rng.randint(1, 60)
        elif kind == OUTAGE:
            self._world.nobody_works_until = self._world.clock.at + HOUR * self._rng.uniform(1, 30)
        elif kind == "portal: environment deleted":
            self._delete_somewhere(world)
        elif kind == "portal: security group deleted":
            self._hide(tenant.groups)
        else:
            self._hide(tenant.dlp_policies)

    def _hide(self, things: dict[str, Any]) -> None:
        """Let things vanish for a day."""
        kept = dict(things)
        things.clear()
        self._world.later(HOUR * self._rng.uniform(2, 40), lambda: things.update(kept))

    def free_what_is_stuck(self) -> None:
        """Let Microsoft's support end, well or badly, what hangs there for hours: long after we have given up."""
        for operation in self._world.microsoft.operations.values():
            if operation.outcome == "Stuck" and self._world.clock.at - operation.created > HOUR:
                operation.outcome, operation.due = self._rng.choice(("Succeeded", "Failed")), self._world.clock.at

    def _delete_somewhere(self, world: TenantWorld) -> None:
        found = [
            item
            for item in self._world.microsoft.environments.values()
            if item.tenant_id == str(world.tenant_id) and item.life == "Ready" and not item.is_default
        ]
        if found:
            chosen = self._rng.choice(found)
            self.deleted.add(chosen.id)
            self._world.microsoft.environments.pop(chosen.id)

    def calm_down(self) -> None:
        """End every fault: from now on whatever was disturbed has to come to its end."""
        for left in list(self._world.microsoft.faults.rules):
            self._end(left)
        self._world.pending_kill, self._world.is_calm = "", True

    def _end(self, fault: Rule) -> None:
        """Count what a fault has hit; it hits nothing more."""
        if fault in self._world.microsoft.faults.rules:
            self.injected.update({fault.name: fault.hits} if fault.hits else {})
            self._world.microsoft.faults.clear(fault.id)
