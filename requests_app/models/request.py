"""The environment request and its state machine (seed, table 1; elm.md §1 and §3)."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Lower
from django.utils.translation import gettext as _
from django_fsm import FSMIntegerField, transition

from accounts_app.models import User
from audit_app.actions import Action, ActorType
from audit_app.log import Chain
from audit_app.models import ProvisioningLog
from core_app.errors import DomainError
from core_app.fsm import SafeRefresh, StateGuardedQuerySet
from core_app.history import HistoricalRecords
from core_app.ids import new_id
from core_app.text import has_content
from requests_app.choices import (
    NAME_HOLDING_STATES,
    DataSensitivity,
    EnvironmentType,
    ExpectedUsers,
    Region,
    State,
    Zone,
)
from requests_app.policies.classification import Answers

_AFTER_APPROVAL = (State.APPROVED, State.PROVISIONING, State.COMPLETED, State.FAILED)
_BEFORE_SUBMISSION = (State.DRAFT, State.WITHDRAWN)


class RequestCounter(models.Model):
    """The last request number of a tenant; a row, because a sequence leaves gaps when a transaction rolls back."""

    tenant = models.OneToOneField("accounts_app.Tenant", models.PROTECT, primary_key=True, related_name="+")
    last = models.PositiveBigIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.tenant}: {self.last}"


class EnvironmentRequestQuerySet(StateGuardedQuerySet):
    """Words for the questions asked of requests."""

    def awaiting_dispatch(self) -> EnvironmentRequestQuerySet:
        """Approved and waiting for a slot, first come first."""
        return self.filter(state=State.APPROVED).order_by("approved_on", "id")

    def awaiting_routing(self) -> EnvironmentRequestQuerySet:
        """Submitted, but the directory could not be asked yet."""
        return self.filter(state=State.SUBMITTED).order_by("requested_on", "id")

    def awaiting_policy(self, now: datetime) -> EnvironmentRequestQuerySet:
        """Zone 1, with its objection window over, and not refused by policy before: that is for people to look into."""
        refused = ProvisioningLog.objects.filter(
            environment_request=OuterRef("pk"), action=Action.DECISION_REFUSED, actor_type=ActorType.SYSTEM
        )
        due = self.filter(~Exists(refused), state=State.PENDING_APPROVAL, gate__undo_until__lte=now)
        return due.order_by("gate__undo_until", "id")


class EnvironmentRequest(SafeRefresh):
    """A person's request for one Power Platform environment."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    number = models.PositiveBigIntegerField(editable=False)
    request_number = models.CharField(max_length=20, editable=False)
    environment_name = models.CharField(max_length=100)
    environment_type = models.PositiveSmallIntegerField(choices=EnvironmentType.choices)
    region = models.PositiveSmallIntegerField(choices=Region.choices)
    zone = models.PositiveSmallIntegerField(choices=Zone.choices)
    zone_rationale = models.TextField(blank=True)
    zone_auto_flags = models.CharField(max_length=500, blank=True)
    business_justification = models.TextField()
    data_sensitivity = models.PositiveSmallIntegerField(choices=DataSensitivity.choices)
    expected_users = models.PositiveSmallIntegerField(choices=ExpectedUsers.choices)
    security_group_id = models.CharField("security group ID", max_length=100, blank=True)
    requester = models.ForeignKey(User, models.PROTECT, related_name="environment_requests")
    requested_on = models.DateTimeField(null=True, blank=True)
    state = FSMIntegerField(choices=State.choices, default=State.DRAFT, protected=True)
    approver = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    approved_on = models.DateTimeField(null=True, blank=True)
    approval_comments = models.TextField(blank=True)
    environment_id = models.CharField("environment ID", max_length=100, blank=True)
    environment_url = models.URLField("environment URL", blank=True)
    provisioning_started = models.DateTimeField(null=True, blank=True)
    provisioning_completed = models.DateTimeField(null=True, blank=True)

    has_customer_data = models.BooleanField("processes customer data", default=False)
    has_financial_data = models.BooleanField("handles financial transactions", default=False)
    has_external_access = models.BooleanField("external parties have access", default=False)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, related_name="environment_requests")
    business_unit = models.ForeignKey("accounts_app.BusinessUnit", models.PROTECT, related_name="environment_requests")
    raised_zone = models.PositiveSmallIntegerField(
        "raise the zone to",
        choices=Zone.choices,
        null=True,
        blank=True,
        help_text="At least this zone, whatever the answers ask for; empty: as the answers say.",
    )
    security_group_name = models.CharField(max_length=256, blank=True)
    domain_name = models.CharField(max_length=22, blank=True)
    rule_set_version = models.CharField(max_length=40, blank=True)
    content_hash = models.CharField(max_length=64, blank=True)
    settings_version = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Tenant settings the staged plan uses."
    )
    gate = models.ForeignKey("gates_app.Gate", models.PROTECT, null=True, blank=True, related_name="+")
    failure_reason = models.TextField(blank=True)
    created_at = models.DateTimeField(editable=False)
    history = HistoricalRecords()

    objects = EnvironmentRequestQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        permissions = [
            ("decide_environmentrequest", "Can approve or reject environment requests"),
            ("retry_environmentrequest", "Can retry failed provisioning"),
            ("export_environmentrequest", "Can export environment requests"),
            ("share_environmentrequest", "Can share requests of others"),
            ("hold_environmentrequest", "Can place and release legal holds"),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="request_by_creation"),  # the order of every list
            models.Index(fields=["tenant", "state", "-created_at"], name="request_by_tenant_and_state"),
            models.Index(fields=["state", "approved_on"], name="request_by_state"),
            models.Index(
                fields=["provisioning_completed"], condition=Q(state=State.COMPLETED), name="request_by_completion"
            ),
            models.Index(fields=["business_unit", "-created_at"], name="request_by_unit"),
            models.Index(fields=["requester", "-created_at"], name="request_by_requester"),
            models.Index(
                fields=["tenant", "zone", "environment_type", "-approved_on"], name="request_by_zone_and_type"
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "number"], name="request_numbers_are_unique"),
            models.UniqueConstraint(
                "tenant",
                Lower("environment_name"),
                condition=Q(state__in=sorted(NAME_HOLDING_STATES - {State.DRAFT})),
                name="environment_names_are_unique_while_live",
            ),
            models.CheckConstraint(
                condition=Q(approver__isnull=True) | ~Q(approver=models.F("requester")), name="requester_never_approves"
            ),
            models.CheckConstraint(
                condition=Q(state__in=_BEFORE_SUBMISSION) | Q(requested_on__isnull=False), name="submitted_has_a_time"
            ),
            models.CheckConstraint(
                condition=Q(state__in=_BEFORE_SUBMISSION) | Q(zone=Zone.ZONE_1) | ~Q(zone_rationale=""),
                name="zone_2_and_3_have_a_rationale",
            ),
            models.CheckConstraint(
                condition=Q(state__in=(*_BEFORE_SUBMISSION, State.SUBMITTED))
                | Q(zone=Zone.ZONE_1)
                | ~Q(security_group_id=""),
                name="zone_2_and_3_have_a_security_group",
            ),
            models.CheckConstraint(
                condition=~Q(state=State.PENDING_APPROVAL) | Q(gate__isnull=False), name="pending_approval_has_a_gate"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=_AFTER_APPROVAL)
                | Q(approved_on__isnull=False, approver__isnull=False)
                | Q(approved_on__isnull=False, zone=Zone.ZONE_1),
                name="approved_names_its_approver",
            ),
            models.CheckConstraint(
                condition=~Q(state=State.REJECTED) | (Q(approver__isnull=False) & ~Q(approval_comments="")),
                name="rejected_says_who_and_why",
            ),
            models.CheckConstraint(
                condition=~Q(state=State.COMPLETED) | (~Q(environment_id="") & Q(provisioning_completed__isnull=False)),
                name="completed_has_an_environment",
            ),
            models.CheckConstraint(condition=~Q(state=State.FAILED) | ~Q(failure_reason=""), name="failed_says_why"),
        ]

    def __str__(self) -> str:
        return self.request_number

    def log_chain(self) -> Chain:
        """Return the request's own chain."""
        return Chain(f"request:{self.pk}", self.tenant_id, self.request_number, self.pk)

    @property
    def answers(self) -> Answers:
        """Return the six answers that the zone depends on."""
        return Answers(
            has_customer_data=self.has_customer_data,
            has_financial_data=self.has_financial_data,
            has_external_access=self.has_external_access,
            data_sensitivity=DataSensitivity(self.data_sensitivity),
            environment_type=EnvironmentType(self.environment_type),
            expected_users=ExpectedUsers(self.expected_users),
        )

    @property
    def flags(self) -> list[str]:
        """Return the automatically detected flags, in the rule table's order."""
        return [flag for flag in self.zone_auto_flags.split(",") if flag]

    # Conditions

    def has_a_rationale(self) -> bool:
        """Zone 2 and 3 need a rationale and a named security group (seed, business rules)."""
        group = self.security_group_id or self.security_group_name
        return self.zone == Zone.ZONE_1 or (has_content(self.zone_rationale) and bool(group))

    def has_a_gate(self) -> bool:
        """Someone, or the policy after its objection window, is there to decide."""
        return self.gate_id is not None and (self.zone == Zone.ZONE_1 or bool(self.security_group_id))

    def was_started(self) -> bool:
        """The provisioning flow is running."""
        return self.provisioning_started is not None

    # Transitions: they set fields and nothing else

    @transition(field=state, source=State.DRAFT, target=State.SUBMITTED, conditions=[has_a_rationale])
    def submit(self, *, at: datetime) -> None:
        """Hand the request in."""
        self.requested_on = at

    @transition(field=state, source=State.SUBMITTED, target=State.PENDING_APPROVAL, conditions=[has_a_gate])
    def route(self, *, approver: User | None) -> None:
        """Give it to those who decide."""
        self.approver = approver

    @transition(field=state, source=State.PENDING_APPROVAL, target=State.APPROVED, conditions=[has_a_gate])
    def approve(self, *, approver: User | None, at: datetime, comments: str) -> None:
        """Record the approval; without an approver it is the policy's, which Zone 1 alone allows."""
        if approver is None and self.zone != Zone.ZONE_1:
            raise DomainError(_("Only Zone 1 is approved by policy."))
        self.approver, self.approved_on, self.approval_comments = approver, at, comments

    @transition(field=state, source=State.PENDING_APPROVAL, target=State.REJECTED, conditions=[has_a_gate])
    def reject(self, *, approver: User, comments: str) -> None:
        """Record the rejection, which must say why."""
        if not has_content(comments):
            raise DomainError(_("A rejection needs a comment that tells the requester why."))
        self.approver, self.approval_comments = approver, comments

    @transition(field=state, source=[State.DRAFT, State.SUBMITTED, State.PENDING_APPROVAL], target=State.WITHDRAWN)
    def withdraw(self) -> None:
        """Take the request back."""
        self.approver = None

    @transition(field=state, source=State.APPROVED, target=State.PROVISIONING)
    def start(self, *, at: datetime) -> None:
        """A run has begun."""
        self.provisioning_started = at

    @transition(field=state, source=State.PROVISIONING, target=State.COMPLETED, conditions=[was_started])
    def complete(self, *, environment_id: str, environment_url: str, at: datetime) -> None:
        """The environment is there and hardened."""
        if not environment_id:
            raise DomainError(_("A completed request needs an environment id."))
        self.environment_id, self.environment_url = environment_id, environment_url
        self.provisioning_completed, self.failure_reason = at, ""

    @transition(field=state, source=State.PROVISIONING, target=State.FAILED, conditions=[was_started])
    def fail(self, *, reason: str) -> None:
        """Provisioning stopped, and says why."""
        if not has_content(reason):
            raise DomainError(_("A failure needs a reason."))
        self.failure_reason = reason

    @transition(field=state, source=State.FAILED, target=State.PROVISIONING)
    def retry(self) -> None:
        """A person asked for another attempt."""
        self.failure_reason = ""
