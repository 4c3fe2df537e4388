"""What a person can do about provisioning that stopped: each choice, what it does, and the dialog that asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from django.urls import reverse
from django.utils.translation import gettext as _

from accounts_app.models import User
from core_app.recorded import shown
from provisioning_app import plan
from provisioning_app.choices import LIVE_ROLLBACKS, EnvironmentStatus, FindingKind, RemoteState, RunStatus
from provisioning_app.matrix import Choice, environment_of, options, point_of
from provisioning_app.models import Environment, ProvisioningRun
from provisioning_app.quarantine import may_quarantine, may_release
from requests_app.models import EnvironmentRequest
from requests_app.permissions import may_retry

_AGAIN: Final = "restart_alt"
_REQUEST: Final = "admin:requests_app_environmentrequest"
_ENVIRONMENT: Final = "admin:provisioning_app_environment"


@dataclass(frozen=True, slots=True)
class Way:
    """One thing to do.

    Attributes:
        label: The verb.
        explained: What it does, in one sentence.
        address: Its dialog.
        icon: Material symbol.
        is_dangerous: Whether it takes something away.
    """

    label: str
    explained: str
    address: str
    icon: str
    is_dangerous: bool = False


@dataclass(frozen=True, slots=True)
class Recovery:
    """Where a failed run stands, and the ways out of it.

    Attributes:
        point: How far it had come, in the words of the specification's matrix.
        environment: The environment that exists, or None.
        notes: What is to know before choosing.
        ways: What this person can do; empty for who does not operate it.
    """

    point: str
    environment: Environment | None
    notes: tuple[str, ...]
    ways: tuple[Way, ...]


def recovery_of(request: EnvironmentRequest, run: ProvisioningRun | None, user: User) -> Recovery | None:
    """Return what can be done about a request's newest run; None while it has not failed and nothing is quarantined."""
    if run is None:
        return None
    row = environment_of(run)
    is_quarantined = row is not None and row.status == EnvironmentStatus.QUARANTINED
    if run.status != RunStatus.FAILED and not is_quarantined:
        return None
    ways = (*(_of_request(request, run, user) if not is_quarantined else ()), *_of_environment(row, user))
    point = point_of(run).label if run.status == RunStatus.FAILED else ""
    return Recovery(point, row, tuple(_notes(request, run, row)), ways)


def _of_request(request: EnvironmentRequest, run: ProvisioningRun, user: User) -> Iterator[Way]:
    if not may_retry(user, request):
        return
    step, choices = plan.label(run.plan_version, run.step), options(request, user)
    if _has_appeared(run):
        adopted = _("The environment exists after all: provisioning adopts it and goes on from there.")
        yield Way(_("Retry and adopt"), adopted, _dialog(request, "retry"), _AGAIN)
    elif run.remote_state == RemoteState.PRESENT and run.environment_id:
        again = _("Provisioning goes on from the step that failed, %(step)s, as soon as a slot is free.")
        yield Way(_("Retry from %(step)s") % {"step": step}, again % {"step": step}, _dialog(request, "retry"), _AGAIN)
    else:
        anew = _("Provisioning begins anew as soon as a slot is free, and adopts an environment that is there by then.")
        yield Way(_("Retry"), anew, _dialog(request, "retry"), _AGAIN)
    if Choice.ATTEST in choices:
        done = _("You did %(step)s in the portal: it is read back, and goes on when nothing differs.") % {"step": step}
        yield Way(_("Attest"), done, _dialog(request, "attest"), "fact_check")
    if Choice.DELETE in choices:
        deleted = _("The partial environment is deleted, unless somebody uses it by now.")
        yield Way(_("Delete environment"), deleted, _dialog(request, "roll_back"), "delete_forever", is_dangerous=True)


def _of_environment(row: Environment | None, user: User) -> Iterator[Way]:
    if row is None:
        return
    if may_release(user, row):
        released = _("It belongs to its request again; then provisioning can go on.")
        yield Way(_("Release"), released, reverse(f"{_ENVIRONMENT}_release", args=[row.pk]), "lock_open")
    if may_quarantine(user, row):
        listed = _("It is listed for the operators, and nothing is tried on it until one of them releases it.")
        address = reverse(f"{_ENVIRONMENT}_quarantine", args=[row.pk])
        yield Way(_("Quarantine"), listed, address, "block", is_dangerous=True)


def _notes(request: EnvironmentRequest, run: ProvisioningRun, row: Environment | None) -> Iterator[str]:
    if row is not None and row.status == EnvironmentStatus.QUARANTINED:
        yield _("The environment is quarantined: %(reason)s") % {"reason": shown(row.quarantine_reason)}
    if request.rollbacks.filter(status__in=LIVE_ROLLBACKS).exists():
        yield _("The environment is being deleted; wait until that has ended.")
    if run.watch_at is not None:
        yield _("Whether it was created is not known. It is looked for every 15 minutes, and found by a retry too.")


def _has_appeared(run: ProvisioningRun) -> bool:
    found = run.findings.filter(kind=FindingKind.ENVIRONMENT_APPEARED, resolved_at__isnull=True)
    return bool(found.exists())


def _dialog(request: EnvironmentRequest, verb: str) -> str:
    return reverse(f"{_REQUEST}_{verb}", args=[request.pk])
