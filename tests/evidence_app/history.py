"""A morning in the life of a tenant in which something of everything happened, lived through once for all questions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from accounts_app.models import BusinessUnit, User
from accounts_app.roles import Depth, Role
from accounts_app.services import confirm_settings, propose_settings
from audit_app.actors import person
from audit_app.checkpoints import rotate_key, sign_now
from core_app import clock as core_clock
from core_app.clock import ManualClock
from core_app.errors import DomainError
from evidence_app.services import export_evidence
from gates_app.levels import Outcome
from provisioning_app import services as provisioning
from provisioning_app.models import Gap
from requests_app import services
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.factories import decide, make_people, make_request, make_user, unit_of
from tests.faults.tampered import host_at
from tests.microsoft import Simulator, World, WorldMaker
from tests.provisioning_app.reconciling import make_environment, reconcile_now
from tests.rotating import let_rotate

BEGIN = datetime(2026, 2, 10, 8, 0, tzinfo=UTC)
QUARTER = "2026Q1"
CLOUD = ("CLOUD_ENDPOINTS_FILE", "WORKLOAD_CLIENT_ID", "WORKLOAD_SECRET_FILE")
GROUP = {"host": "power_platform", "method": "POST", "path": "addEnvironment", "status": 500, "count": 0}


@dataclass(frozen=True)
class History:
    """What was lived through.

    Attributes:
        world: The tenant.
        lead: Its second Governance Lead.
        governed: A request of Zone 3 whose environment group was missing for a while.
        by_policy: One of Zone 1 that nobody objected to.
        rejected: One of Zone 2, under legal hold for a time.
        elsewhere: Another tenant's.
        unit_auditor: Audits a unit in which nothing happened.
        host: Where the log's key, memory and anchors are.
    """

    world: World
    lead: User
    governed: EnvironmentRequest
    by_policy: EnvironmentRequest
    rejected: EnvironmentRequest
    elsewhere: EnvironmentRequest
    unit_auditor: User
    host: Path

    @property
    def people(self) -> Any:
        return self.world.people

    @property
    def unit(self) -> BusinessUnit:
        return unit_of(self.people.tenant, "Treasury")


@contextmanager
def lived_through(simulator: Simulator, folder: Path) -> Iterator[History]:
    """Let it happen; the clock and the signer's host stay until the end."""
    clock = ManualClock(BEGIN)
    before = {name: getattr(settings, name) for name in CLOUD}
    simulator.control("POST", "/clock", {"set": BEGIN.isoformat(), "frozen": True})
    with host_at(folder / "host"), core_clock.using(clock):
        try:
            yield _live(WorldMaker(simulator, clock, settings, folder), folder)
        finally:
            simulator.control("DELETE", "/faults")
            simulator.tell_the_time()
            for name, value in before.items():
                setattr(settings, name, value)


def _live(make_world: WorldMaker, folder: Path) -> History:
    world = make_world()
    people, tenant = world.people, world.people.tenant
    lead = make_user(Role.GOVERNANCE_LEAD, tenant)
    sign_now()

    wanted = {"undo_window_seconds": 0, "retention_years": {"1": 4}}
    proposal = propose_settings(tenant.pk, by=people.governance_lead, values=wanted)
    confirm_settings(proposal.pk, by=lead)
    world.fault(**GROUP)
    governed = world.provision(Zone.ZONE_3)
    world.simulator.control("DELETE", "/faults")
    while Gap.objects.filter(closed_at__isnull=True).exists():
        world.pass_until(world.clock.at + timedelta(minutes=61))
        provisioning.retry_gaps()
    sign_now()

    by_policy = make_request(State.APPROVED, people=people, zone=Zone.ZONE_1)
    pending = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    with suppress(DomainError):  # nobody decides on their own request
        decide(pending, people.requester)
    rejected = decide(pending, people.approver, Outcome.REJECT, "Use the shared environment.")
    hold = services.place_hold(rejected.pk, matter="Exam 14", reason="Asked for.", by=people.compliance_officer)
    world.pass_until(world.clock.at + timedelta(minutes=5))
    services.release_hold(hold.pk, reason="Closed.", by=people.compliance_officer)

    make_environment(world)
    reconcile_now()
    let_rotate(world).rotate()
    rotate_key(by=person(people.governance_lead))
    sign_now()
    world.clock.advance(minutes=1)
    export_evidence(tenant.pk, QUARTER, folder / "first", by=people.auditor)
    sign_now()
    return History(
        world=world,
        lead=lead,
        governed=governed,
        by_policy=by_policy,
        rejected=rejected,
        elsewhere=make_request(State.REJECTED, people=make_people(), zone=Zone.ZONE_2),
        unit_auditor=make_user(Role.AUDITOR, unit_of(tenant, "Treasury"), Depth.LOCAL),
        host=folder / "host",
    )
