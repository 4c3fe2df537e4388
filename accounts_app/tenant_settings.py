"""What a tenant may set, and the values that hold where it sets nothing (elm.md §4 and §6; seed, Polling and Limits).

Pure: no database. The stored row keeps only the differences; ``parse`` turns them into a checked, typed object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from accounts_app.roles import Role
from core_app.errors import InvalidInputError

STEP_KEYS_THAT_MAY_BLOCK = ("environment_group", "baseline", "people", "dlp")


@dataclass(frozen=True, slots=True)
class Baseline:
    """How an environment of one zone is hardened.

    Attributes:
        environment_group: Display name of the Power Platform environment group.
        audit_retention_days: Dataverse audit retention.
        session_timeout_minutes: Dataverse session timeout.
        sharing_limit: Individuals an app may be shared with; None is no limit.
        solution_checker: ``none``, ``warn`` or ``block``.
        required_dlp_policy: Display name of a data policy that must cover the environment; empty means any policy.
        blocking_steps: Steps that must succeed for Completed, beyond those that always must.
    """

    environment_group: str
    audit_retention_days: int
    session_timeout_minutes: int
    sharing_limit: int | None
    solution_checker: str
    security_role: str = "Environment Maker"
    required_dlp_policy: str = ""
    blocking_steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a tenant, one version."""

    version: int = 0
    undo_window_seconds: int = 30
    poll_interval_seconds: int = 30
    poll_limit: int = 120
    propagation_seconds: int = 900
    concurrent_runs: int = 5
    starts_per_minute: int = 10
    creations_per_day: int = 50
    escalation_hours: Mapping[int, int] = field(default_factory=lambda: {2: 48, 3: 72})
    stages: Mapping[int, tuple[Role, ...]] = field(
        default_factory=lambda: {1: (), 2: (Role.APPROVER,), 3: (Role.APPROVER, Role.COMPLIANCE_OFFICER)}
    )
    baselines: Mapping[int, Baseline] = field(
        default_factory=lambda: {
            1: Baseline("FSI-Personal-Dev", 180, 1440, None, "none"),
            2: Baseline("FSI-Team-Collaboration", 365, 480, 50, "warn"),
            3: Baseline("FSI-Enterprise-Production", 2557, 120, 20, "block"),
        }
    )
    allow_developer: bool = False
    approvers_may_request_for_their_unit: bool = False
    reduce_principal_roles: bool = False

    @property
    def creation_seconds(self) -> int:
        """Return how long a creation is polled before it counts as timed out."""
        return self.poll_interval_seconds * self.poll_limit


_NUMBERS = {
    "undo_window_seconds": (0, 86_400),
    "poll_interval_seconds": (1, 300),
    "poll_limit": (1, 1000),
    "propagation_seconds": (120, 3600),
    "concurrent_runs": (1, 50),
    "starts_per_minute": (1, 100),
    "creations_per_day": (1, 1000),
}
_SWITCHES = ("allow_developer", "approvers_may_request_for_their_unit", "reduce_principal_roles")
_SOLUTION_CHECKER = ("none", "warn", "block")


def parse(version: int, values: Mapping[str, Any]) -> Settings:
    """Return the settings that a stored row means.

    Args:
        version: The row's version.
        values: Differences from the defaults; zones are the strings "1", "2", "3".

    Raises:
        InvalidInputError: listing every key that is unknown or out of range.
    """
    problems: list[tuple[str, str]] = []
    known: dict[str, Any] = {}
    for key, value in values.items():
        try:
            known[key] = _parse_one(key, value)
        except ValueError as error:
            problems.append((key, str(error)))
    if problems:
        raise InvalidInputError(problems)
    return replace(Settings(version=version), **known)


def _parse_one(key: str, value: Any) -> Any:
    if key in _NUMBERS:
        low, high = _NUMBERS[key]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}.")
        return value
    if key in _SWITCHES:
        if not isinstance(value, bool):
            raise ValueError("must be true or false.")
        return value
    if key == "escalation_hours":
        return {**Settings().escalation_hours, **{_zone(zone): _hours(hours) for zone, hours in _table(value).items()}}
    if key == "stages":
        return {**Settings().stages, **{_zone(zone): _roles(roles) for zone, roles in _table(value).items()}}
    if key == "baselines":
        defaults = Settings().baselines
        return {
            **defaults,
            **{_zone(zone): _baseline(defaults[_zone(zone)], item) for zone, item in _table(value).items()},
        }
    raise ValueError(f"is not a setting; known are {', '.join(sorted(item.name for item in fields(Settings)))}.")


def _table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("must be an object whose names are zones.")  # noqa: TRY004 - reported as a problem
    return value


def _zone(text: str) -> int:
    if text not in ("1", "2", "3"):
        raise ValueError(f"zone {text!r} does not exist; use 1, 2 or 3.")
    return int(text)


def _hours(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 8760:
        raise ValueError("hours must be a whole number from 1 to 8760.")
    return value


def _roles(value: Any) -> tuple[Role, ...]:
    deciding = (Role.APPROVER, Role.COMPLIANCE_OFFICER, Role.GOVERNANCE_LEAD)
    if not isinstance(value, list) or any(role not in deciding for role in value):
        raise ValueError(f"stages are a list of roles out of {', '.join(deciding)}.")
    if len(set(value)) != len(value):
        raise ValueError("each stage needs another role.")
    return tuple(Role(role) for role in value)


def _baseline(default: Baseline, value: Any) -> Baseline:
    unknown = sorted(set(_table(value)) - set(asdict(default)))
    if unknown:
        raise ValueError(f"unknown baseline setting {', '.join(unknown)}.")
    known = {**value, "blocking_steps": tuple(value.get("blocking_steps", default.blocking_steps))}
    baseline = replace(default, **known)
    if baseline.solution_checker not in _SOLUTION_CHECKER:
        raise ValueError(f"solution_checker must be one of {', '.join(_SOLUTION_CHECKER)}.")
    if wrong := set(baseline.blocking_steps) - set(STEP_KEYS_THAT_MAY_BLOCK):
        raise ValueError(f"blocking_steps knows {', '.join(STEP_KEYS_THAT_MAY_BLOCK)}, not {', '.join(sorted(wrong))}.")
    if not 31 <= baseline.audit_retention_days <= 24_855:
        raise ValueError("audit_retention_days must be from 31 to 24855.")
    return baseline
