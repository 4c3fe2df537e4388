"""A decision: by a person, or by the policy; and who is asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop

from accounts_app.models import User
from core_app import clock
from core_app.errors import AlteredContentError, DomainError, StaleContentError
from core_app.recorded import told
from core_app.text import clean, has_content
from gates_app.deciders import require_eligible
from gates_app.levels import GateStatus, Level, Outcome, Part, StageStatus
from gates_app.models import Decision, Gate, GateParty, Stage
from gates_app.services.gates import close_as, locked, opened, require_open
from gates_app.services.stages import open_stage


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a decision led to.

    Attributes:
        gate: The gate after it.
        decision: The decision that was stored.
        next_stage: The stage that opened because of it, if any.
    """

    gate: Gate
    decision: Decision
    next_stage: Stage | None


def decide(gate_id: UUID, *, by: User, outcome: Outcome, comment: str, content_hash: str, stored_hash: str) -> Verdict:
    """Take a person's decision on the open stage, or their objection at level 1.

    Args:
        gate_id: The gate; it is locked here.
        by: Who decides.
        outcome: Approve or reject.
        comment: Why; required for a rejection.
        content_hash: Hash of what was shown to them.
        stored_hash: Hash of what is stored now.

    Raises:
        PermissionRefused: segregation of duties or a missing role, with the reason.
        StaleContentError: what was shown is not what would be decided.
        AlteredContentError: what is stored is not what the gate was opened for.
        DomainError: the gate is closed, the comment is missing, or level 1 is approved by policy.
    """
    gate, stage = opened(gate_id)
    delegation = require_eligible(by, gate, stage)
    comment = clean(comment)
    if outcome == Outcome.REJECT and not has_content(comment):
        raise DomainError(_("A rejection needs a comment that tells the requester why."))
    if stage is None and outcome == Outcome.APPROVE:
        raise DomainError(
            _("%(subject)s is approved by policy when its objection window ends; you can only object.")
            % {"subject": gate.subject}
        )
    _require_unaltered(gate, stored_hash)
    if content_hash != gate.content_hash:
        raise StaleContentError(
            _("%(subject)s has changed since it was shown to you. Read it again and then decide.")
            % {"subject": gate.subject}
        )
    decision = Decision.objects.create(
        gate=gate,
        stage=stage,
        outcome=outcome,
        decided_by=by,
        delegation=delegation,
        comment=comment,
        content_hash=content_hash,
        decided_at=clock.now(),
    )
    _takes_part(decision)
    if stage:
        stage.status = StageStatus.APPROVED if outcome == Outcome.APPROVE else StageStatus.REJECTED
        stage.assigned_to = by
        stage.save(update_fields=["status", "assigned_to"])
    following = gate.stages.filter(status=StageStatus.WAITING).order_by("number").first()
    if outcome == Outcome.APPROVE and following:
        open_stage(following)
        return Verdict(gate, decision, following)
    close_as(gate, GateStatus.APPROVED if outcome == Outcome.APPROVE else GateStatus.REJECTED, decision.decided_at)
    return Verdict(gate, decision, None)


def approve_by_policy(gate_id: UUID, *, policy_version: str, stored_hash: str) -> Decision:
    """Approve a level 1 gate whose objection window has passed.

    Args:
        gate_id: The gate; it is locked here.
        policy_version: The rules by which it is approved.
        stored_hash: Hash of what is stored now.

    Raises:
        AlteredContentError: what is stored is not what the gate was opened for.
        DomainError: when it is closed, of another level, or still within its window.
    """
    gate = locked(gate_id)
    require_open(gate)
    now = clock.now()
    if gate.level != Level.L1 or gate.undo_until is None or now < gate.undo_until:
        raise DomainError(_("%(subject)s is not approved by policy yet.") % {"subject": gate.subject})
    _require_unaltered(gate, stored_hash)
    decision = Decision.objects.create(
        gate=gate,
        outcome=Outcome.APPROVE,
        content_hash=gate.content_hash,
        policy_version=policy_version,
        decided_at=now,
    )
    close_as(gate, GateStatus.APPROVED, now)
    return decision


def assign(gate_id: UUID, *, to: User) -> Stage:
    """Assign the open stage to someone who may decide it (claim, when they do it themselves).

    Raises:
        PermissionRefused: when that person may not decide.
        DomainError: when no stage is open.
    """
    gate, stage = opened(gate_id)
    if stage is None:
        raise DomainError(
            _("%(subject)s has no stage to assign; it is approved by policy.") % {"subject": gate.subject}
        )
    require_eligible(to, gate, stage)
    stage.assigned_to = to
    stage.save(update_fields=["assigned_to"])
    return stage


def _require_unaltered(gate: Gate, stored_hash: str) -> None:
    """Refuse what was changed after the gate was opened: nothing that a verb allows changes it meanwhile."""
    if stored_hash != gate.content_hash:
        raise AlteredContentError(
            told(
                noop(
                    "%(subject)s is not stored as it was given to those who decide: it was changed behind the program. "
                    "No decision on it is taken. Tell your Governance Lead; its requester withdraws it and asks anew."
                ),
                subject=gate.subject,
            )
        )


def _takes_part(decision: Decision) -> None:
    """Enter who decided, and in whose place: the constraint on parties lets each person take part once."""
    parties = [(decision.decided_by, Part.DECIDER)]
    if decision.delegation:
        parties.append((decision.delegation.delegator, Part.DELEGATOR))
    for person, part in parties:
        GateParty.objects.create(gate=decision.gate, person_key=person.person_key, part=part)  # type: ignore[union-attr]
