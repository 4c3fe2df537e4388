"""``manage.py review_privileges``: exit code 0 no findings, 1 findings, 2 it could not be collected or started."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core_app import tenancy
from core_app.errors import DomainError
from provisioning_app.credentials import console, reviews
from provisioning_app.models import PrivilegeReview


class Command(BaseCommand):
    help = "Start a privilege review of a tenant's service principals, or show the open one; people dispose and sign."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, metavar="NAME")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    @tenancy.everywhere("the tenant is found by its name")
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant = console.tenant_named(options["tenant"])
            unsigned = tenant.privilege_reviews.exclude(status=PrivilegeReview.Status.SIGNED).first()
            review = unsigned or reviews.start_review(tenant.pk, by=None)
        except DomainError as refused:
            self.stderr.write(str(refused))
            sys.exit(2)
        reviews.collect(review.pk)
        review.refresh_from_db()
        if review.status == PrivilegeReview.Status.COLLECTING:
            self.stderr.write(f"{review} could not be collected, and is tried again by the sweep: {review.error}")
            sys.exit(2)
        found = list(review.findings.values("kind", "subject", "expected", "observed", "disposition"))
        if options["json"]:
            self.stdout.write(json.dumps({"review": str(review.pk), "checked": review.checked, "findings": found}))
        else:
            self._show(review, found)
        sys.exit(1 if found else 0)

    def _show(self, review: PrivilegeReview, found: list[Any]) -> None:
        self.stdout.write(f"{review}: {', '.join(f'{count} {what}' for what, count in review.checked.items())}")
        for each in found:
            self.stdout.write(f"{each['kind']}: {each['subject']}\n    should: {each['expected']}")
            self.stdout.write(f"    is: {each['observed']}\n    disposition: {each['disposition'] or 'none yet'}")
        self.stdout.write(f"{len(found)} finding(s).")
