"""Questions about the records: how long they are kept, what is held, whether the log was signed throughout."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from django.utils.translation import gettext_lazy

from audit_app.models import Checkpoint
from core_app.recorded import shown
from evidence_app.contents import Row, chunked, columns
from evidence_app.questions.question import Question
from evidence_app.selection import Selection
from evidence_app.tables import holds, retention

_SILENT_AFTER: Final = timedelta(minutes=15)


def _how_long_are_records_kept(selection: Selection) -> Iterator[Row]:
    for row in retention(selection):
        why_not = shown(row["not_begun"])
        yield {**row, "request": row["request_number"], "state": row["state_name"], "not_begun": why_not}


def _what_is_held(selection: Selection) -> Iterator[Row]:
    for row in holds(selection):
        people = {"placed_by": row["placed_by_upn"], "released_by": row["released_by_upn"]}
        yield {**row, **people, "request": row["request_number"]}


def _was_the_log_signed_throughout(selection: Selection) -> Iterator[Row]:
    """Yield the spans of the period in which nobody signed for more than a quarter of an hour."""
    rows = Checkpoint.objects.filter(tenant=selection.tenant, signed_at__lt=selection.end).order_by("signed_at", "size")
    before = rows.filter(signed_at__lt=selection.begin).last()
    last = before.signed_at if before else None
    times = rows.filter(signed_at__gte=selection.begin).values_list("signed_at", flat=True)
    for at in [*chunked(times), selection.present]:
        if last and at - last > _SILENT_AFTER:
            minutes = int((at - last).total_seconds() // 60)
            yield {"silent_from": last, "silent_until": at, "minutes": minutes}
        last = at


QUESTIONS: Final = (
    Question(
        "how_long_are_records_kept",
        gettext_lazy("How long are the records of each request kept?"),
        gettext_lazy(
            "The requests of the period with the years that the tenant's settings say for their "
            "zone, counted from the newest log entry once the request has ended and its environment "
            "is gone. This release deletes no record."
        ),
        columns("request zone state years last_entry_at keep_until not_begun held_for"),
        _how_long_are_records_kept,
        is_of_now=True,
    ),
    Question(
        "what_is_under_legal_hold",
        gettext_lazy("What is, or was, under legal hold?"),
        gettext_lazy(
            "Every legal hold that was in force at any time of the period, who placed and who released it, and why."
        ),
        columns("request matter reason placed_by placed_at released_by released_at release_reason"),
        _what_is_held,
        empty_means=gettext_lazy("Nothing was under legal hold in the period, as far as you may see."),
    ),
    Question(
        "was_the_log_signed_throughout",
        gettext_lazy("Was the log signed without a break?"),
        gettext_lazy(
            "Spans of the period in which no checkpoint was signed for more than a quarter of an "
            "hour; it is signed at least every five minutes."
        ),
        columns("silent_from silent_until minutes"),
        _was_the_log_signed_throughout,
        needs_whole_tenant=True,
        empty_means=gettext_lazy("The log was signed at least every quarter of an hour, from the first signature on."),
    ),
)
