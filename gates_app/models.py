"""Gates, their stages, who takes part, and what was decided."""

from __future__ import annotations

from django.db import models

from accounts_app.roles import Role
from core_app.history import HistoricalRecords
from core_app.ids import new_id
from gates_app.levels import GateStatus, Level, Outcome, Part, StageStatus


class Gate(models.Model):
    """One point where consent is needed for one subject."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, related_name="+")
    business_unit = models.ForeignKey("accounts_app.BusinessUnit", models.PROTECT, related_name="+")
    kind = models.CharField(max_length=40, help_text="What is decided, for example environment_request.")
    subject = models.CharField(max_length=100, help_text="As people call it, for example REQ-00001.")
    level = models.PositiveSmallIntegerField(choices=Level.choices)
    status = models.PositiveSmallIntegerField(choices=GateStatus.choices, default=GateStatus.OPEN)
    content_hash = models.CharField(max_length=64, help_text="SHA-256 of what is decided on; a decision binds to it.")
    opened_at = models.DateTimeField()
    undo_until = models.DateTimeField(null=True, blank=True, help_text="Level 1: approved by policy after this moment.")
    closed_at = models.DateTimeField(null=True, blank=True)
    history = HistoricalRecords()

    class Meta:
        ordering = ["-opened_at"]
        indexes = [models.Index(fields=["status", "undo_until"], name="gate_by_undo_window")]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(level=Level.L1) | models.Q(undo_until__isnull=False),
                name="level_1_has_an_undo_window",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} ({self.get_level_display()})"


class GateParty(models.Model):
    """A human being at a gate.

    One plain constraint covers requester, editor, second account, delegate and one-person-one-stage.
    """

    id = models.BigAutoField(primary_key=True)
    gate = models.ForeignKey(Gate, models.CASCADE, related_name="parties")
    person_key = models.CharField(max_length=36, help_text="Entra object id, or the user's id where there is none.")
    part = models.PositiveSmallIntegerField(choices=Part.choices)

    class Meta:
        verbose_name_plural = "gate parties"
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["gate", "person_key"], name="one_part_per_person_at_a_gate")]

    def __str__(self) -> str:
        return f"{self.get_part_display()} {self.person_key}"


class Stage(models.Model):
    """One decision that a gate needs, by one role."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    gate = models.ForeignKey(Gate, models.CASCADE, related_name="stages")
    number = models.PositiveSmallIntegerField()
    role = models.CharField(max_length=40, choices=Role.choices)
    status = models.PositiveSmallIntegerField(choices=StageStatus.choices, default=StageStatus.WAITING)
    assigned_to = models.ForeignKey("accounts_app.User", models.PROTECT, null=True, blank=True, related_name="+")
    hours = models.PositiveIntegerField(help_text="Hours until escalation; the reminder is sent at half of them.")
    opened_at = models.DateTimeField(null=True, blank=True)
    remind_at = models.DateTimeField(null=True, blank=True)
    escalate_at = models.DateTimeField(null=True, blank=True)
    reminded_at = models.DateTimeField(null=True, blank=True)
    escalated_at = models.DateTimeField(null=True, blank=True)
    paused_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when the clock stands still, because the requester was asked something."
    )
    history = HistoricalRecords()

    class Meta:
        ordering = ["gate", "number"]
        constraints = [
            models.UniqueConstraint(fields=["gate", "number"], name="stages_are_numbered"),
            models.UniqueConstraint(
                fields=["gate"], condition=models.Q(status=StageStatus.OPEN), name="one_open_stage_per_gate"
            ),
        ]
        indexes = [
            models.Index(fields=["status", "remind_at"], name="stage_by_reminder"),
            models.Index(fields=["status", "escalate_at"], name="stage_by_escalation"),
        ]

    def __str__(self) -> str:
        return f"{self.gate.subject} stage {self.number}: {self.role}"

    @property
    def roles(self) -> tuple[Role, ...]:
        """Return the roles that may decide now: escalation adds the Governance Lead."""
        own = Role(self.role)
        return (own, Role.GOVERNANCE_LEAD) if self.escalated_at and own != Role.GOVERNANCE_LEAD else (own,)


class Decision(models.Model):
    """What one person, or the policy, decided; never changed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    gate = models.ForeignKey(Gate, models.PROTECT, related_name="decisions")
    stage = models.OneToOneField(Stage, models.PROTECT, null=True, blank=True, related_name="decision")
    outcome = models.PositiveSmallIntegerField(choices=Outcome.choices)
    decided_by = models.ForeignKey(
        "accounts_app.User", models.PROTECT, null=True, blank=True, related_name="+", help_text="Empty: the policy."
    )
    delegation = models.ForeignKey(
        "accounts_app.Delegation",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="In whose place they decided; empty: by a role of their own.",
    )
    comment = models.TextField(blank=True)
    content_hash = models.CharField(max_length=64)
    policy_version = models.CharField(max_length=40, blank=True)
    decided_at = models.DateTimeField()

    class Meta:
        ordering = ["gate", "decided_at"]
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(outcome=Outcome.REJECT) | ~models.Q(comment=""), name="a_rejection_has_a_comment"
            ),
            models.CheckConstraint(
                condition=models.Q(decided_by__isnull=False) | models.Q(outcome=Outcome.APPROVE, stage__isnull=True),
                name="the_policy_only_approves_level_1",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_outcome_display()} by {self.decided_by or 'policy'}"
