"""``manage.py health live|ready|work``: a probe for hosts without a web process; exit code 0 green, 1 red."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from elm_project import health


class Command(BaseCommand):
    help = "Ask a health probe: exit code 0 when it is green, 1 when it is red."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the probe's name."""
        parser.add_argument("probe", choices=sorted(health.PROBES))

    def handle(self, *, probe: str, **_options: Any) -> None:
        """Print the answer, and exit with 1 when it is red."""
        green = health.is_green(probe)
        self.stdout.write("green" if green else "red")
        if not green:
            sys.exit(1)
