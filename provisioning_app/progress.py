"""How far provisioning of a request is, step by step, in words for people; it only reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from core_app import database_clock
from core_app.recorded import shown
from core_app.text import lasted
from provisioning_app import gaps, plan
from provisioning_app.choices import LIVE_STATUSES, RunStatus, StepOutcome
from provisioning_app.limits import place_in_queue
from provisioning_app.models import Gap, ProvisioningRun, StepRecord
from requests_app.choices import State
from requests_app.models import EnvironmentRequest


class Standing(Enum):
    """Where a step stands: what people call it, and the colour of its label."""

    AHEAD = gettext_lazy("Not begun"), ""
    RUNNING = gettext_lazy("Running"), "primary"
    WAITING = gettext_lazy("Waiting"), "info"
    AGAIN = gettext_lazy("Tried again"), "warning"
    UNKNOWN = gettext_lazy("Result unknown"), "warning"
    DONE = gettext_lazy("Done"), "success"
    GAP = gettext_lazy("Open gap"), "warning"
    NEVER = gettext_lazy("Never applied"), ""
    FAILED = gettext_lazy("Failed"), "danger"


@dataclass(frozen=True, slots=True)
class Line:
    """One step of the plan.

    Attributes:
        number: Its place in the plan, from 1.
        label: What people call it.
        standing: Where it stands.
        attempts: As in ``2 of 3``; empty while one was enough.
        took: How long it has lasted, or did; empty before it begins.
        note: What it waits for, why it failed, or in which attempt it was done.
        record: Its newest attempt, with what was read back; None before it begins.
    """

    number: int
    label: str
    standing: Standing
    attempts: str = ""
    took: str = ""
    note: str = ""
    record: StepRecord | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a request's newest run is, or a given one.

    Attributes:
        run: The run; None before there is one.
        lines: Its steps, in the order of the plan.
        headline: One sentence that says where it stands.
        took: How long the run has lasted, or did; empty before it has a slot.
        is_live: Whether it can change by itself, so that looking again is worth it.
        read_at: When all this was read.
    """

    run: ProvisioningRun | None
    lines: tuple[Line, ...]
    headline: str
    took: str
    is_live: bool
    read_at: datetime


_PROVISIONED: Final = (State.PROVISIONING, State.COMPLETED, State.FAILED)


def progress_of(request: EnvironmentRequest, run: ProvisioningRun | None) -> Progress:
    """Return how far a run of a request is; without one, what is to come.

    A bounded number of statements, however often steps were tried.
    """
    now = database_clock.now()
    if run is None:
        headline = _before(request)
        steps = plan.PLANS[plan.CURRENT_VERSION]
        lines = tuple(Line(number, _(step.label), Standing.AHEAD) for number, step in enumerate(steps, 1))
        return Progress(None, lines, headline, "", is_awaited(request), now)
    records = _records(run)
    newest = {gap.step: gap for gap in request.gaps.order_by("opened_at")}
    lines = tuple(_lines(run, records, newest, now))
    took = lasted((run.finished_at or now) - run.started_at) if run.started_at else ""
    return Progress(run, lines, _headline(request, run, lines, took), took, run.status in LIVE_STATUSES, now)


def has_progress(request: EnvironmentRequest) -> bool:
    """Say whether there is a run to speak of, or one to come by itself."""
    return request.state in _PROVISIONED or is_awaited(request)


def is_awaited(request: EnvironmentRequest) -> bool:
    """Say whether a run is to come without anybody's doing: approved, or approved by policy when its window ends."""
    has_window = request.gate is not None and request.gate.undo_until is not None
    return request.state == State.APPROVED or (request.state == State.PENDING_APPROVAL and has_window)


# Steps


def _records(run: ProvisioningRun) -> Mapping[str, Sequence[StepRecord]]:
    """Return the attempts at each step, up to this run, oldest first; those of runs before it count as done or not."""
    rows = StepRecord.objects.filter(run__request=run.request_id, run__attempt__lte=run.attempt)
    found: dict[str, list[StepRecord]] = defaultdict(list)
    for record in rows.select_related("run").order_by("run__attempt", "began_at", "attempt"):
        found[record.step].append(record)
    return found


def _lines(
    run: ProvisioningRun, records: Mapping[str, Sequence[StepRecord]], newest: Mapping[str, Gap], now: datetime
) -> list[Line]:
    steps = plan.PLANS.get(run.plan_version, ())
    keys = [step.key for step in steps] or list(records)
    here = keys.index(run.step) if run.step in keys else len(keys)
    attempts = {step.key: step.attempts for step in steps}
    lines = []
    for place, key in enumerate(keys):
        mine = [record for record in records[key] if record.run_id == run.pk]
        before = [record for record in records[key] if record.run_id != run.pk and place < here]
        line = Line(place + 1, plan.label(run.plan_version, key), Standing.AHEAD)
        if mine:
            line = _tried(line, run, mine, newest.get(key), attempts.get(key, 1), now)
        elif before:
            line = _tried_before(line, before[-1], newest.get(key))
        elif run.status == RunStatus.RUNNING and key == run.step:
            line = replace(line, standing=Standing.WAITING, note=_waits(run, now))
        lines.append(line)
    return lines


def _tried(
    line: Line, run: ProvisioningRun, records: Sequence[StepRecord], gap: Gap | None, most: int, now: datetime
) -> Line:
    last = records[-1]
    is_here = run.status == RunStatus.RUNNING and run.step == last.step
    standing = _standing(last, is_here=is_here, is_leased=bool(run.lease_until and run.lease_until > now), gap=gap)
    return replace(
        line,
        standing=standing,
        attempts=_("%(attempt)d of %(most)d") % {"attempt": last.attempt, "most": most} if last.attempt > 1 else "",
        took=lasted((last.ended_at or now) - records[0].began_at) if last.ended_at or is_here else "",
        note=_note(standing, run, last, gap, now),
        record=last,
    )


def _tried_before(line: Line, last: StepRecord, gap: Gap | None) -> Line:
    standing = _standing(last, is_here=False, is_leased=False, gap=gap)
    note = _("in attempt %(attempt)d of provisioning") % {"attempt": last.run.attempt}
    return replace(line, standing=standing, note=note, record=last)


def _standing(record: StepRecord, *, is_here: bool, is_leased: bool, gap: Gap | None) -> Standing:
    if record.outcome == StepOutcome.SKIPPED:
        if gap is None or not gap.closed_at:
            return Standing.GAP
        return Standing.DONE if gaps.was_applied(gap) else Standing.NEVER
    if record.outcome == StepOutcome.FAILED:
        return Standing.AGAIN if is_here else Standing.FAILED
    if record.outcome == StepOutcome.DONE:
        return Standing.DONE
    if record.outcome == StepOutcome.WAITING and is_here:
        return Standing.RUNNING if is_leased else Standing.WAITING
    return Standing.RUNNING if is_here and is_leased else Standing.UNKNOWN


def _note(standing: Standing, run: ProvisioningRun, record: StepRecord, gap: Gap | None, now: datetime) -> str:
    if standing == Standing.WAITING:
        return _waits(run, now)
    if standing == Standing.AGAIN:
        return _("%(why)s The next attempt is %(when)s.") % {"why": shown(record.error), "when": _in(run.next_at - now)}
    if standing in (Standing.GAP, Standing.NEVER):
        return shown(gap.reason if gap is not None else record.error)
    if standing == Standing.DONE and record.outcome == StepOutcome.SKIPPED:
        return _("applied later; the gap is closed")
    if standing == Standing.UNKNOWN:
        return _("begun; whoever goes on finds out what came of it")
    return shown(record.error)


def _waits(run: ProvisioningRun, now: datetime) -> str:
    what = shown(run.waiting_for) or _("its turn")
    return _("for %(what)s; looks again %(when)s") % {"what": what, "when": _in(run.next_at - now)}


def _in(time: timedelta) -> str:
    return _("in %(time)s") % {"time": lasted(time)} if time > timedelta(seconds=1) else _("now")


# The headline


def _before(request: EnvironmentRequest) -> str:
    if request.state == State.APPROVED and request.approved_on is not None:
        waiting = ProvisioningRun.objects.filter(tenant=request.tenant_id, status=RunStatus.QUEUED).count()
        return _waits_for_a_slot(request, waiting + place_in_queue(request.approved_on, request.tenant_id))
    if is_awaited(request):
        return _("It is approved by policy at %(moment)s UTC, unless somebody objects before.") % {
            "moment": f"{request.gate.undo_until:%Y-%m-%d %H:%M:%S}"  # type: ignore[union-attr]
        }
    return _("Provisioning begins when the request is approved.")


def _headline(request: EnvironmentRequest, run: ProvisioningRun, lines: Sequence[Line], took: str) -> str:
    if run.status == RunStatus.QUEUED:
        earlier = ProvisioningRun.objects.filter(tenant=run.tenant_id, status=RunStatus.QUEUED)
        return _waits_for_a_slot(request, earlier.filter(queued_at__lt=run.queued_at).count() + 1)
    here = next((line for line in lines if line.label == plan.label(run.plan_version, run.step)), None)
    if run.status == RunStatus.COMPLETED:
        return _completed(lines, took)
    if here is None or not plan.knows(run.plan_version, run.step):
        return _("It is parked: it waits for %(release)s.") % {
            "release": plan.needed_for(run.plan_version, run.step),
        }
    words = {"number": here.number, "of": len(lines), "step": here.label}
    if run.status == RunStatus.FAILED:
        return _("It failed at step %(number)d of %(of)d, %(step)s.") % words
    standing = str(here.standing.value[0]).lower()
    return _("Step %(number)d of %(of)d, %(step)s: %(standing)s.") % {**words, "standing": standing}


def _waits_for_a_slot(request: EnvironmentRequest, place: int) -> str:
    if request.tenant.halted_reason:
        return _("It waits: provisioning in %(tenant)s is halted.") % {"tenant": request.tenant}
    return _("It waits for a free slot; its place in the queue is %(place)d.") % {"place": place}


def _completed(lines: Sequence[Line], took: str) -> str:
    missing = sum(line.standing == Standing.GAP for line in lines)
    if not missing:
        return _("It was completed in %(took)s.") % {"took": took}
    return ngettext(
        "It was completed in %(took)s; %(gaps)d control is not applied yet and is tried again by itself.",
        "It was completed in %(took)s; %(gaps)d controls are not applied yet and are tried again by themselves.",
        missing,
    ) % {"took": took, "gaps": missing}
