"""What a question of an examiner is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext_lazy

from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from core_app.recorded import shown
from evidence_app.contents import Row, chunked
from evidence_app.selection import Selection

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

_NOTHING: Final = gettext_lazy("Nothing of this kind happened in the period, as far as you may see.")


@dataclass(frozen=True, slots=True)
class Question:
    """One question, by a name that does not change, and how it is answered.

    Attributes:
        name: By which commands, addresses and files know it.
        text: As an examiner asks it.
        answered_from: What the rows are and where they come from, in a sentence or two.
        columns: Of the answer, in order.
        rows: The answer, within what somebody reaches and a period, in an order that is always the same.
        is_of_now: It is answered from how things stand at the moment, whatever the period.
        needs_whole_tenant: It is answered to who audits the whole tenant alone.
        empty_means: What it means that there are no rows.
    """

    name: str
    text: _StrPromise
    answered_from: _StrPromise
    columns: tuple[str, ...]
    rows: Callable[[Selection], Iterable[Row]]
    is_of_now: bool = False
    needs_whole_tenant: bool = False
    empty_means: _StrPromise = _NOTHING

    def answer(self, selection: Selection) -> Iterator[Row]:
        """Yield the answer, each row with exactly the question's columns."""
        for row in self.rows(selection):
            yield {name: row.get(name) for name in self.columns}


def entries_of(selection: Selection, *actions: Action) -> Iterator[dict[str, Any]]:
    """Yield log entries of some kinds, oldest first, under the names that answers use."""
    found = selection.entries.filter(action__in=actions) if actions else selection.entries
    for entry in chunked(found.order_by("timestamp", "chain", "sequence")):
        yield row_of(entry)


def row_of(entry: ProvisioningLog) -> dict[str, Any]:
    """Return an entry under the names that answers use; ``entry`` says where in the log it stands."""
    return {
        "at": entry.timestamp,
        "action": Action(entry.action).label,
        "about": entry.subject,
        "by": entry.actor,
        "succeeded": entry.success,
        "why": shown(entry.error_message),
        "correlation_id": entry.correlation_id,
        "details": entry.action_details,
        "entry": f"{entry.chain}#{entry.sequence}",
    }
