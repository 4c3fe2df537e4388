"""``manage.py export_evidence``: exit code 0 exported, 1 exported but not signed or not verified, 2 not exported."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core_app import clock, tenancy
from core_app.errors import DomainError
from evidence_app.management.auditors import auditor_named, tenant_of
from evidence_app.services import Evidence, export_evidence


class Command(BaseCommand):
    help = "Export a tenant's log entries and requests of a quarter, with a manifest, as an ELM Auditor."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--quarter", required=True, metavar="2026Q1")
        said = "a folder, or a file that ends in .zip, that does not exist yet (default: evidence-QUARTER.zip here)"
        parser.add_argument("--output", type=Path, metavar="PATH", help=said)
        parser.add_argument("--as", dest="upn", metavar="UPN", help="the auditor; needed when there are several")
        parser.add_argument("--tenant", metavar="NAME", help="needed when the auditor audits several")
        parser.add_argument("--json", action="store_true", help="print the manifest")

    @tenancy.everywhere("person and tenant are found by their names")
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            auditor = auditor_named(options["upn"])
            tenant = tenant_of(auditor, options["tenant"])
            auditor.authenticated_at = clock.now()  # the host has let them in: there is no session to ask
            output = options["output"] or Path(f"evidence-{options['quarter']}.zip")
            evidence = export_evidence(tenant.pk, options["quarter"], output, by=auditor)
        except DomainError as refused:
            self.stderr.write(str(refused))
            sys.exit(2)
        self.stdout.write(json.dumps(evidence.manifest) if options["json"] else _summary(evidence))
        if shortcomings := list(_shortcomings(evidence)):
            self.stderr.write("\n".join(shortcomings))
            sys.exit(1)


def _shortcomings(evidence: Evidence) -> Iterator[str]:
    if not evidence.signed:
        yield (
            "The manifest is NOT signed: this host does not have the key that signs the log, and the verifier will "
            "say KEY_UNKNOWN. Export on the host that signs."
        )
    if not evidence.verified:
        yield "The log does not verify; the findings are in the manifest. Run manage.py verify_log."


def _summary(evidence: Evidence) -> str:
    counts = ", ".join(f"{count} {what}" for what, count in evidence.manifest["counts"].items())
    verdict = "the log verifies" if evidence.verified else "the log does NOT verify"
    signature = "signed" if evidence.signed else "NOT signed"
    return f"{evidence.folder}: {counts}; {verdict}; {signature}; manifest SHA-256 {evidence.manifest_sha256}"
