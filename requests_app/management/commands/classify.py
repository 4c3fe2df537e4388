"""``manage.py classify FILE|-``: which zone a payload would get, and why; stores nothing. Exit code 2 with problems."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core_app.errors import InvalidInputError
from requests_app.intake import classify_payload, read_file
from requests_app.policies.classification import Classification


class Command(BaseCommand):
    help = "Say which zone an intake payload would get, and why. Only its answers have to be there; nothing is stored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help="a JSON file, or - for standard input")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            verdict = classify_payload(read_file(options["file"]))
        except InvalidInputError as error:
            for path, sentence in error.problems:
                self.stderr.write(f"{options['file']}: {path}: {sentence}")
            sys.exit(2)
        self.stdout.write(json.dumps(verdict.as_json()) if options["json"] else _in_words(verdict))


def _in_words(verdict: Classification) -> str:
    lines = [f"{verdict.zone.label} (rules {verdict.rule_set_version})"]
    lines += [f"  {flag:22} {reason}" for flag, reason in zip(verdict.flags, verdict.reasons, strict=True)]
    if not verdict.flags:
        lines.append("  No rule asks for more.")
    if verdict.lower_by:
        lines.append(f"To lower the zone: {'; '.join(verdict.lower_by)}.")
    return "\n".join(lines)
