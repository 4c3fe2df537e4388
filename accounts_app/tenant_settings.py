"""What a tenant may set, and the values that hold where it sets nothing (elm.md §4 and §6; seed, Polling and Limits).

Pure: no database. The stored row keeps only the differences; ``parse`` turns them into a checked, typed object. Each
setting has a path, such as ``poll_limit`` or ``baselines.3.sharing_limit``, and one line in ``KINDS``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, field
from typing import Any, Final

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop

from accounts_app.roles import DECIDING_ROLES, Role
from accounts_app.setting_kinds import Choice, Kind, Number, SecretName, Several, Switch, Text, in_words
from core_app.errors import InvalidInputError

ZONES: Final = (1, 2, 3)
# Zone → years that records are kept at least (FINRA 4511 and SEC 17a-4 where regulated); the database insists on it
LEAST_RETENTION_YEARS: Final[Mapping[int, int]] = {1: 3, 2: 6, 3: 6}
STEP_KEYS_THAT_MAY_BLOCK: Final = ("environment_group", "baseline", "people", "dlp")


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
    escalation_hours: Mapping[int, int] = field(default_factory=lambda: {1: 48, 2: 48, 3: 72})
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
    retention_years: Mapping[int, int] = field(default_factory=lambda: dict(LEAST_RETENTION_YEARS))
    allow_developer: bool = False
    approvers_may_request_for_their_unit: bool = False
    reduce_principal_roles: bool = False
    teams_webhook_secret: str = ""

    @property
    def creation_seconds(self) -> int:
        """Return how long a creation is polled before it counts as timed out."""
        return self.poll_interval_seconds * self.poll_limit


TOGETHER: Final[dict[str, Kind]] = {
    "undo_window_seconds": Number(
        noop("How long somebody may object to a request of Zone 1 before policy approves it."), "seconds", 0, 86_400
    ),
    "poll_interval_seconds": Number(noop("How long to wait between two looks at a creation."), "seconds", 1, 300),
    "poll_limit": Number(noop("How often to look at a creation before it counts as timed out."), "looks", 1, 1000),
    "propagation_seconds": Number(
        noop("How long a new environment may stay invisible before another attempt at its creation."),
        "seconds",
        120,
        3600,
    ),
    "concurrent_runs": Number(noop("How many environments are provisioned at the same time."), "runs", 1, 50),
    "starts_per_minute": Number(noop("How many runs may start within any minute."), "runs", 1, 100),
    "creations_per_day": Number(noop("How many environments may be created in a day (UTC)."), "environments", 1, 1000),
    "allow_developer": Switch(
        noop("Whether Developer environments may be asked for; Microsoft refuses our principal them.")
    ),
    "approvers_may_request_for_their_unit": Switch(
        noop("Whether approvers may ask for environments of a unit they approve for; somebody else then decides.")
    ),
    "reduce_principal_roles": Switch(
        noop("Whether our service principal gives up its rights in a finished environment.")
    ),
    "teams_webhook_secret": SecretName(
        noop(
            "The secret in the Key Vault that holds the address of the Teams workflow to which "
            "notifications are posted; everybody in its channel reads them."
        ),
        127,
        empty=noop("no Teams channel"),
    ),
}
_HOURS: Final = Number(
    noop("How long a stage may stay undecided before the Governance Lead is asked."), "hours", 1, 8760
)
_RETENTION: Final = noop(
    "How long the records of a request are kept after its last log entry, its environment being gone."
)
_STAGES: Final = noop("Who decides, one after the other.")
_ROLES: Final = tuple(role.value for role in DECIDING_ROLES)
_BY_POLICY: Final = noop("nobody: policy approves after the objection window")
_BASELINE: Final[dict[str, Kind]] = {
    "environment_group": Text(noop("The Power Platform environment group it joins."), 100),
    "audit_retention_days": Number(noop("How long Dataverse keeps audit records."), "days", 31, 24_855),
    "session_timeout_minutes": Number(noop("After what time people have to sign in again."), "minutes", 60, 1440),
    "sharing_limit": Number("How many people an app may be shared with.", "people", 1, 100_000, empty=noop("no limit")),
    "solution_checker": Choice(
        noop("What the solution checker does about critical issues."), ("none", "warn", "block")
    ),
    "security_role": Text(noop("The Dataverse security role its people get."), 100),
    "required_dlp_policy": Text("The data policy that has to cover it.", 256, empty=noop("any data policy")),
    "blocking_steps": Several(
        noop("The steps without which it is not complete, beyond those that always count."),
        STEP_KEYS_THAT_MAY_BLOCK,
        0,
        noop("none beyond those"),
    ),
}


def _of_zone(zone: int) -> dict[str, Kind]:
    by_policy = _BY_POLICY if zone == 1 else ""  # only Zone 1 may be approved without a person
    stages = Several(_STAGES, _ROLES, 0 if by_policy else 1, by_policy, in_order=True)
    baseline = {f"baselines.{zone}.{name}": kind for name, kind in _BASELINE.items()}
    retention = Number(_RETENTION, "years", LEAST_RETENTION_YEARS[zone], 100)
    return {
        f"stages.{zone}": stages,
        f"escalation_hours.{zone}": _HOURS,
        f"retention_years.{zone}": retention,
        **baseline,
    }


OF_ZONE: Final = {zone: _of_zone(zone) for zone in ZONES}
KINDS: Final[dict[str, Kind]] = {
    **TOGETHER,
    **{path: kind for kinds in OF_ZONE.values() for path, kind in kinds.items()},
}


def parse(version: int, values: Mapping[str, Any]) -> Settings:
    """Return the settings that a stored row means.

    Args:
        version: The row's version.
        values: Differences from the defaults; zones are the strings "1", "2", "3".

    Raises:
        InvalidInputError: listing every setting, by its path, that is unknown or out of range.
    """
    problems: list[tuple[str, str]] = []
    known = by_path(Settings())
    for path, value in _leaves(values):
        try:
            known[path] = _kind(path).checked(value)
        except ValueError as error:
            problems.append((path, str(error)))
    if problems:
        raise InvalidInputError(problems)
    return _built(version, known)


def by_path(settings: Settings) -> dict[str, Any]:
    """Return every setting by its path, in the order in which people read them."""
    return {path: _value(settings, path) for path in KINDS}


def differences(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row stores: of values by path those that are not the defaults, as nested JSON."""
    defaults, stored = by_path(Settings()), dict[str, Any]()
    for path, value in values.items():
        if value != defaults.get(path):
            *above, name = path.split(".")
            place = stored
            for part in above:
                place = place.setdefault(part, {})
            place[name] = [str(each) for each in value] if isinstance(value, tuple) else value
    return stored


def changes(before: Settings, after: Settings) -> list[dict[str, str]]:
    """Return what differs between two versions, in words: setting, before, after."""
    old, new = by_path(before), by_path(after)
    return [
        {
            noop("setting"): title(path),
            noop("before"): kind.in_words(old[path]),
            noop("after"): kind.in_words(new[path]),
        }
        for path, kind in KINDS.items()
        if old[path] != new[path]
    ]


def title(path: str) -> str:
    """Return what people call a setting: ``baselines.3.sharing_limit`` is "Zone 3: sharing limit"."""
    zone = next((part for part in path.split(".") if part.isdigit()), "")
    if zone:
        return _("Zone %(zone)s: %(setting)s") % {"zone": zone, "setting": name_of(path)}
    return capfirst(name_of(path))


def name_of(path: str) -> str:
    """Return what people call a setting whatever the zone."""
    return _(_name(path))


def texts() -> set[str]:
    """Return every text by which the settings are shown, as it is looked up in a catalogue."""
    found = {_name(path) for path in KINDS}
    for value in (value for kind in KINDS.values() for value in astuple(kind)):
        found |= set(map(in_words, value)) if isinstance(value, tuple) else {value} if isinstance(value, str) else set()
    return found - {""}


def _name(path: str) -> str:
    return in_words(" ".join(part for part in path.split(".") if part != "baselines" and not part.isdigit()))


def _leaves(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        path = f"{above}{name}"
        if isinstance(value, Mapping) and path not in KINDS:
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value


def _kind(path: str) -> Kind:
    if path in KINDS:
        return KINDS[path]
    if below := _names_below(path):
        raise ValueError(_("must be an object; its names are out of %(names)s.") % {"names": ", ".join(below)})
    above = path
    while above and not _names_below(above):
        above = above.rpartition(".")[0]
    raise ValueError(_("is not a setting; known are %(names)s.") % {"names": ", ".join(sorted(_names_below(above)))})


def _names_below(path: str) -> list[str]:
    start = f"{path}." if path else ""
    return list(dict.fromkeys(known[len(start) :].partition(".")[0] for known in KINDS if known.startswith(start)))


def _value(settings: Settings, path: str) -> Any:
    name, _, rest = path.partition(".")
    if not rest:
        return getattr(settings, name)
    zone, _, detail = rest.partition(".")
    of_zone = getattr(settings, name)[int(zone)]
    return getattr(of_zone, detail) if detail else of_zone


def _built(version: int, known: Mapping[str, Any]) -> Settings:
    return Settings(
        version=version,
        **{name: known[name] for name in TOGETHER},
        stages={zone: tuple(Role(role) for role in known[f"stages.{zone}"]) for zone in ZONES},
        escalation_hours={zone: known[f"escalation_hours.{zone}"] for zone in ZONES},
        retention_years={zone: known[f"retention_years.{zone}"] for zone in ZONES},
        baselines={zone: Baseline(**{name: known[f"baselines.{zone}.{name}"] for name in _BASELINE}) for zone in ZONES},
    )
