"""The register: what leaves it, whoever has deleted it, takes along what was still to be done about it."""

from __future__ import annotations

from provisioning_app import gaps
from provisioning_app.choices import EnvironmentStatus
from provisioning_app.models import Environment


def take_off(row: Environment) -> None:
    """Mark an environment as deleted and close its gaps, in the caller's transaction; its request is locked before."""
    row.status, row.quarantined_at, row.quarantine_reason = EnvironmentStatus.DELETED, None, ""
    row.save()
    gaps.close_as_gone(row)
