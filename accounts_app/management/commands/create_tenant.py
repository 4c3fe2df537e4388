"""``manage.py create_tenant``: exit code 0 made, 2 refused."""

from __future__ import annotations

import sys
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser

from accounts_app.services import FirstLead, open_tenant
from core_app import tenancy
from core_app.errors import DomainError


class Command(BaseCommand):
    help = (
        "Make a tenant with its business units and its first two Governance Leads, who then say which Entra groups "
        "have which roles. They sign in with Microsoft like everybody."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--entra-tenant-id", required=True, type=UUID, metavar="GUID")
        parser.add_argument(
            "--lead", action="append", required=True, type=_lead, metavar="UPN=OBJECT_ID", help="two at least"
        )
        parser.add_argument(
            "--unit", action="append", default=[], metavar="A/B", help="a business unit, after the one it belongs to"
        )
        parser.add_argument("--key-vault-url", default="", metavar="URL")

    @tenancy.everywhere("the tenant does not exist yet")
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant = open_tenant(
                options["name"],
                options["entra_tenant_id"],
                leads=options["lead"],
                units=options["unit"],
                key_vault_url=options["key_vault_url"],
            )
        except DomainError as refused:
            self.stderr.write(str(refused))
            sys.exit(2)
        self.stdout.write(f"{tenant} is made; its Governance Leads can sign in.")


def _lead(text: str) -> FirstLead:
    upn, _, object_id = text.partition("=")
    return FirstLead(upn, UUID(object_id))
