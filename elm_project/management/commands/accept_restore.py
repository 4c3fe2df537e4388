"""``manage.py accept_restore``: exit code 0 a new incarnation of the log has begun, 2 refused."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit_app.actors import person
from audit_app.checkpoints import accept_restore
from core_app import tenancy
from core_app.errors import DomainError
from elm_project.responsible import responsible_person, tenants_of


class Command(BaseCommand):
    help = (
        "Say that a database which is behind what was signed was restored on purpose: a new incarnation of the log "
        "begins, and the log names who accepted it, why, and what was signed before. Run it on the host that signs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--as", required=True, dest="upn", metavar="UPN", help="a Governance Lead of the tenant")
        parser.add_argument("--reason", required=True)
        parser.add_argument("--tenant", metavar="NAME", help="only this one; all that they lead otherwise")

    @tenancy.everywhere("the person and their tenants are found by name")
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            reason = _reason(options["reason"])
            lead = responsible_person(options["upn"])
            for tenant in tenants_of(lead, options["tenant"]):
                tree = accept_restore(tenant.pk, by=person(lead), reason=reason)
                self.stdout.write(f"{tenant}: incarnation {tree.incarnation} begins with {tree.size} entries.")
        except (DomainError, ValueError) as refused:
            self.stderr.write(str(refused))
            sys.exit(2)


def _reason(text: str) -> str:
    if not text.strip():
        raise DomainError("Say why the database was restored.")
    return text.strip()
