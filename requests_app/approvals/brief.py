"""The decision brief: everything that a decision on a request should rest on, on one page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db.models import Q
from django.utils.translation import gettext as _

from accounts_app.models import User
from accounts_app.services import settings_of
from audit_app.models import ProvisioningLog
from gates_app import services as gates
from gates_app.eligibility import Check
from gates_app.levels import GateStatus, Level
from gates_app.models import Stage
from requests_app.approvals.similar import Difference, Precedent, differences, last_approved, nearest
from requests_app.approvals.words import label, said
from requests_app.choices import State
from requests_app.models import EnvironmentRequest, RequestComment
from requests_app.permissions import may_ask, may_comment
from requests_app.staging import content_hash, staged_plan
from requests_app.zones import Governance, governance_of

MOST_ENTRIES: Final = 100  # of the log
ANSWERS: Final = (
    "environment_type",
    "region",
    "data_sensitivity",
    "has_customer_data",
    "has_financial_data",
    "has_external_access",
    "expected_users",
)


@dataclass(frozen=True, slots=True)
class Brief:
    """What the page shows.

    Attributes:
        answers: (question, answer) pairs.
        governance: The zone, and the rules that led to it.
        plan: (setting, value) pairs that provisioning will apply.
        shown: The hash of what the page shows; a decision binds to it.
        is_intact: Whether that is what was routed to those who decide.
        stages: The gate's stages, in order.
        stage: The open one.
        checks: Every rule of segregation of duties, for this reader.
        refusal: Why they may not decide; empty when they may.
        is_window: Whether it is approved by policy unless somebody objects.
        precedents: The nearest past decisions that the reader may see.
        last: The similar request that was approved last.
        differences: What differs from that one.
        history: The newest entries of the log, oldest first.
        earlier: How many entries came before these.
        thread: What was said about it, oldest first.
        colleagues: Who else may decide now.
        may_ask: Whether the reader may ask the requester something.
        may_comment: Whether the reader may write a comment.
    """

    answers: list[tuple[str, str]]
    governance: Governance
    plan: list[tuple[str, str]]
    shown: str
    is_intact: bool
    stages: list[Stage]
    stage: Stage | None
    checks: tuple[Check, ...]
    refusal: str
    is_window: bool
    precedents: list[Precedent]
    last: EnvironmentRequest | None
    differences: list[Difference]
    history: list[ProvisioningLog]
    earlier: int
    thread: list[RequestComment]
    colleagues: list[User]
    may_ask: bool
    may_comment: bool


def brief_of(request: EnvironmentRequest, reader: User, visible: Q) -> Brief:
    """Return the brief of a request that has been routed, for one reader.

    Args:
        request: With its gate.
        reader: Who is to decide.
        visible: The filter on the requests that they see; nothing else is compared.
    """
    assert request.gate is not None  # noqa: S101 - may_read_brief has seen to it
    gate, settings = request.gate, settings_of(request.tenant, request.settings_version)
    stages = list(gate.stages.select_related("assigned_to", "decision__decided_by", "gate"))
    stage = gates.current_stage(gate)
    checks = gates.checks_for(reader, gate, stage)
    shown = content_hash(request, settings)
    last = last_approved(request, visible)
    is_pending = request.state == State.PENDING_APPROVAL and gate.status == GateStatus.OPEN
    refusal = next((check.refusal for check in checks if check.refusal), "")
    newest = list(request.log_entries.order_by("-sequence")[:MOST_ENTRIES])
    return Brief(
        answers=[(label(name), said(request, name)) for name in ANSWERS],
        governance=governance_of(request),
        plan=staged_plan(request, settings),
        shown=shown,
        is_intact=shown == gate.content_hash,
        stages=stages,
        stage=stage,
        checks=checks if is_pending else (),
        refusal=refusal if is_pending else _over(request),
        is_window=gate.level == Level.L1,
        precedents=nearest(request, visible),
        last=last,
        differences=differences(request, last) if last else [],
        history=newest[::-1],
        earlier=newest[-1].sequence - 1 if newest else 0,  # a chain is numbered without gaps
        thread=list(request.comments.select_related("author")),
        colleagues=colleagues_of(request, reader) if is_pending and not refusal else [],
        may_ask=may_ask(reader, request),
        may_comment=may_comment(reader, request),
    )


def _over(request: EnvironmentRequest) -> str:
    state = request.get_state_display()
    return _("%(request)s is %(state)s; nothing is left to decide.") % {"request": request, "state": state}


def colleagues_of(request: EnvironmentRequest, reader: User) -> list[User]:
    """Return who else may decide on a request now; nobody in an objection window."""
    stage = gates.current_stage(request.gate) if request.gate else None
    if request.gate is None or stage is None:
        return []
    return [person for person in gates.eligible_people(request.gate, stage) if person.pk != reader.pk]
