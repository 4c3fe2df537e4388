"""``manage.py verify_privileges``: exit code 0 as expected, 1 findings, 2 cannot verify."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from accounts_app.privilege_report import Privileges
from accounts_app.privileges import record_review, verify_privileges
from audit_app.actors import SYSTEM
from core_app import tenancy


class Command(BaseCommand):
    help = "Show what every role may do to every table, expected and effective, and name each difference."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    @tenancy.everywhere("every account and grant is compared with the table of roles")
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = verify_privileges(is_production=settings.PRODUCTION)
            record_review(found, by=SYSTEM)
        except DatabaseError as error:
            self.stderr.write(f"Cannot verify: {error}. Is the database there and migrated?")
            sys.exit(2)
        self.stdout.write(json.dumps(found.as_json()) if options["json"] else "\n".join(_lines(found)))
        sys.exit(0 if found.ok else 1)


def _lines(found: Privileges) -> list[str]:
    cells = [cell for cell in found.cells if cell.expected or cell.effective]
    return [
        *(f"{cell.role:23} {cell.table:45} {' '.join(cell.effective) or 'nothing'}" for cell in cells),
        *(f"{'policy':23} {each.table:45} {'present' if each.present else 'MISSING'}" for each in found.policies),
        *(f"{'triggers':23} {each.table:45} {_compared(each.expected, each.effective)}" for each in found.triggers),
        *_database_roles(found),
        *map(_grants, found.grants_by_role()),
        *(f"Note: {note.text}" for note in found.notes),
        *(f"{finding.kind:19} {finding.subject}: {finding.detail}" for finding in found.findings),
        "Access is as expected." if found.ok else f"{len(found.findings)} finding(s).",
    ]


def _grants(each: dict[str, Any]) -> str:
    kind = f"grants of rows, {each['depth']}"
    return f"{each['role']:23} {kind:45} {each['expected']} expected, {each['effective']} in force"


def _compared(expected: tuple[str, ...], effective: tuple[str, ...]) -> str:
    """Return what is effective, and what differs from what is expected."""
    missing = [f"{name} MISSING" for name in expected if name not in effective]
    held = [name if name in expected else f"{name} NOT EXPECTED" for name in effective]
    return " ".join((*held, *missing))


def _database_roles(found: Privileges) -> Iterator[str]:
    for each in found.database_rights:
        who = f"{each.role} ({each.standing})" if each.standing else each.role
        yield f"{'database role':23} {each.table:45} {who}: {_compared(each.expected, each.effective)}"
