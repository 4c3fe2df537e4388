"""``manage.py examiner_question``: exit code 0 answered, 2 not answered."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core_app import clock, tenancy
from core_app.errors import DomainError
from evidence_app import answers
from evidence_app.answers import Form
from evidence_app.management.auditors import auditor_named, tenant_of
from evidence_app.questions import QUESTIONS
from evidence_app.selection import ALL


class Command(BaseCommand):
    help = "Answer a question of an examiner, as an ELM Auditor; without a name, list the questions."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", metavar="NAME", help="of the question, as who_approved")
        parser.add_argument("--as", dest="upn", metavar="UPN", help="the auditor; needed when there are several")
        parser.add_argument("--period", default=ALL, metavar="2026Q1", help="a quarter; the whole log unless given")
        parser.add_argument("--tenant", metavar="NAME", help="needed when the auditor audits several")
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="print one JSON document a line (NDJSON)")
        form.add_argument("--csv", action="store_true", help="print CSV, as without either")
        parser.add_argument("--output", type=Path, metavar="FILE", help="a file that does not exist yet")

    @tenancy.everywhere("person and tenant are found by their names")
    def handle(self, *args: Any, **options: Any) -> None:
        if not options["name"]:
            for question in QUESTIONS:
                self.stdout.write(f"{question.name:40} {question.text}")
            return
        try:
            content = self._answer(**options)
            if options["output"]:
                with options["output"].open("xb") as file:
                    file.write(content)
            else:
                self.stdout.write(content.decode("utf-8-sig"), ending="")
        except (DomainError, OSError) as refused:
            self.stderr.write(str(refused))
            sys.exit(2)

    def _answer(self, **options: Any) -> bytes:
        auditor = auditor_named(options["upn"])
        tenant = tenant_of(auditor, options["tenant"])
        auditor.authenticated_at = clock.now()  # the host has let them in: there is no session to ask
        form = Form.NDJSON if options["json"] else Form.CSV
        return answers.take_out(tenant.pk, options["name"], options["period"], form, by=auditor)
