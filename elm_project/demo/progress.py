"""Where the demo's requests stand, as a table that moves, or as lines where nothing can move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from core_app import clock
from gates_app import services as gates
from provisioning_app import plan
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest

_COLOURS: Final = {State.COMPLETED: "green", State.FAILED: "red", State.REJECTED: "red", State.PROVISIONING: "cyan"}


@dataclass(frozen=True, slots=True)
class Row:
    """One request at one moment; ``seconds`` counts from its creation to now, or to its completion."""

    tenant: str
    number: str
    zone: Zone
    state: State
    step: str
    seconds: float


def rows_of(request_ids: Sequence[UUID]) -> list[Row]:
    """Return where the requests stand now, in the order given."""
    found = EnvironmentRequest.objects.select_related("tenant", "gate").in_bulk(request_ids)
    return [_row(found[pk], clock.now()) for pk in request_ids]


def seconds_of(request: EnvironmentRequest, now: datetime) -> float:
    """Return how many seconds a request has taken, until its completion or until now."""
    return ((request.provisioning_completed or now) - request.created_at).total_seconds()


def _row(request: EnvironmentRequest, now: datetime) -> Row:
    return Row(
        tenant=request.tenant.name,
        number=request.request_number,
        zone=Zone(request.zone),
        state=State(request.state),
        step=_step(request, now),
        seconds=seconds_of(request, now),
    )


def _step(request: EnvironmentRequest, now: datetime) -> str:
    if request.state == State.PENDING_APPROVAL:
        return _decision(request, now)
    if request.state == State.PROVISIONING:
        return _provisioning(request)
    if request.state == State.APPROVED:
        return "waits for a slot"
    return request.failure_reason.split("\n")[0] if request.state == State.FAILED else ""


def _decision(request: EnvironmentRequest, now: datetime) -> str:
    if request.gate is None:
        return ""
    stage = gates.current_stage(request.gate)
    if stage:
        return f"decision {stage.number}: {stage.role}"
    left = (request.gate.undo_until - now).total_seconds() if request.gate.undo_until else 0
    return f"objection window, {left:.0f} s left" if left > 0 else "approval by policy"


def _provisioning(request: EnvironmentRequest) -> str:
    run = request.runs.order_by("-attempt").first()
    if run is None:
        return ""
    label = plan.label(run.plan_version, run.step)
    return f"{label}: {run.waiting_for}" if run.waiting_for else label


class Progress:
    """Shows the rows again and again on a console; use it as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        # Without a thread of its own, so that processes can be started safely meanwhile
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._shown: dict[tuple[str, str], Row] = {}

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, rows: Sequence[Row]) -> None:
        """Draw the table, or print the rows whose state or step changed."""
        if self._live:
            self._live.update(_table(rows), refresh=True)
            return
        for row in rows:
            key, shown = (row.tenant, row.number), self._shown.get((row.tenant, row.number))
            if shown is None or (shown.state, _still(shown.step)) != (row.state, _still(row.step)):
                self._console.print(Text(_line(row)), soft_wrap=True)
            self._shown[key] = row


def _still(step: str) -> str:
    """Leave out what counts down, which is worth no line of its own."""
    return step.partition(",")[0]


def _line(row: Row) -> str:
    words = (row.tenant, row.number, row.zone.label, row.state.label, row.step)
    return f"{row.seconds:5.1f} s  " + "  ".join(word for word in words if word)


def _table(rows: Sequence[Row]) -> Table:
    table = Table("Tenant", "Request", "Zone", "State", "Step")
    table.add_column("Elapsed", justify="right")
    for row in rows:
        state = Text(row.state.label, style=_COLOURS.get(row.state, "yellow"))
        cells = (Text(row.tenant), row.number, str(row.zone.value), state, Text(row.step), f"{row.seconds:.0f} s")
        table.add_row(*cells)
    return table
