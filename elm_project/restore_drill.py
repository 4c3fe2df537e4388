"""The restore drill: a backup counts only when it has been restored, and what was restored verifies."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import DatabaseError, connection

from accounts_app.models import Tenant
from audit_app.actions import Action
from audit_app.actors import SYSTEM
from audit_app.log import record
from audit_app.verify import verify_log
from core_app import clock
from core_app.transactions import transactional
from elm_project.backups import Backup, BackupError, database_in_use, differences


@dataclass(slots=True)
class Drill:
    """How a drill went; times are whole seconds, rounded up.

    Attributes:
        database: The kind of database.
        started_at: When it began.
        backup_seconds: How long the backup took; 0 for a stored one.
        recovery_time_seconds: From the backup to a database that is restored and verified (the RTO that is achieved).
        recovery_point_seconds: How old the restored data was by then: what was written since would be lost (RPO).
        backup_bytes: The size of the backup.
        rows: How many rows were restored, in all tables.
        entries: How many log entries were verified.
        problems: What went wrong, a sentence each; none when the drill was passed.
    """

    database: str
    started_at: datetime
    backup_seconds: int = 0
    recovery_time_seconds: int = 0
    recovery_point_seconds: int = 0
    backup_bytes: int = 0
    rows: int = 0
    entries: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Say whether nothing went wrong."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return everything, as the log and the command show it."""
        return asdict(self) | {"started_at": self.started_at.isoformat(), "passed": self.passed}


def restore_drill(stored: Path | None = None) -> Drill:
    """Back up, restore beside the database in use, verify the copy, throw it away; and log how it went per tenant.

    Args:
        stored: A backup that was taken earlier, to be restored instead of a fresh one.
    """
    drill = Drill(connection.vendor, clock.now())
    try:
        with tempfile.TemporaryDirectory(prefix="elm-drill-") as folder:
            _perform(drill, stored, Path(folder))
    except BackupError as error:
        drill.problems.append(str(error))
    for tenant in Tenant.objects.order_by("name"):
        _record(drill, tenant)
    return drill


def _perform(drill: Drill, stored: Path | None, folder: Path) -> None:
    database = database_in_use()
    backup = Backup.taken_earlier(stored) if stored else database.back_up(folder)
    backed_up_at = clock.now()
    drill.backup_seconds = 0 if stored else _seconds(drill.started_at, backed_up_at)
    drill.backup_bytes = backup.file.stat().st_size
    with database.restored(backup, folder) as restored:
        drill.rows = sum(restored.rows.values())
        if backup.rows is not None:
            drill.problems += differences(backup.rows, restored.rows)
        _verify(drill, restored.alias)
        verified_at = clock.now()
    drill.recovery_time_seconds = _seconds(backed_up_at, verified_at)
    drill.recovery_point_seconds = _seconds(backup.taken_at, verified_at)


def _verify(drill: Drill, alias: str) -> None:
    try:
        report = verify_log(using=alias)
    except (DatabaseError, ValueError) as error:
        raise BackupError(f"The restored log cannot be verified, perhaps it is of another release: {error}") from error
    drill.entries = report.entries
    drill.problems += [f"{found.classification} {found.entry}: {found.detail}" for found in report.defects]


@transactional
def _record(drill: Drill, tenant: Tenant) -> None:
    details = drill.as_json()
    problems = details.pop("problems")
    record(
        Action.RESTORE_DRILLED,
        on=tenant,
        by=SYSTEM,
        details=details,
        error="; ".join(problems),
        success=drill.passed,
    )


def _seconds(begin: datetime, end: datetime) -> int:
    return -int((begin - end).total_seconds() // 1)
