"""The vocabulary of the log: every action that can ever be recorded, in one file.

1 to 22 carry the seed's numbers and meaning (Choice Field Value Definitions, ``pl_action``); those above 100 are ours,
for events the seed names without a number. A number is never reused.
"""

from __future__ import annotations

from django.db import models


class Action(models.IntegerChoices):
    """``pl_action``: what happened."""

    REQUEST_CREATED = 1, "RequestCreated"
    ZONE_CLASSIFIED = 2, "ZoneClassified"
    APPROVAL_REQUESTED = 3, "ApprovalRequested"
    APPROVED = 4, "Approved"
    REJECTED = 5, "Rejected"
    PROVISIONING_STARTED = 6, "ProvisioningStarted"
    ENVIRONMENT_CREATED = 7, "EnvironmentCreated"
    MANAGED_ENABLED = 8, "ManagedEnabled"
    GROUP_ASSIGNED = 9, "GroupAssigned"
    SECURITY_GROUP_BOUND = 10, "SecurityGroupBound"
    BASELINE_CONFIG_APPLIED = 11, "BaselineConfigApplied"
    DLP_ASSIGNED = 12, "DLPAssigned"
    PROVISIONING_COMPLETED = 13, "ProvisioningCompleted"
    PROVISIONING_FAILED = 14, "ProvisioningFailed"
    ROLLBACK_INITIATED = 15, "RollbackInitiated"
    ROLLBACK_COMPLETED = 16, "RollbackCompleted"
    CREDENTIAL_ROTATED = 17, "CredentialRotated"
    USER_SYNCED = 18, "UserSynced"
    ROLES_ASSIGNED = 19, "RolesAssigned"
    AUDITING_CONFIGURED = 20, "AuditingConfigured"
    SESSION_TIMEOUT_CONFIGURED = 21, "SessionTimeoutConfigured"
    SHARING_LIMITS_CONFIGURED = 22, "SharingLimitsConfigured"
    ROLLBACK_FAILED = 101, "RollbackFailed"
    REQUEST_SUBMITTED = 102, "RequestSubmitted"
    REQUEST_WITHDRAWN = 103, "RequestWithdrawn"
    ZONE_OVERRIDDEN = 104, "ZoneOverridden"
    ESCALATION_RAISED = 105, "EscalationRaised"
    REMINDER_SENT = 106, "ReminderSent"
    DELEGATION_USED = 107, "DelegationUsed"
    DECISION_REFUSED = 108, "DecisionRefused"
    ENVIRONMENT_ADOPTED = 109, "EnvironmentAdopted"
    GAP_OPENED = 110, "GapOpened"
    GAP_CLOSED = 111, "GapClosed"
    EVIDENCE_EXPORTED = 112, "EvidenceExported"
    ACCESS_REVIEWED = 113, "AccessReviewed"
    RETRY_REQUESTED = 114, "RetryRequested"
    CHECKPOINT_ANCHORED = 115, "CheckpointAnchored"
    REQUEST_EDITED = 116, "RequestEdited"
    INTAKE_RECEIVED = 117, "IntakeReceived"
    ROUTING_DELAYED = 118, "RoutingDelayed"
    STAGE_APPROVED = 119, "StageApproved"
    STAGE_ASSIGNED = 120, "StageAssigned"
    SETTINGS_PROPOSED = 121, "SettingsProposed"
    SETTINGS_CONFIRMED = 122, "SettingsConfirmed"
    READINESS_CHECKED = 123, "ReadinessChecked"
    PREFLIGHT_CHECKED = 124, "PreflightChecked"
    CREATION_STARTED = 125, "CreationStarted"
    TENANT_CREATED = 126, "TenantCreated"
    TENANT_HALTED = 127, "TenantHalted"
    TENANT_RESUMED = 128, "TenantResumed"
    PRINCIPAL_REVIEWED = 129, "PrincipalReviewed"
    ENVIRONMENT_QUARANTINED = 130, "EnvironmentQuarantined"
    QUARANTINE_RELEASED = 131, "QuarantineReleased"
    FINDING_OPENED = 132, "FindingOpened"
    FINDING_RESOLVED = 133, "FindingResolved"
    LATE_WATCH_ENDED = 134, "LateWatchEnded"
    STEP_ATTESTED = 135, "StepAttested"
    CIRCUIT_OPENED = 136, "CircuitOpened"
    CIRCUIT_CLOSED = 137, "CircuitClosed"
    CREDENTIAL_ROTATION_STARTED = 138, "CredentialRotationStarted"
    PRIVILEGE_REVIEW_STARTED = 139, "PrivilegeReviewStarted"
    PRIVILEGE_FINDING_DISPOSED = 140, "PrivilegeFindingDisposed"


class ActorType(models.IntegerChoices):
    """``pl_actortype``: what kind of actor it was."""

    USER = 1, "User"
    SERVICE_PRINCIPAL = 2, "ServicePrincipal"
    SYSTEM = 3, "System"
