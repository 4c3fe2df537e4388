"""Which gate a zone leads to."""

from __future__ import annotations

import pytest

from accounts_app import tenant_settings
from accounts_app.roles import Role
from gates_app.levels import Level
from requests_app.choices import Zone
from requests_app.policies.routing import Route, route_for

DEFAULTS = tenant_settings.parse(1, {})


@pytest.mark.parametrize(
    ("zone", "route"),
    [
        (Zone.ZONE_1, Route(Level.L1, (), 48)),
        (Zone.ZONE_2, Route(Level.L2, (Role.APPROVER,), 48)),
        (Zone.ZONE_3, Route(Level.L2, (Role.APPROVER, Role.COMPLIANCE_OFFICER), 72)),
    ],
)
def test_each_zone_leads_to_the_gate_of_the_specification(zone: Zone, route: Route) -> None:
    assert route_for(zone, DEFAULTS) == route


def test_a_tenant_chooses_its_stages_and_hours() -> None:
    settings = tenant_settings.parse(
        2, {"stages": {"2": ["ELM Approver", "ELM Governance Lead"]}, "escalation_hours": {"2": 12}}
    )
    assert route_for(Zone.ZONE_2, settings) == Route(Level.L2, (Role.APPROVER, Role.GOVERNANCE_LEAD), 12)
    assert route_for(Zone.ZONE_3, settings) == route_for(Zone.ZONE_3, DEFAULTS)


def test_a_stage_for_zone_1_turns_its_objection_window_into_a_decision() -> None:
    settings = tenant_settings.parse(2, {"stages": {"1": ["ELM Approver"]}})
    assert route_for(Zone.ZONE_1, settings).level == Level.L2
