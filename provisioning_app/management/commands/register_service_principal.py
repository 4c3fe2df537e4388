"""``manage.py register_service_principal``: exit code 0 when nothing failed, 1 otherwise, 2 when nothing was begun."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser

from accounts_app.models import TenantIdentity
from core_app import tenancy
from core_app.errors import DomainError
from provisioning_app.credentials import console
from provisioning_app.credentials.registration import Outcome, Wanted, register


class Command(BaseCommand):
    help = "Register a service principal: perform what can be automated, list what only a person in a portal can do."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, metavar="NAME")
        parser.add_argument("--client-id", required=True, type=UUID, metavar="GUID", help="application (client) id")
        purposes = TenantIdentity.Purpose
        parser.add_argument("--purpose", default=purposes.PROVISIONING, choices=purposes.values)
        parser.add_argument("--kind", default=TenantIdentity.Kind.SECRET, choices=TenantIdentity.Kind.values)
        parser.add_argument("--dry-run", action="store_true", help="only print what would be done")

    @tenancy.everywhere("the tenant is found by its name")
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant = console.tenant_named(options["tenant"])
        except DomainError as refused:
            self.stderr.write(str(refused))
            sys.exit(2)
        wanted = Wanted(
            tenant=tenant,
            purpose=TenantIdentity.Purpose(options["purpose"]),
            client_id=options["client_id"],
            kind=TenantIdentity.Kind(options["kind"]),
            dry_run=options["dry_run"],
        )
        has_failed = False
        for step in register(wanted, partial(console.perform, tell=lambda line: self.stdout.write(f"    {line}"))):
            self.stdout.write(f"[{step.outcome}] {step.title}\n    {step.detail}")
            has_failed = has_failed or step.outcome == Outcome.FAILED
        sys.exit(1 if has_failed else 0)
