"""How long things take, in looks and in seconds of the virtual clock (contract §19.1).

A wait ends with whichever comes first: its number of looks or its seconds; `None` switches one of them off.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any


@dataclass(frozen=True)
class Timing:
    """The knobs; a tenant may override each of them."""

    create_polls: int | None = 4  # the fourth look at a creation finds it finished
    create_seconds: float | None = 20
    operation_polls: int | None = 2
    operation_seconds: float | None = 10
    system_polls: int | None = 2  # the platform's own update after enabling Managed Environments (E8)
    system_seconds: float | None = 5
    metadata_reads: int | None = 2  # reads after creation that lack linkedEnvironmentMetadata (E4)
    management_reads: int | None = 3  # reads after creation that are not yet Ready (E4)
    metadata_seconds: float | None = 10
    token_denials: int | None = 1  # AADSTS500011 for a fresh organization (E15)
    dataverse_denials: int | None = 2  # 401, then 403 from a fresh organization (E15)
    dataverse_seconds: float | None = 10
    dataverse_requests: int | None = 6000  # of one user to one organization in five minutes (contract §3.4)
    retry_after: float = 1
    token_lifetime: float = 3599
    secret_propagation_seconds: float = 0  # until Entra accepts what Graph has added (contract §13)
    certificate_propagation_seconds: float = 0
    soft_delete_seconds: float = 7 * 86400
    domain_release_seconds: float = 86400
    page_size: int = 50  # Power Platform API lists (E26)
    list_creating: bool = False  # whether an unfinished environment is already listed (contract §21)
    regional_location: bool = True  # Location on the second origin (E2)
    ignore_azure_region: bool = False  # E22

    def updated(self, changes: Mapping[str, Any]) -> "Timing":
        """Return a copy with `changes`; raise ValueError naming every bad one."""
        problems = [problem for name, value in changes.items() if (problem := _problem(name, value))]
        if problems:
            raise ValueError("; ".join(problems))
        return replace(self, **changes)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


_FIELDS = {field.name: field for field in fields(Timing)}


def _problem(name: str, value: object) -> str | None:
    field = _FIELDS.get(name)
    if field is None:
        return f"timing.{name}: unknown; known are {', '.join(_FIELDS)}"
    if isinstance(field.default, bool):
        return None if isinstance(value, bool) else f"timing.{name}: must be true or false"
    if value is None and "None" in str(field.type):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return f"timing.{name}: must be a number, zero or more"
    return None
