"""``manage.py verify_log``: exit code 0 clean, 1 findings, 2 cannot verify."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from audit_app import scheduled
from audit_app.verify import Report, verify_log
from core_app import tenancy


class Command(BaseCommand):
    help = (
        "Verify the log: hashes, chains, gaps, heads, the tree against everything that was signed for it, and each "
        "request's state against its log."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON document")
        parser.add_argument(
            "--incremental", action="store_true", help="only what is new since the last clean result, and keep this one"
        )

    @tenancy.everywhere("every tenant's chains are verified")
    def handle(self, *args: Any, **options: Any) -> None:
        covered: dict[str, Any] = {}
        try:
            if options["incremental"]:
                report, run = scheduled.verify(is_full=False)
                covered = run.coverage
            else:
                report = verify_log()
        except DatabaseError as error:
            self.stderr.write(f"Cannot verify: {error}. Is the database there and migrated?")
            sys.exit(2)
        except (ValueError, TypeError) as error:
            self.stderr.write(f"Cannot verify: somebody put a value into a column that is none of its type ({error}).")
            sys.exit(2)
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json()))
        else:
            self._tell(report, covered)
        sys.exit(0 if report.ok else 1)

    def _tell(self, report: Report, covered: dict[str, Any]) -> None:
        for finding in report.findings:
            note = " (for information)" if finding.is_informational else ""
            self.stdout.write(f"{finding.classification:18} {finding.entry}  {finding.detail}{note}")
        for sentence in report.tails:
            self.stdout.write(f"Not signed for yet: {sentence}")
        for tenant, part in covered.items():
            whole = f"{part['verified_to']} of {part['of']} leaves verified, all at once on {part['all_verified_at']}"
            self.stdout.write(f"tree:{tenant}: {whole}")
        verdict = "verified" if report.ok else f"{len(report.defects)} finding(s)"
        self.stdout.write(f"{report.entries} entries: {verdict}.")
