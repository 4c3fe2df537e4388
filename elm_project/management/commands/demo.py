"""``manage.py demo``: the whole application against the simulator, on this machine, without any server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from core_app import tenancy
from core_app.errors import DomainError
from elm_project.demo.folder import Folder
from elm_project.demo.story import Options, play

_INTERRUPTED = 130


class Command(BaseCommand):
    help = (
        "Starts simulator, worker, beat and web, hands in the sample intake payloads, lets made-up people decide, "
        "and shows how the requests become environments."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="end when the requests are completed")
        parser.add_argument("--json", action="store_true", dest="as_json", help="write one JSON document to stdout")
        parser.add_argument("--chaos", action="store_true", help="inject faults and kill the worker all the time")
        parser.add_argument("--dir", type=Path, help="folder for database, broker, keys and logs (ELM_STATE_DIR)")
        parser.add_argument("--port", type=int, help="port of the web application (default: a free one)")
        parser.add_argument("--simulator-port", type=int, help="first port of the simulator (default: free ones)")
        parser.add_argument("--follow-parent", action="store_true", help="end when the calling process has ended")

    @tenancy.everywhere("the demonstration has a tenant of its own and shows all of it")
    def handle(self, *_args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("The demo makes people up; it does not run with ELM_ENVIRONMENT=production.")
        folder = Folder.at(options["dir"])
        if not folder.is_chosen():
            raise CommandError("Start it as `manage.py demo`, with --dir written in full.")
        wanted = Options(
            once=options["once"],
            as_json=options["as_json"],
            chaos=options["chaos"],
            port=options["port"],
            simulator_port=options["simulator_port"],
            follow_parent=options["follow_parent"],
        )
        try:
            problems = play(folder, wanted, Console(stderr=wanted.as_json))
        except DomainError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            sys.exit(_INTERRUPTED if wanted.once else 0)
        if problems:
            raise CommandError("\n".join(problems))
