"""What the form answers while it is filled in: the zone so far, whether a name is good, which groups there are."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, fields, replace
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as noop

from accounts_app.tenant_settings import Settings
from requests_app.choices import DataSensitivity, EnvironmentType, ExpectedUsers, Zone
from requests_app.guided.choices import INVOLVED
from requests_app.models import EnvironmentRequest
from requests_app.policies.classification import Answers, classify, governed_zone
from requests_app.policies.naming import name_problem
from requests_app.policies.routing import route_for
from requests_app.services.submission import name_taken
from requests_app.zones import governance_of

# What an open question is taken for: the mildest answer, so that the zone so far is one that it will at least be
_MILDEST: Final[dict[str, Any]] = {
    "has_customer_data": False,
    "has_financial_data": False,
    "has_external_access": False,
    "data_sensitivity": DataSensitivity.PUBLIC,
    "environment_type": EnvironmentType.SANDBOX,
    "expected_users": ExpectedUsers.JUST_ME,
}
_CHOICES: Final = {
    "data_sensitivity": DataSensitivity,
    "environment_type": EnvironmentType,
    "expected_users": ExpectedUsers,
}

_YOU_RAISE_IT: Final = {Zone.ZONE_2: noop("You raise it to Zone 2."), Zone.ZONE_3: noop("You raise it to Zone 3.")}


@dataclass(frozen=True, slots=True)
class ZoneSoFar:
    """What follows from the answers given up to now.

    Attributes:
        zone: What it will at least be.
        is_final: Whether every question that counts is answered.
        reasons: One sentence for every rule that holds, and for what comes on top of the rules.
        lower_by: The smallest change of answers that would lower it; empty while questions are open.
        deciders: Who decides, one after the other; nobody: approved by policy.
        hours: How long each of them has.
        needs_group: Whether the zone needs a security group and a rationale.
    """

    zone: Zone
    is_final: bool
    reasons: tuple[str, ...]
    lower_by: tuple[str, ...]
    deciders: tuple[str, ...]
    hours: int
    needs_group: bool


def zone_so_far(said: Mapping[str, Any], settings: Settings, draft: EnvironmentRequest | None = None) -> ZoneSoFar:
    """Return the zone that follows from the answers given up to now.

    Args:
        said: Answers by field of the request, as far as they are given.
        settings: The tenant's settings, which say who decides.
        draft: What they are given for, when there is one: it stays raised, and lowered while its answers are those
            that a Governance Lead agreed to.
    """
    verdict = classify(Answers(**{**_MILDEST, **said}))
    is_final = all(each.name in said for each in fields(Answers))
    if draft is None:
        return _shown(verdict.zone, is_final, verdict.reasons, verdict.lower_by, settings)
    changed = copy(draft)
    for name, answer in said.items():
        setattr(changed, name, answer)
    saved = zone_of_draft(changed, settings, draft.raised_zone)
    if is_final or saved.zone < verdict.zone:  # whatever is still open
        return replace(saved, is_final=is_final, lower_by=saved.lower_by if is_final else ())
    raised = governed_zone(verdict.zone, raised=draft.raised_zone)
    reasons = verdict.reasons if raised == verdict.zone else (*verdict.reasons, _YOU_RAISE_IT[raised])
    return _shown(raised, False, reasons, (), settings)


def zone_of_draft(draft: EnvironmentRequest, settings: Settings, raised: int | None) -> ZoneSoFar:
    """Return the zone of a draft, were it raised like this."""
    governance = governance_of(draft)
    lowered = governance.override.wanted_zone if governance.override else None
    zone = governed_zone(governance.verdict.zone, raised=raised, lowered=lowered)
    same = raised == draft.raised_zone
    reasons = governance.reasons if same else governance.verdict.reasons
    if not same and zone > (lowered or governance.verdict.zone):
        reasons = (*reasons, _YOU_RAISE_IT[zone])
    return _shown(zone, True, reasons, governance.lower_by if zone == governance.zone else (), settings)


def answers_in(posted: Mapping[str, Any], involves: list[str]) -> dict[str, Any]:
    """Return the answers in what a browser sends while somebody fills in a step; what is no answer is left out.

    Args:
        posted: Fields by name.
        involves: What was ticked of what may be involved; nothing: the question is open.
    """
    said: dict[str, Any] = {}
    for name, kind in _CHOICES.items():
        value = str(posted.get(name, ""))
        if value.isdecimal() and int(value) in kind.values:
            said[name] = kind(int(value))
    if involves:
        said |= {name: name in involves for name in INVOLVED}
    return said


def name_check(name: str, tenant_id: UUID | None, draft: EnvironmentRequest | None) -> str | None:
    """Return what is wrong with a name, or that it is taken; None when it is good and free."""
    return name_problem(name) or name_taken(name, tenant_id, by_other_than=draft.pk if draft else None)


def _shown(
    zone: Zone, is_final: bool, reasons: tuple[str, ...], lower_by: tuple[str, ...], settings: Settings
) -> ZoneSoFar:
    way = route_for(zone, settings)
    return ZoneSoFar(
        zone=zone,
        is_final=is_final,
        reasons=reasons,
        lower_by=tuple(gettext(change) for change in lower_by) if is_final else (),
        deciders=tuple(gettext(role.label) for role in way.roles),
        hours=way.hours,
        needs_group=zone > Zone.ZONE_1,
    )
