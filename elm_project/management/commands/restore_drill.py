"""``manage.py restore_drill``: exit code 0 passed, 1 not passed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core_app import tenancy
from elm_project.restore_drill import Drill, restore_drill


class Command(BaseCommand):
    help = "Restore a backup beside the database, verify the copy's log, throw the copy away, and log how it went."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--backup", type=Path, metavar="FILE", help="a stored backup instead of a fresh one")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    @tenancy.everywhere("a restored backup holds every tenant")
    def handle(self, *args: Any, **options: Any) -> None:
        drill = restore_drill(options["backup"])
        self.stdout.write(json.dumps(drill.as_json()) if options["json"] else _summary(drill))
        sys.exit(0 if drill.passed else 1)


def _summary(drill: Drill) -> str:
    if not drill.passed:
        return "\n".join(["The drill was not passed:", *drill.problems])
    return (
        f"{drill.rows} rows and {drill.entries} log entries restored and verified "
        f"in {drill.recovery_time_seconds} s (recovery time); "
        f"the data was {drill.recovery_point_seconds} s old (recovery point)."
    )
