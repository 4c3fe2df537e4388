"""Every event that tells somebody something, with its words. To whom is decided by the verb that announces it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import models


class Event(models.TextChoices):
    """What a message is about."""

    SUBMITTED = "submitted", "Request submitted"
    DECISION_NEEDED = "decision_needed", "Decision needed"
    OBJECTION_WINDOW = "objection_window", "Objection window open"
    REMINDER = "reminder", "Reminder"
    ESCALATED = "escalated", "Escalated"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    READY = "ready", "Environment ready"
    FAILED = "failed", "Provisioning failed"
    POLL_TIMEOUT = "poll_timeout", "Creation timed out"
    GAP_OPENED = "gap_opened", "Control not applied"
    ROUTING_DELAYED = "routing_delayed", "Routing delayed"
    TENANT_HALTED = "tenant_halted", "Provisioning halted"
    FINDING_OPENED = "finding_opened", "Reconciliation finding"
    QUARANTINED = "quarantined", "Environment quarantined"
    CREDENTIAL_DUE = "credential_due", "Credential must be rotated"
    ROTATION_FAILED = "rotation_failed", "Rotation needs attention"
    PRIVILEGES_FOUND = "privileges_found", "Privilege review is open"
    SHARED = "shared", "Request shared with you"
    SETTINGS_PROPOSED = "settings_proposed", "Settings await a second person"
    ACCESS_REVIEW_DUE = "access_review_due", "Access review is due"
    BREAK_GLASS = "break_glass", "Break-glass account used"
    NOBODY_DECIDES = "nobody_decides", "Nobody is left to decide"
    COMMENTED = "commented", "Comment"
    INFORMATION_NEEDED = "information_needed", "Information needed"
    INFORMATION_GIVEN = "information_given", "Information given"
    ZONE_DISPUTED = "zone_disputed", "Zone disputed"
    DISPUTE_REMINDER = "dispute_reminder", "Reminder of a disputed zone"
    DISPUTE_DECIDED = "dispute_decided", "Dispute of a zone decided"


@dataclass(frozen=True, slots=True)
class Words:
    """Subject and body of a message; ``{names}`` are filled in by the verb."""

    subject: str
    body: str


WORDS: dict[Event, Words] = {
    Event.SUBMITTED: Words("{number} was submitted", "{name} is Zone {zone}. {next}"),
    Event.DECISION_NEEDED: Words(
        "{number} needs your decision", "{requester} asks for {name} (Zone {zone}). Please decide before {due}."
    ),
    Event.OBJECTION_WINDOW: Words(
        "{number} will be approved by policy", "{requester} asks for {name} (Zone 1). You may object until {due}."
    ),
    Event.REMINDER: Words(
        "Reminder: {number} still needs a decision",
        "{requester} asks for {name} (Zone {zone}). It is escalated at {due}.",
    ),
    Event.ESCALATED: Words(
        "{number} was escalated",
        "Nobody decided on {name} (Zone {zone}) within {hours} hours. A Governance Lead may decide now.",
    ),
    Event.APPROVED: Words("{number} was approved", "{name} was approved by {decider} and waits for provisioning."),
    Event.REJECTED: Words("{number} was rejected", "{name} was rejected by {decider}: {comment}"),
    Event.READY: Words("{number}: {name} is ready", "The environment is at {url}. Controls not yet applied: {gaps}."),
    Event.FAILED: Words("{number}: provisioning failed", "{name} could not be provisioned: {reason}"),
    Event.POLL_TIMEOUT: Words("{number}: creation timed out", "{name} was not created in time: {reason}"),
    Event.GAP_OPENED: Words(
        "{number}: a control is not applied", "{step} of {name} failed and will be retried: {reason}"
    ),
    Event.ROUTING_DELAYED: Words("{number} waits to be routed", "{name} stays Submitted for now: {reason}"),
    Event.TENANT_HALTED: Words("Provisioning in {tenant} is halted", "The service principal was refused: {reason}"),
    Event.FINDING_OPENED: Words("{number}: {kind}", "{detail}"),
    Event.QUARANTINED: Words(
        "{number}: an environment is quarantined", "{name} needs a person to look at it: {reason}"
    ),
    Event.CREDENTIAL_DUE: Words(
        "{number} needs a new {kind}",
        "The {kind} {secret} of {number} in {tenant} {due}. Rotate it on its page, or with: "
        'manage.py rotate_credential --tenant "{tenant}" --purpose {purpose}',
    ),
    Event.ROTATION_FAILED: Words(
        "{number}: the rotation needs attention", "{state} {reason} The old {kind} of {number} in {tenant} stays."
    ),
    Event.PRIVILEGES_FOUND: Words(
        "{number}: {count} finding(s) about the service principal",
        "The privilege review of {tenant} is open. Each finding needs a disposition before it can be signed.",
    ),
    Event.SHARED: Words("{number} was shared with you", "{by} lets you read {name}, its log and what is built for it."),
    Event.SETTINGS_PROPOSED: Words(
        "{number} await a second person",
        "{proposer} proposes other settings for {tenant}. Look at what would change, then confirm or refuse them.",
    ),
    Event.ACCESS_REVIEW_DUE: Words(
        "The access review of {number} is not signed yet",
        "Nobody has signed who may do what in {tenant} in {quarter}, which ends on {until}. An ELM Auditor or "
        "Governance Lead opens the tenant's page, Review access, and signs what it finds.",
    ),
    Event.BREAK_GLASS: Words(
        "{account} signed in with a password",
        "The break-glass account {account} was used at {at}. If nobody of you knows why, treat it as an incident.",
    ),
    Event.COMMENTED: Words("{number}: a comment of {author}", "{author} wrote about {name}: {text}"),
    Event.INFORMATION_NEEDED: Words(
        "{number}: {author} asks you something",
        "Before they decide on {name}, {author} wants to know: {text} The request waits until you have answered.",
    ),
    Event.INFORMATION_GIVEN: Words("{number}: {author} has answered", "{author} answered about {name}: {text}"),
    Event.ZONE_DISPUTED: Words(
        "{number}: the zone is disputed",
        "{requester} finds {wanted} right for {name}, which the rules put in Zone {zone}. Please decide before {due}.",
    ),
    Event.DISPUTE_REMINDER: Words(
        "Reminder: the zone of {number} is still disputed",
        "{requester} finds {wanted} right for {name}, which the rules put in Zone {zone}. It is due at {due}.",
    ),
    Event.DISPUTE_DECIDED: Words(
        "{number}: your dispute of the zone is decided", "{decider} has decided on {name}. {became} {comment}"
    ),
    Event.NOBODY_DECIDES: Words(
        "{number} has nobody left to decide",
        "{person} was deactivated, and nobody else may decide on {name} (Zone {zone}). Give somebody the role {role}.",
    ),
}
