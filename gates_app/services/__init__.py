"""What can happen at a gate; every function runs in the transaction of the subject's verb, which holds its lock."""

from gates_app.deciders import (
    OBJECTING_ROLES,
    checks_for,
    eligible_people,
    expected_deciders,
    parties_of,
    refusal_for,
    refusals_for,
    refusals_of_assigned,
    require_eligible,
    stages_asking,
    unresolvable_role,
)
from gates_app.services.decisions import Verdict, approve_by_policy, assign, decide
from gates_app.services.gates import NewGate, close, locked, open_gate
from gates_app.services.pauses import pause, resume
from gates_app.services.stages import (
    current_stage,
    due_for_escalation,
    due_for_reminder,
    escalate,
    open_stages,
    present,
    remind,
)

__all__ = [
    "OBJECTING_ROLES",
    "NewGate",
    "Verdict",
    "approve_by_policy",
    "assign",
    "checks_for",
    "close",
    "current_stage",
    "decide",
    "due_for_escalation",
    "due_for_reminder",
    "eligible_people",
    "escalate",
    "expected_deciders",
    "locked",
    "open_gate",
    "open_stages",
    "parties_of",
    "pause",
    "present",
    "refusal_for",
    "refusals_for",
    "refusals_of_assigned",
    "remind",
    "require_eligible",
    "resume",
    "stages_asking",
    "unresolvable_role",
]
