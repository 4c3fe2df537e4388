"""Which gate a zone leads to (elm.md §4)."""

from __future__ import annotations

from dataclasses import dataclass

from accounts_app.roles import Role
from accounts_app.tenant_settings import Settings
from gates_app.levels import Level
from requests_app.choices import Zone


@dataclass(frozen=True, slots=True)
class Route:
    """The gate of a zone.

    Attributes:
        level: L1 is approved by policy unless someone objects, L2 needs every stage's decision.
        roles: The role that decides each stage, in order.
        hours: Hours until a stage is escalated; the reminder is sent at half of them.
    """

    level: Level
    roles: tuple[Role, ...]
    hours: int


def route_for(zone: Zone, settings: Settings) -> Route:
    """Return the gate that a zone needs under a tenant's settings."""
    roles = tuple(settings.stages[int(zone)])
    return Route(Level.L2 if roles else Level.L1, roles, settings.escalation_hours[int(zone)])
