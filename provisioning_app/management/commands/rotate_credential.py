"""``manage.py rotate_credential``: exit code 0 rotated, 1 not rotated, 2 nothing was started."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts_app.models import TenantIdentity
from core_app import tenancy
from core_app.errors import DomainError
from provisioning_app.credentials import console, rotation
from provisioning_app.models import RotationRecord


class Command(BaseCommand):
    help = "Rotate a service principal's credential: add, store, prove by a whole preflight, revoke the old one, log."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, metavar="NAME")
        parser.add_argument("--purpose", required=True, choices=TenantIdentity.Purpose.values)
        parser.add_argument("--kind", default="", choices=TenantIdentity.Kind.values, help="another kind than now")

    @tenancy.everywhere("tenant and identity are found by their names")
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant = console.tenant_named(options["tenant"])
            row = rotation.rotate(tenant.pk, options["purpose"], by=None, kind=options["kind"])
        except DomainError as refused:
            self.stderr.write(str(refused))
            sys.exit(2)
        row = console.perform(row, self.stdout.write)
        if row.stage == RotationRecord.Stage.COMPLETED:
            self.stdout.write(
                f"{row.identity}: key {row.key_id} is in force until {row.expires_on:%Y-%m-%d}, "
                f"Key Vault {row.secret_name} version {row.secret_version}; revoked: {row.old_key_id or 'nothing'}."
            )
            return
        self.stderr.write(f"{row.identity}: {row.get_stage_display()}. {row.error}")
        sys.exit(1)
