"""``manage.py rotate_signing_key``: exit code 0 rotated, 2 not rotated."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit_app.actors import person
from audit_app.checkpoints import rotate_key
from audit_app.keys import KeyUnavailableError
from audit_app.witness import SignerRefusedError
from core_app import tenancy
from core_app.errors import DomainError
from elm_project.responsible import responsible_person


class Command(BaseCommand):
    help = "Make a new key for the log's checkpoints; every tenant's log names it, signed by the old and the new key."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--as", required=True, dest="upn", metavar="UPN", help="a Governance Lead")

    @tenancy.everywhere("every tenant's log names the new key")
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            told = rotate_key(by=person(responsible_person(options["upn"])))
        except (DomainError, KeyUnavailableError, SignerRefusedError, ValueError) as refused:
            self.stderr.write(f"The key was not rotated: {refused}")
            sys.exit(2)
        self.stdout.write(f"New key fingerprint (SHA-256): {told}\nTell it to whoever verifies, by another way.")
