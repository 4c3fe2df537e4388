"""``manage.py verify_log``: exit code 0 clean, 1 findings, 2 cannot verify."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from audit_app.verify import verify_log
from core_app import tenancy


class Command(BaseCommand):
    help = "Verify the log: hashes, chains, gaps, heads, and each request's state against its log."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    @tenancy.everywhere("every tenant's chains are verified")
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = verify_log()
        except (DatabaseError, ValueError) as error:  # ValueError: a stored value is none of its column's type
            self.stderr.write(f"Cannot verify: {error}. Is the database there and migrated?")
            sys.exit(2)
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json()))
        else:
            for finding in report.findings:
                self.stdout.write(f"{finding.classification:15} {finding.entry}  {finding.detail}")
            verdict = "verified" if report.ok else f"{len(report.findings)} finding(s)"
            self.stdout.write(f"{report.entries} entries: {verdict}.")
        sys.exit(0 if report.ok else 1)
