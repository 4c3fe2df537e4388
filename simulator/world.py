"""Everything the simulator remembers: tenants, environments, operations, moving with time (contract §19.1)."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from simulator.clock import Clock
from simulator.directory import Tenant
from simulator.environment import Environment, View, within
from simulator.faults import Faults
from simulator.journal import Journal
from simulator.operations import SYSTEM, Operation
from simulator.protection import ServiceProtection
from simulator.scenarios import Scenarios
from simulator.sign_ins import SignIns
from simulator.timing import Timing
from simulator.tokens import Tokens


@dataclass(frozen=True)
class Origins:
    """The https origins of the services."""

    login: str
    bap: str
    bap_regional: str
    power_platform: str
    graph: str
    key_vault: str
    blob: str
    dataverse: str
    control: str
    arm: str
    advisor: str = ""


class World:
    """The state of the stand-in cloud; one thread, no locks."""

    def __init__(self, origins: Origins) -> None:
        self.origins = origins
        self.clock = Clock()
        self.timing = Timing()
        self.tokens = Tokens(self.clock)
        self.sign_ins = SignIns()
        self.faults = Faults()
        self.scenarios = Scenarios(self.faults)
        self.journal = Journal()
        self.tenants: dict[str, Tenant] = {}
        self.environments: dict[str, Environment] = {}
        self.operations: dict[str, Operation] = {}
        self._unfinished: dict[str, Operation] = {}
        self._operations_of: dict[str, list[Operation]] = defaultdict(list)  # by tenant
        self._named: dict[str, Environment] = {}  # domain name → who was last found under it
        self._aged_at: datetime | None = None
        self.protection = ServiceProtection()
        self.touched = False  # whether a call may have changed something that is not kept yet

    # Tenants

    def add_tenant(self, tenant: Tenant) -> None:
        """Add a tenant with the default environment that every tenant has."""
        self.tenants[tenant.id] = tenant
        now = self.clock.now()
        default = Environment(
            id=f"Default-{tenant.id}",
            tenant_id=tenant.id,
            location="unitedstates",
            azure_region="westus",
            sku="Default",
            display_name=f"{tenant.name} (default)",
            description="",
            created=now,
            created_by=SYSTEM | {"tenantId": tenant.id},
            modified=now,
            life="Ready",
            is_default=True,
        )
        self.environments[default.id.lower()] = default

    def timing_of(self, tenant_id: str) -> Timing:
        tenant = self.tenants.get(tenant_id)
        return self.timing.updated(tenant.timing) if tenant and tenant.timing else self.timing

    # Environments

    def environments_of(self, tenant_id: str) -> Iterator[Environment]:
        """Yield what a list shows; an unfinished creation only where the timing says so."""
        creating = self.timing_of(tenant_id).list_creating
        for environment in self.environments.values():
            shown = environment.life in ("Ready", "Deleting") or (creating and environment.life == "Creating")
            if shown and environment.tenant_id == tenant_id:
                yield environment

    def environment(self, tenant_id: str, environment_id: str) -> Environment | None:
        """Find an environment that answers; each call that names it is one look at what runs on it."""
        environment = self.environments.get(environment_id.lower())
        if environment is None or environment.tenant_id != tenant_id:
            return None
        for operation in self._running():
            if operation.environment_id == environment.id:
                operation.look(self.clock.now())
        return environment if environment.life in ("Ready", "Deleting") else None

    def tenant_has(self, tenant_id: str, environment_id: str) -> bool:
        environment = self.environments.get(environment_id.lower())
        return environment is not None and environment.tenant_id == tenant_id

    def soft_deleted(self, tenant_id: str, environment_id: str) -> Environment | None:
        environment = self.environments.get(environment_id.lower())
        found = environment and environment.tenant_id == tenant_id and environment.life == "SoftDeleted"
        return environment if found else None

    def with_domain(self, domain: str) -> Environment | None:
        """Find the environment whose organization answers under this domain name."""
        name = domain.lower()
        last = self._named.get(name)
        if last and self.environments.get(last.id.lower()) is last and _answers_to(last, name):
            return last
        found = next((item for item in self.environments.values() if _answers_to(item, name)), None)
        if found:
            self._named[name] = found
        return found

    def domain_is_taken(self, domain: str) -> bool:
        """Whether the name is in use or still reserved after a deletion (E13)."""
        return any(
            environment.organization
            and environment.organization.domain == domain.lower()
            and self._reserved(environment)
            for environment in self.environments.values()
        )

    def read(self, environment: Environment) -> View:
        """Count a read and tell what it shows (E4)."""
        environment.reads += 1
        return self.view(environment)

    def view(self, environment: Environment) -> View:
        timing, now, ongoing = self.timing_of(environment.tenant_id), self.clock.now(), self.ongoing(environment)
        since = environment.ready_at if environment.organization else None
        linked = environment.life != "Creating" and not within(
            since, now, environment.reads, timing.metadata_reads, timing.metadata_seconds
        )
        settling = within(since, now, environment.reads, timing.management_reads, timing.metadata_seconds)
        management = "Ready"
        if not linked:
            management = "NotSpecified"
        elif settling or ongoing:
            management = "Running"
        origins = self.origins
        return View(linked, management, ongoing, self.instance_url(environment), origins.bap_regional, origins.advisor)

    def instance_url(self, environment: Environment) -> str:
        return f"{self.origins.dataverse}/{environment.organization.domain}/" if environment.organization else ""

    def used_gigabytes(self, tenant_id: str) -> int:
        """Each environment with Dataverse takes the gigabyte that its creation requires (contract §16)."""
        return sum(
            1
            for environment in self.environments.values()
            if environment.tenant_id == tenant_id and environment.organization and environment.life != "Purged"
        )

    # Operations

    def start(
        self,
        environment: Environment,
        kind: str,
        requested_by: dict[str, str],
        on_success: Callable[[], None],
        outcome: str,
    ) -> Operation:
        """Start a lifecycle operation; the caller has made sure that none is running."""
        polls, seconds = self._duration(environment.tenant_id, kind, requested_by)
        now = self.clock.now()

        def end(succeeded: bool) -> None:
            environment.modified = self.clock.now()
            if succeeded:
                on_success()
            elif kind == "Create":
                self.environments.pop(environment.id.lower(), None)

        operation = Operation(
            type=kind,
            tenant_id=environment.tenant_id,
            environment_id=environment.id,
            requested_by=requested_by,
            created=now,
            polls=polls,
            due=None if seconds is None else now + timedelta(seconds=seconds),
            outcome=outcome,
            kind="group" if kind.endswith("EnvironmentGroup") else "lifecycle",
            on_end=end,
            id=str(uuid4()),
        )
        self.remember(operation)
        return operation

    def remember(self, operation: Operation) -> None:
        """Let an operation be found, and go on while it is unfinished."""
        self.operations[operation.id] = self._unfinished[operation.id] = operation
        self._operations_of[operation.tenant_id].append(operation)

    def operations_of(self, tenant_id: str) -> list[Operation]:
        """Return every operation that a tenant has seen, oldest first."""
        return self._operations_of[tenant_id]

    def ongoing(self, environment: Environment) -> Operation | None:
        """Return the lifecycle operation that occupies the environment (E7)."""
        for operation in self._running():
            if operation.environment_id == environment.id and operation.kind == "lifecycle":
                return operation
        return None

    def age(self) -> None:
        """Let everything end whose time has come; called before each call is answered."""
        now = self.clock.now()
        for operation in self._running():
            operation.settle(now)
        if now == self._aged_at:
            return
        self._aged_at = now
        for environment in self.environments.values():
            if environment.life == "SoftDeleted" and environment.deleted_at:
                kept = timedelta(seconds=self.timing_of(environment.tenant_id).soft_delete_seconds)
                environment.life = "Purged" if now >= environment.deleted_at + kept else "SoftDeleted"

    def _running(self) -> Iterator[Operation]:
        for operation in list(self._unfinished.values()):
            if operation.ended:
                self._unfinished.pop(operation.id, None)
            else:
                yield operation

    def _duration(self, tenant_id: str, kind: str, requested_by: dict[str, str]) -> tuple[int | None, float | None]:
        timing = self.timing_of(tenant_id)
        if kind == "Create":
            return timing.create_polls, timing.create_seconds
        if requested_by.get("id") == SYSTEM["id"]:
            return timing.system_polls, timing.system_seconds
        return timing.operation_polls, timing.operation_seconds

    def _reserved(self, environment: Environment) -> bool:
        if environment.life not in ("SoftDeleted", "Purged") or environment.deleted_at is None:
            return True
        timing = self.timing_of(environment.tenant_id)
        kept = timedelta(seconds=timing.soft_delete_seconds + timing.domain_release_seconds)
        return self.clock.now() < environment.deleted_at + kept


def _answers_to(environment: Environment, domain: str) -> bool:
    organization = environment.organization
    return organization is not None and organization.domain == domain and environment.life in ("Ready", "Deleting")
