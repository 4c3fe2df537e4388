"""``manage.py export_evidence``: exit code 0 exported, 1 exported although the log does not verify, 2 not exported."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts_app.models import Tenant, User
from accounts_app.roles import Role
from accounts_app.scope import scope_of
from core_app import clock, tenancy
from core_app.errors import DomainError, PermissionRefused
from evidence_app.permissions import audited_tenants
from evidence_app.services import Evidence, export_evidence


class Command(BaseCommand):
    help = "Export a tenant's log entries and requests of a quarter, with a manifest, as an ELM Auditor."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--quarter", required=True, metavar="2026Q1")
        parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="a folder that does not exist")
        parser.add_argument("--as", required=True, dest="upn", metavar="UPN", help="the auditor")
        parser.add_argument("--tenant", metavar="NAME", help="needed when the auditor audits several")
        parser.add_argument("--json", action="store_true", help="print the manifest")

    @tenancy.everywhere("person and tenant are found by their names")
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            auditor = _person(options["upn"])
            tenant = _tenant(auditor, options["tenant"])
            auditor.authenticated_at = clock.now()  # the host has let them in: there is no session to ask
            evidence = export_evidence(tenant.pk, options["quarter"], options["output"], by=auditor)
        except DomainError as refused:
            self.stderr.write(str(refused))
            sys.exit(2)
        self.stdout.write(json.dumps(evidence.manifest) if options["json"] else _summary(evidence))
        if not evidence.verified:
            self.stderr.write("The log does not verify; the findings are in the manifest. Run manage.py verify_log.")
            sys.exit(1)


def _person(upn: str) -> User:
    try:
        return User.objects.get_by_natural_key(upn)
    except User.DoesNotExist:
        raise DomainError(f"There is nobody with the user principal name {upn}.") from None


def _tenant(auditor: User, name: str | None) -> Tenant:
    reach = scope_of(auditor).own.get(Role.AUDITOR)
    audited = list(audited_tenants(reach)) if reach else []
    if not audited:
        raise PermissionRefused(f"{auditor.upn} is no {Role.AUDITOR} of any tenant.")
    chosen = [tenant for tenant in audited if name in (None, tenant.name)]
    if len(chosen) != 1:
        raise DomainError(f"Choose a tenant with --tenant: {', '.join(tenant.name for tenant in audited)}.")
    return chosen[0]


def _summary(evidence: Evidence) -> str:
    counts = ", ".join(f"{count} {what}" for what, count in evidence.manifest["counts"].items())
    verdict = "the log verifies" if evidence.verified else "the log does NOT verify"
    return f"{evidence.folder}: {counts}; {verdict}; manifest SHA-256 {evidence.manifest_sha256}"
