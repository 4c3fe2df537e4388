"""``manage.py stream_log``: the lines of the log's stream once more, for a SIEM that missed some."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit_app.models import ProvisioningLog
from audit_app.stream import entry_line
from core_app import tenancy

_CHUNK = 2000


class Command(BaseCommand):
    help = "Print entries of the log as the stream writes them, by time: what a SIEM missed, or all of a chain."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", type=_moment, metavar="2026-03-02T09:00", help="in UTC unless it says otherwise")
        parser.add_argument("--until", type=_moment, metavar="2026-03-02T10:00", help="not included")
        parser.add_argument("--chain", metavar="NAME", help="of one chain alone")

    @tenancy.everywhere("a SIEM watches every tenant")
    def handle(self, *args: Any, **options: Any) -> None:
        wanted = {"timestamp__gte": options["since"], "timestamp__lt": options["until"], "chain": options["chain"]}
        entries = ProvisioningLog.objects.filter(**{name: value for name, value in wanted.items() if value})
        for entry in entries.order_by("timestamp", "chain", "sequence").iterator(chunk_size=_CHUNK):
            self.stdout.write(entry_line(entry))


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text} is no moment; write it as in 2026-03-02T09:00.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
