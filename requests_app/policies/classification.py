"""Which governance zone a request belongs to, and why (elm.md §2). Same answers, same version: same zone, for ever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from itertools import combinations, product
from typing import Any, Final

from django.utils.translation import gettext_noop as noop

from requests_app.choices import DataSensitivity, EnvironmentType, ExpectedUsers, Zone

RULE_SET_VERSION: Final = "zones-1"


@dataclass(frozen=True, slots=True)
class Answers:
    """The six answers a zone depends on."""

    has_customer_data: bool
    has_financial_data: bool
    has_external_access: bool
    data_sensitivity: DataSensitivity
    environment_type: EnvironmentType
    expected_users: ExpectedUsers

    def as_json(self) -> dict[str, Any]:
        """Return the answers as plain values."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the rule table."""

    zone: Zone
    flag: str
    reason: str
    holds: Callable[[Answers], bool]


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        Zone.ZONE_3,
        "RESTRICTED_DATA",
        noop("The data is Restricted, which needs Zone 3."),
        lambda answers: answers.data_sensitivity == DataSensitivity.RESTRICTED,
    ),
    Rule(
        Zone.ZONE_3,
        "CUSTOMER_PII",
        noop("It processes customer data, which needs Zone 3."),
        lambda answers: answers.has_customer_data,
    ),
    Rule(
        Zone.ZONE_3,
        "FINANCIAL_TRANSACTIONS",
        noop("It handles financial transactions, which needs Zone 3."),
        lambda answers: answers.has_financial_data,
    ),
    Rule(
        Zone.ZONE_3,
        "EXTERNAL_ACCESS",
        noop("External parties have access, which needs Zone 3."),
        lambda answers: answers.has_external_access,
    ),
    Rule(
        Zone.ZONE_2,
        "CONFIDENTIAL_DATA",
        noop("The data is Confidential, which needs at least Zone 2."),
        lambda answers: answers.data_sensitivity == DataSensitivity.CONFIDENTIAL,
    ),
    Rule(
        Zone.ZONE_2,
        "PRODUCTION_WORKLOAD",
        noop("It is a Production environment, which needs at least Zone 2."),
        lambda answers: answers.environment_type == EnvironmentType.PRODUCTION,
    ),
    Rule(
        Zone.ZONE_2,
        "TEAM_WORKLOAD",
        noop("More than one person uses it, which needs at least Zone 2."),
        lambda answers: answers.expected_users > ExpectedUsers.JUST_ME,
    ),
)
FLAGS: Final = tuple(rule.flag for rule in RULES)


@dataclass(frozen=True, slots=True)
class Classification:
    """The verdict.

    Attributes:
        zone: The highest zone that any rule asks for.
        flags: The flag of every rule that held, in the table's order.
        reasons: One sentence per rule that held.
        rule_set_version: Which rules were applied.
        lower_by: The smallest changes of answers that would lower the zone, as sentences; empty for Zone 1.
    """

    zone: Zone
    flags: tuple[str, ...]
    reasons: tuple[str, ...]
    rule_set_version: str
    lower_by: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as plain values."""
        return {
            "zone": int(self.zone),
            "flags": list(self.flags),
            "reasons": list(self.reasons),
            "rule_set_version": self.rule_set_version,
            "lower_by": list(self.lower_by),
        }


def classify(answers: Answers) -> Classification:
    """Return the zone, every flag that holds, the reasons, and what would lower the zone."""
    held = tuple(rule for rule in RULES if rule.holds(answers))
    return Classification(
        zone=zone_of(answers),
        flags=tuple(rule.flag for rule in held),
        reasons=tuple(rule.reason for rule in held),
        rule_set_version=RULE_SET_VERSION,
        lower_by=_lower_by(answers),
    )


def zone_of(answers: Answers) -> Zone:
    """Return the highest zone that any rule asks for."""
    return max((rule.zone for rule in RULES if rule.holds(answers)), default=Zone.ZONE_1)


def governed_zone(classified: Zone, *, raised: int | None = None, lowered: int | None = None) -> Zone:
    """Return the zone that governs a request.

    Args:
        classified: What the answers lead to.
        raised: What the requester asks for at least; it never lowers the zone.
        lowered: What a Governance Lead decided instead for these answers, on a dispute of the requester's.
    """
    return Zone(max(classified if lowered is None else lowered, raised or Zone.ZONE_1))


# What each answer could be changed to, from the least to the greatest change, with words for the change.
_SOFTER: Final[dict[str, tuple[tuple[Any, str], ...]]] = {
    "has_customer_data": ((False, noop("process no customer data")),),
    "has_financial_data": ((False, noop("handle no financial transactions")),),
    "has_external_access": ((False, noop("give external parties no access")),),
    "data_sensitivity": (
        (DataSensitivity.CONFIDENTIAL, noop("use data that is Confidential at most")),
        (DataSensitivity.INTERNAL, noop("use data that is Internal at most")),
    ),
    "environment_type": ((EnvironmentType.SANDBOX, noop("ask for a Sandbox instead of Production")),),
    "expected_users": ((ExpectedUsers.JUST_ME, noop("use it alone")),),
}


def _lower_by(answers: Answers) -> tuple[str, ...]:
    """Return the changes that lower the zone and touch the fewest answers; the gentlest of those when several do."""
    zone = zone_of(answers)
    names = [field.name for field in fields(Answers) if _softer(answers, field.name)]
    for size in range(1, len(names) + 1):
        for chosen in combinations(names, size):
            for changes in product(*(_softer(answers, name) for name in chosen)):
                softened = replace(answers, **{name: value for name, (value, _) in zip(chosen, changes, strict=True)})
                if zone_of(softened) < zone:
                    return tuple(words for _, words in changes)
    return ()


def _plain(value: Any) -> bool | int:
    return value if isinstance(value, bool) else int(value)


def _softer(answers: Answers, name: str) -> tuple[tuple[Any, str], ...]:
    current = getattr(answers, name)
    if name == "environment_type":
        return _SOFTER[name] if current == EnvironmentType.PRODUCTION else ()
    return tuple((value, words) for value, words in _SOFTER[name] if value < current)
