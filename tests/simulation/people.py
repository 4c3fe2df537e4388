"""The people of a simulated portfolio: who asks, decides, withdraws, tries what is forbidden, and mends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from accounts_app.models import Tenant, User
from core_app.errors import DomainError, InvalidInputError, PermissionRefused
from gates_app import services as gates
from gates_app.levels import Outcome
from provisioning_app import services
from requests_app import services as requests
from requests_app.choices import State, Zone
from requests_app.directory import look_up
from requests_app.models import EnvironmentRequest
from tests.factories import facts
from tests.microsoft import GROUP_NAME

if TYPE_CHECKING:
    from tests.simulation.world import World

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Staff:
    """Everybody who acts in a world, as its seed draws it."""

    def __init__(self, world: World) -> None:
        self._world, self._rng = world, world.rng

    def arrival(self) -> None:
        """Somebody asks for an environment, with answers that lead to any of the zones."""
        (world,) = self._rng.choices(self._world.tenants, self._world.weights or None)
        requester = self._rng.choice(self._world.requesters[world.people.tenant.pk])
        zone = self._rng.choice((Zone.ZONE_1, Zone.ZONE_2, Zone.ZONE_2, Zone.ZONE_3))
        wanted = facts(zone) | ({} if zone == Zone.ZONE_1 else {"security_group_name": GROUP_NAME})
        request = requests.create_draft(by=requester, **wanted)
        try:
            request = requests.submit(request.pk, by=requester, directory=look_up(request))
        except InvalidInputError:
            self._world.later(DAY, lambda: self._submit_again(request.pk))
            return
        self._react(request.pk)

    def _submit_again(self, request_id: UUID) -> None:
        request = EnvironmentRequest.objects.get(pk=request_id)
        with suppress(InvalidInputError):
            requests.submit(request_id, by=request.requester, directory=look_up(request))
            self._react(request_id)

    def _react(self, request_id: UUID) -> None:
        """Draw how people take it: most approve within a day or two, some leave it until it is escalated."""
        if self._world.is_calm:
            return
        hours = self._rng.expovariate(1 / 14) if self._rng.random() < 0.85 else self._rng.uniform(50, 120)
        outcome = Outcome.REJECT if self._rng.random() < 0.08 else Outcome.APPROVE
        self._world.later(HOUR * hours, lambda: self.decide(request_id, outcome))
        if self._rng.random() < 0.06:
            self._world.later(HOUR * self._rng.uniform(0, 30), lambda: self._withdraw(request_id))
        if self._rng.random() < 0.05:
            self._world.later(HOUR * self._rng.uniform(0, 10), lambda: self._decide_own(request_id))

    def decide(self, request_id: UUID, outcome: Outcome) -> None:
        request = EnvironmentRequest.objects.select_related("gate").get(pk=request_id)
        if request.state != State.PENDING_APPROVAL or request.gate is None:
            return
        stage = gates.current_stage(request.gate)
        if stage is None and outcome == Outcome.APPROVE:
            return  # Zone 1: only an objection is a person's act
        person = self._rng.choice(gates.eligible_people(request.gate, stage))
        requests.decide(request_id, by=person, outcome=outcome, comment="Looked at.", content_hash=request.content_hash)
        self._world.later(HOUR * self._rng.expovariate(1 / 10), lambda: self.decide(request_id, Outcome.APPROVE))

    def _decide_own(self, request_id: UUID) -> None:
        request = EnvironmentRequest.objects.get(pk=request_id)
        if request.state == State.PENDING_APPROVAL:
            with pytest.raises(PermissionRefused):
                requests.decide(
                    request_id, by=request.requester, outcome=Outcome.APPROVE, content_hash=request.content_hash
                )

    def _withdraw(self, request_id: UUID) -> None:
        request = EnvironmentRequest.objects.get(pk=request_id)
        if request.state in (State.DRAFT, State.SUBMITTED, State.PENDING_APPROVAL):
            requests.withdraw(request_id, by=request.requester)

    def send_on(self, request: EnvironmentRequest) -> None:
        """Try again what has failed."""
        with self._noting_refusals(request):
            services.retry(request.pk, by=self._operator(request.tenant_id), reason="Looked at and mended.")

    def resume(self, tenant: Tenant) -> None:
        """Let a halted tenant go on."""
        with self._noting_refusals(tenant):
            services.resume(tenant.pk, by=self._operator(tenant.pk), reason="The credential was looked at.")

    def _operator(self, tenant_id: UUID) -> User:
        return self._world.of(tenant_id).people.operator

    @contextmanager
    def _noting_refusals(self, subject: object) -> Iterator[None]:
        try:
            yield
        except DomainError as refusal:
            self._world.refused[str(refusal).replace(str(subject), "…")[:80]] += 1
