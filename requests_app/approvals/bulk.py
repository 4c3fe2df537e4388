"""Decisions on several requests: each row is checked, decided in a transaction of its own, and has a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.utils.translation import gettext as _

from accounts_app.models import User
from accounts_app.services import settings_of
from accounts_app.tenant_settings import Settings
from core_app.errors import DomainError, SignInAgainError
from core_app.outage import Outage, outage_of
from gates_app.levels import Level, Outcome
from microsoft_cloud.fields import is_guid
from requests_app import services
from requests_app.approvals.queue import Waiting
from requests_app.approvals.words import decided, label, said
from requests_app.fields import REQUESTED
from requests_app.models import EnvironmentRequest
from requests_app.staging import content_hash, staged_plan

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """How the decision on one row went.

    Attributes:
        request: The row.
        done: Whether it was decided; None when nobody knows, because the database was lost in the middle.
        words: What to tell about it.
        sign_in_again: Whether it was refused only because the last sign-in is too old.
    """

    request: EnvironmentRequest
    done: bool | None
    words: str
    sign_in_again: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """One row before it is decided, with everything that a decision on it binds to.

    Attributes:
        row: The row.
        why_not: Why a decision on it would be refused; empty when it would not.
        hash: The content hash of what is shown.
        answers: (field, what the requester said) pairs.
        plan: (setting, value) pairs that provisioning will apply.
    """

    row: Waiting
    why_not: str
    hash: str
    answers: list[tuple[str, str]]
    plan: list[tuple[str, str]]


def keys_in(values: Sequence[str]) -> dict[UUID, str]:
    """Return the rows that a browser names, ``key`` or ``key:hash``, with the hash of what was shown of each."""
    found: dict[UUID, str] = {}
    for value in values:
        key, _colon, shown = value.partition(":")
        if is_guid(key):
            found[UUID(key)] = shown
    return found


def check(row: Waiting, outcome: Outcome) -> str:
    """Return why a decision on a row would be refused; empty when it would not."""
    if row.refusal:
        return row.refusal
    if row.gate.level == Level.L1 and outcome == Outcome.APPROVE:
        return _("It is approved by policy when its objection window ends; you can only object.")
    return ""


def shown_of(rows: Sequence[Waiting], outcome: Outcome) -> list[Shown]:
    """Return what is shown of each row; the settings of a tenant's version are read once."""
    known: dict[tuple[UUID, int | None], Settings] = {}
    shown = []
    for row in rows:
        request = row.request
        key = (request.tenant_id, request.settings_version)
        if key not in known:
            known[key] = settings_of(request.tenant, request.settings_version)
        shown.append(
            Shown(
                row=row,
                why_not=check(row, outcome),
                hash=content_hash(request, known[key]),
                answers=[(label(name), said(request, name)) for name in REQUESTED],
                plan=staged_plan(request, known[key]),
            )
        )
    return shown


def decide_each(
    rows: Sequence[Waiting], shown: Mapping[UUID, str], *, by: User, outcome: Outcome, comment: str
) -> list[Result]:
    """Decide on one row after the other; what is refused or breaks stops none of the others.

    Args:
        rows: What to decide on.
        shown: Hash of what was shown of each.
        by: Who decides.
        outcome: Approve or reject.
        comment: Why, for each of them.
    """
    return [_decided(row, shown.get(row.request.pk, ""), by, outcome, comment) for row in rows]


def _decided(row: Waiting, shown: str, by: User, outcome: Outcome, comment: str) -> Result:
    try:
        made = services.decide(row.request.pk, by=by, outcome=outcome, comment=comment, content_hash=shown)
    except SignInAgainError as stale:
        return Result(row.request, False, str(stale), sign_in_again=True)
    except DomainError as refused:
        return Result(row.request, False, str(refused))
    except Exception as error:
        log.exception("one_of_many_broke", item=str(row.request))
        return _broke(row.request, outage_of(error))
    return Result(made, True, decided(made))


def _broke(request: EnvironmentRequest, outage: Outage | None) -> Result:
    if outage is None:
        return Result(request, False, _("Something went wrong here and nothing was decided; open it to try again."))
    return Result(request, None if outage == Outage.UNREACHABLE else False, _(outage.value))
