"""A real simulator over TLS, tenants that exist on both sides, and a way to let simulated time drive runs."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from accounts_app.models import TenantIdentity
from core_app.clock import ManualClock
from provisioning_app import services
from provisioning_app.choices import RunStatus
from provisioning_app.models import ProvisioningRun
from requests_app import services as requests
from requests_app.choices import Zone
from requests_app.directory import Directory, ResolvedGroup
from requests_app.models import EnvironmentRequest
from tests.factories import People, decide, facts, make_people

ROOT = Path(__file__).resolve().parents[1]
GROUP_NAME = "SG-Claims-Makers"
ENVIRONMENT_GROUPS = ("FSI-Personal-Dev", "FSI-Team-Collaboration", "FSI-Enterprise-Production")


class Simulator:
    """The running simulator and its control API."""

    def __init__(self, ready_file: Path) -> None:
        self.ready_file = ready_file
        self.ready: dict[str, Any] = json.loads(ready_file.read_text())
        self.http = httpx.Client(verify=ssl.create_default_context(cafile=self.ready["ca"]), timeout=10)

    def control(self, method: str, path: str, body: Any = None, **params: str) -> Any:
        """Call the control API."""
        answer = self.http.request(method, self.ready["control"] + path, json=body, params=params)
        assert answer.status_code < 400, answer.text
        return answer.json() if answer.content else None

    def environments(self, tenant_id: UUID) -> list[dict[str, Any]]:
        """Return the environments of one tenant, without the default environment that every tenant has."""
        found = self.control("GET", "/state", tenant=str(tenant_id))["environments"]
        return [environment for environment in found if not environment["is_default"]]

    def fault(self, **rule: Any) -> None:
        """Inject a fault."""
        self.control("POST", "/faults", [rule])

    def tell_the_time(self) -> None:
        """Let its clock show the time on the wall again, wherever an earlier test has moved it."""
        self.control("POST", "/clock", {"set": datetime.now(UTC).isoformat(), "frozen": False})


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Start the simulator as a process of its own."""
    ready = tmp_path_factory.mktemp("simulator") / "ready.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "--ready-file", str(ready)],
        cwd=ROOT,
        env=os.environ | {"SIMULATOR_DIE_WITH_PARENT": "1"},
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while not ready.exists():
        assert process.poll() is None, "the simulator ended"
        assert time.monotonic() < deadline, "the simulator did not become ready"
        time.sleep(0.02)
    running = Simulator(ready)
    yield running
    running.http.close()
    process.terminate()
    process.wait(10)


@dataclass(frozen=True, slots=True)
class World:
    """One tenant that exists in the database and at Microsoft, and its people."""

    simulator: Simulator
    people: People
    group_id: str
    clock: ManualClock

    @property
    def tenant_id(self) -> UUID:
        """Return the Entra tenant id."""
        return self.people.tenant.entra_tenant_id

    @property
    def environments(self) -> list[dict[str, Any]]:
        """Return the tenant's environments as the simulator has them."""
        return self.simulator.environments(self.tenant_id)

    def fault(self, **rule: Any) -> None:
        """Inject a fault into this tenant's calls."""
        self.simulator.fault(tenant=str(self.tenant_id), **rule)

    def await_call(self, **where: str) -> None:
        """Wait until somebody, in another thread, has called Microsoft there; the call may still be under way."""
        deadline = time.monotonic() + 30
        while not self.simulator.control("GET", "/journal", tenant=str(self.tenant_id), **where)["entries"]:
            assert time.monotonic() < deadline, f"nobody calls {where}"
            time.sleep(0.1)

    def pending(self, zone: Zone = Zone.ZONE_3, **changes: Any) -> EnvironmentRequest:
        """Walk a request to PendingApproval."""
        request = requests.create_draft(by=self.people.requester, **facts(zone, **changes))
        group = ResolvedGroup(self.group_id, GROUP_NAME)
        named = Directory(group) if request.security_group_name else Directory()
        return requests.submit(request.pk, by=self.people.requester, directory=named)

    def approved(self, zone: Zone = Zone.ZONE_3, **changes: Any) -> EnvironmentRequest:
        """Walk a request to Approved."""
        request = self.pending(zone, **changes)
        if zone == Zone.ZONE_1:
            return requests.approve_by_policy(request.pk)
        request = decide(request, self.people.approver)
        return decide(request, self.people.compliance_officer) if zone == Zone.ZONE_3 else request

    def run_until_settled(self, *, hours: float = 3, stop: Callable[[], bool] = lambda: False) -> None:
        """Let time pass here and at Microsoft, waking what is due, until all is done or the hours are over."""
        end = self.clock.at + timedelta(hours=hours)
        while self.clock.at < end and not stop():
            services.dispatch(self.people.tenant.pk)
            for run_id in services.due_runs():
                services.advance(run_id)
            following = self._next_moment()
            if following is None:
                return
            self.pass_until(following)

    def pass_until(self, moment: datetime) -> None:
        """Move both clocks forward."""
        seconds = max(0.0, (moment - self.clock.at).total_seconds())
        self.clock.advance(seconds=seconds)
        self.simulator.control("POST", "/clock", {"advance_seconds": seconds})

    def _next_moment(self) -> datetime | None:
        live = ProvisioningRun.objects.filter(tenant=self.people.tenant, status=RunStatus.RUNNING)
        sleeping = [run.lease_until if run.lease_until else run.next_at for run in live]
        if sleeping:
            return (
                max(self.clock.at, min(sleeping))
                if min(sleeping) > self.clock.at
                else self.clock.at + timedelta(seconds=1)
            )
        waits = services.tenants_with_work()
        return self.clock.at + timedelta(minutes=1) if self.people.tenant.pk in waits and not self.halted else None

    @property
    def halted(self) -> bool:
        """Say whether the tenant's provisioning is halted."""
        return bool(type(self.people.tenant).objects.get(pk=self.people.tenant.pk).halted_reason)

    def provision(self, zone: Zone = Zone.ZONE_3, **changes: Any) -> EnvironmentRequest:
        """Walk a request to its end."""
        request = self.approved(zone, **changes)
        self.run_until_settled()
        request.refresh_from_db()
        return request


class WorldMaker:
    """Makes tenants that exist on both sides."""

    def __init__(self, simulator: Simulator, clock: ManualClock, settings: Any, folder: Path) -> None:
        self.simulator, self.clock = simulator, clock
        self.workload_id, self.workload_secret = str(uuid4()), f"workload-{uuid4()}"
        secret_file = folder / "workload"
        secret_file.write_text(self.workload_secret)
        self.environment = {
            "ELM_CLOUD_ENDPOINTS_FILE": str(simulator.ready_file),
            "ELM_WORKLOAD_CLIENT_ID": self.workload_id,
            "ELM_WORKLOAD_SECRET_FILE": str(secret_file),
        }
        for name, value in self.environment.items():
            setattr(settings, name.removeprefix("ELM_"), value)

    def __call__(
        self,
        timing: dict[str, Any] | None = None,
        seed: dict[str, Any] | None = None,
        people: People | None = None,
        **tenant_settings: Any,
    ) -> World:
        """Make a tenant with people, identities, a security group, environment groups and a data policy."""
        people, group_id = people or make_people(**tenant_settings), str(uuid4())
        tenant = people.tenant
        tenant.entra_tenant_id = uuid4()  # what an earlier test did there is not to be found here
        tenant.key_vault_url = self.simulator.ready["endpoints"]["key_vault"]
        tenant.save()
        secrets = {"ELM-ServicePrincipal-Secret": f"secret-{uuid4()}", "ELM-Directory-Reader": f"secret-{uuid4()}"}
        document = {
            "id": str(tenant.entra_tenant_id),
            "name": tenant.name,
            "applications": self._applications(people, secrets),
            "users": [
                {"id": str(user.entra_object_id), "upn": user.upn, "display_name": user.display_name}
                for user in (people.requester, people.approver)
            ],
            "groups": [{"id": group_id, "display_name": GROUP_NAME, "members": [people.requester.upn]}],
            "environment_groups": [{"id": str(uuid4()), "display_name": name} for name in ENVIRONMENT_GROUPS],
            "dlp_policies": [
                {"name": str(uuid4()), "display_name": "FSI baseline", "environment_type": "AllEnvironments"}
            ],
            "key_vault_secrets": secrets,
            "timing": {"retry_after": 0, **(timing or {})},
            **(seed or {}),
        }
        self.simulator.control("POST", "/seed", {"tenants": [document]})
        return World(self.simulator, people, group_id, self.clock)

    def _applications(self, people: People, secrets: dict[str, str]) -> list[dict[str, Any]]:
        purposes = (TenantIdentity.Purpose.PROVISIONING, TenantIdentity.Purpose.DIRECTORY)
        rows = [
            TenantIdentity.objects.create(
                tenant=people.tenant,
                purpose=purpose,
                display_name=purpose.label,
                client_id=uuid4(),
                secret_name=secret_name,
            )
            for purpose, secret_name in zip(purposes, secrets, strict=True)
        ]
        known = [(str(row.client_id), row.display_name, secrets[row.secret_name]) for row in rows]
        known.append((self.workload_id, "worker", self.workload_secret))
        return [
            {
                "client_id": client_id,
                "object_id": str(uuid4()),
                "display_name": name,
                "secret": secret,
                "management_application": name == TenantIdentity.Purpose.PROVISIONING.label,
            }
            for client_id, name, secret in known
        ]


@pytest.fixture
def make_world(db: None, simulator: Simulator, clock: ManualClock, settings: Any, tmp_path: Path) -> WorldMaker:
    """Return a maker of tenants that exist on both sides, under a clock that stands still until it is advanced."""
    return WorldMaker(simulator, clock, settings, tmp_path)


@pytest.fixture
def world(make_world: WorldMaker) -> World:
    """A tenant that exists on both sides."""
    return make_world()
