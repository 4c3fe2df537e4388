"""``manage.py store_evidence``: exit code 0 stored or all as it was stored, 1 something differs, 2 not stored."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts_app.models import Tenant
from core_app import tenancy
from core_app.errors import DomainError
from evidence_app import archive


class Command(BaseCommand):
    help = (
        "Put the evidence of a quarter that has ended into the stores of the log's anchors, on the host that signs; "
        "without --quarter, of every one that is missing there."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--quarter", metavar="2026Q1", help="one that has ended; otherwise all that are missing")
        parser.add_argument("--tenant", metavar="NAME", help="only this one, with --quarter; all otherwise")
        parser.add_argument("--verify", action="store_true", help="store nothing, read every copy back instead")

    @tenancy.everywhere("every tenant's evidence is stored")
    def handle(self, *args: Any, **options: Any) -> None:
        if options["verify"]:
            sys.exit(1 if self._differences() else 0)
        try:
            copies = self._stored(options["quarter"], options["tenant"])
        except DomainError as refused:
            self.stderr.write(str(refused))
            sys.exit(2)
        for copy in copies:
            worm = f"WORM until {copy.kept_until:%Y-%m-%d}" if copy.is_worm and copy.kept_until else "not WORM"
            self.stdout.write(f"{copy.name} in {copy.place}, {copy.size} bytes, {worm}")
        self.stdout.write(f"{len(copies)} new.")

    def _stored(self, quarter: str | None, tenant: str | None) -> list[Any]:
        if quarter is None:
            return archive.store_ended()
        wanted = archive.quarter_to_store(quarter)
        found = Tenant.objects.filter(**({"name": tenant} if tenant else {})).order_by("name")
        if not found:
            raise DomainError(f"There is no tenant named {tenant}.")
        return [copy for each in found for copy in archive.store_quarter(each, wanted)]

    def _differences(self) -> int:
        count = wrong = 0
        for copy, difference in archive.verify_copies():
            count, wrong = count + 1, wrong + bool(difference)
            self.stdout.write(difference or f"{copy.name} in {copy.place}: as it was stored.")
        self.stdout.write(f"{count} copies, {wrong} not as they were stored.")
        return wrong
