"""Which zone governs a request, and why: the rules, a requester who raises it, a Governance Lead who lowers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext_noop as noop

from gates_app.levels import GateStatus
from requests_app.choices import Zone
from requests_app.models import EnvironmentRequest, ZoneDispute
from requests_app.policies.classification import Classification, classify, governed_zone

# What came on top of the rules, by (zone before, zone after); kept in the log as it stands here
_LOWERED: Final = {
    (Zone.ZONE_2, Zone.ZONE_1): noop("A Governance Lead lowered it from Zone 2 to Zone 1, as the requester had asked."),
    (Zone.ZONE_3, Zone.ZONE_1): noop("A Governance Lead lowered it from Zone 3 to Zone 1, as the requester had asked."),
    (Zone.ZONE_3, Zone.ZONE_2): noop("A Governance Lead lowered it from Zone 3 to Zone 2, as the requester had asked."),
}
_RAISED: Final = {
    (Zone.ZONE_1, Zone.ZONE_2): noop("The requester raised it from Zone 1 to Zone 2."),
    (Zone.ZONE_1, Zone.ZONE_3): noop("The requester raised it from Zone 1 to Zone 3."),
    (Zone.ZONE_2, Zone.ZONE_3): noop("The requester raised it from Zone 2 to Zone 3."),
}


@dataclass(frozen=True, slots=True)
class Governance:
    """The zone of a request.

    Attributes:
        verdict: What the rules say of its answers.
        zone: What governs it.
        override: The dispute because of which a lower zone holds; None when none does.
        reasons: One sentence for every rule that held, and for what came on top of the rules.
    """

    verdict: Classification
    zone: Zone
    override: ZoneDispute | None
    reasons: tuple[str, ...]

    @property
    def lower_by(self) -> tuple[str, ...]:
        """Return the smallest change of answers that would lower the zone; none where it does not follow from them."""
        return self.verdict.lower_by if self.zone == self.verdict.zone else ()


def governance_of(request: EnvironmentRequest) -> Governance:
    """Return which zone governs a request as its fields stand, and why."""
    verdict = classify(request.answers)
    override = override_of(request, verdict)
    lowered = override.wanted_zone if override else None
    zone = governed_zone(verdict.zone, raised=request.raised_zone, lowered=lowered)
    return Governance(verdict, zone, override, (*verdict.reasons, *_on_top(verdict, zone, override)))


def override_of(request: EnvironmentRequest, verdict: Classification) -> ZoneDispute | None:
    """Return the dispute that a Governance Lead agreed to for these very answers under these very rules."""
    if request._state.adding:
        return None  # nobody can have disputed it yet
    agreed = request.zone_disputes.filter(
        gate__status=GateStatus.APPROVED, rule_set_version=verdict.rule_set_version, classified_zone=verdict.zone
    )
    return next((each for each in agreed if each.answers == request.answers.as_json()), None)


def open_dispute_of(request: EnvironmentRequest) -> ZoneDispute | None:
    """Return the dispute of a request's zone that waits for a decision."""
    return request.zone_disputes.filter(closed_at__isnull=True).first()


def _on_top(verdict: Classification, zone: Zone, override: ZoneDispute | None) -> list[str]:
    base = Zone(override.wanted_zone) if override else verdict.zone
    sentences = []
    if override:
        sentences.append(_LOWERED[verdict.zone, base])
    if zone > base:
        sentences.append(_RAISED[base, zone])
    return sentences
