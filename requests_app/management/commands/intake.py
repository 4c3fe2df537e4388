"""``manage.py intake FILE…``: exit code 0 when every payload is stored, 2 when one has problems."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core_app import tenancy
from core_app.errors import InvalidInputError
from requests_app.choices import State, Zone
from requests_app.intake import Received, read_file, receive


class Command(BaseCommand):
    help = "Take payloads of the intake agent: each becomes a submitted request, or its problems are listed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="a JSON file, or - for standard input")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    @tenancy.everywhere("a payload names its requester, who may be of any tenant")
    def handle(self, *args: Any, **options: Any) -> None:
        outcomes = [self._take(name, quiet=options["json"]) for name in options["files"]]
        if options["json"]:
            self.stdout.write(json.dumps(outcomes))
        if any("problems" in outcome for outcome in outcomes):
            sys.exit(2)

    def _take(self, name: str, *, quiet: bool) -> dict[str, Any]:
        try:
            received = receive(read_file(name), by=None)
        except InvalidInputError as error:
            for path, sentence in error.problems:
                self.stderr.write(f"{name}: {path}: {sentence}")
            return {"file": name, "problems": [{"path": path, "message": said} for path, said in error.problems]}
        if not quiet:
            self.stdout.write(_line(received))
        return {"file": name, **received.as_json()}


def _line(received: Received) -> str:
    request = received.request
    return f"{request} {Zone(request.zone).label} {State(request.state).label}"
