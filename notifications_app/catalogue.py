"""Every event that tells somebody something: whom, through what, in which words, and whether one can go without it.

The one place for these texts. Exactly to whom, of those who may be told, is decided by the verb that announces it; the
catalogue page, the preferences and the tests are made from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts_app.roles import DECIDING_ROLES, Role

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


class Event(models.TextChoices):
    """What a message is about."""

    SUBMITTED = "submitted", _("Request submitted")
    DECISION_NEEDED = "decision_needed", _("Decision needed")
    OBJECTION_WINDOW = "objection_window", _("Objection window open")
    REMINDER = "reminder", _("Reminder")
    ESCALATED = "escalated", _("Escalated")
    APPROVED = "approved", _("Approved")
    REJECTED = "rejected", _("Rejected")
    READY = "ready", _("Environment ready")
    FAILED = "failed", _("Provisioning failed")
    POLL_TIMEOUT = "poll_timeout", _("Creation timed out")
    GAP_OPENED = "gap_opened", _("Control not applied")
    ROUTING_DELAYED = "routing_delayed", _("Routing delayed")
    TENANT_HALTED = "tenant_halted", _("Provisioning halted")
    FINDING_OPENED = "finding_opened", _("Reconciliation finding")
    QUARANTINED = "quarantined", _("Environment quarantined")
    ROLLBACK_FAILED = "rollback_failed", _("Rollback failed")
    CREDENTIAL_DUE = "credential_due", _("Credential must be rotated")
    ROTATION_FAILED = "rotation_failed", _("Rotation needs attention")
    PRIVILEGES_FOUND = "privileges_found", _("Privilege review is open")
    SHARED = "shared", _("Request shared with you")
    SETTINGS_PROPOSED = "settings_proposed", _("Settings await a second person")
    ACCESS_REVIEW_DUE = "access_review_due", _("Access review is due")
    LOG_VERIFICATION_FAILED = "log_verification_failed", _("The log does not verify")
    BREAK_GLASS = "break_glass", _("Break-glass account used")
    NOBODY_DECIDES = "nobody_decides", _("Nobody is left to decide")
    COMMENTED = "commented", _("Comment")
    INFORMATION_NEEDED = "information_needed", _("Information needed")
    INFORMATION_GIVEN = "information_given", _("Information given")
    ZONE_DISPUTED = "zone_disputed", _("Zone disputed")
    DISPUTE_REMINDER = "dispute_reminder", _("Reminder of a disputed zone")
    DISPUTE_DECIDED = "dispute_decided", _("Dispute of a zone decided")


class Channel(models.TextChoices):
    """The way a message takes."""

    EMAIL = "email", _("E-mail")
    TEAMS = "teams", _("Microsoft Teams")


class Audience(models.TextChoices):
    """Who may be told of an event."""

    REQUESTER = "requester", _("the requester")
    DECIDERS = "deciders", _("whoever may decide now")
    THREAD = "thread", _("the requester, whoever wrote in the thread, and whoever may decide now")
    READER = "reader", _("the colleague it is shared with")
    OPERATORS = "operators", _("operators of the business unit or tenant")
    LEADS = "leads", _("Governance Leads")
    AUDITORS = "auditors", _("auditors")
    COMPLIANCE = "compliance", _("Compliance Officers")


# The roles that somebody who is told has; everybody who may ask for environments may be a requester
ROLES_OF: Final[dict[Audience, tuple[Role, ...]]] = {
    Audience.REQUESTER: (Role.REQUESTER,),
    Audience.DECIDERS: DECIDING_ROLES,
    Audience.THREAD: (Role.REQUESTER, *DECIDING_ROLES),
    Audience.READER: tuple(Role),
    Audience.OPERATORS: (Role.OPERATOR,),
    Audience.LEADS: (Role.GOVERNANCE_LEAD,),
    Audience.AUDITORS: (Role.AUDITOR,),
    Audience.COMPLIANCE: (Role.COMPLIANCE_OFFICER,),
}


class Silence(models.TextChoices):
    """Whether a person may switch an event off for themselves."""

    ALLOWED = "allowed", _("yes")
    NOT_WHEN_ALONE = "not_when_alone", _("yes, unless nobody else would hear of it")
    NEVER = "never", _("no")


_BOTH: Final = (Channel.EMAIL, Channel.TEAMS)
_PERSONAL: Final = (Channel.EMAIL,)  # words between people; a channel has more readers than they had in mind


@dataclass(frozen=True, slots=True)
class Notice:
    """One line of the catalogue.

    Attributes:
        subject: Subject of the message; ``{names}`` are filled in by the verb.
        body: What it says.
        to: Who may be told.
        channels: Through what: e-mail to each of them, one card in the tenant's Teams channel that mentions them.
        silence: Whether they may switch it off for themselves.
    """

    subject: _StrPromise
    body: _StrPromise
    to: tuple[Audience, ...]
    channels: tuple[Channel, ...] = _BOTH
    silence: Silence = Silence.ALLOWED


_OPERATORS: Final = (Audience.OPERATORS,)
_LEADS: Final = (Audience.LEADS,)
_REQUESTER: Final = (Audience.REQUESTER,)
_OVERSIGHT: Final = (Audience.AUDITORS, Audience.LEADS, Audience.COMPLIANCE)

CATALOGUE: Final[dict[Event, Notice]] = {
    Event.SUBMITTED: Notice(_("{number} was submitted"), _("{name} is Zone {zone}. {next}"), _REQUESTER),
    Event.DECISION_NEEDED: Notice(
        _("{number} needs your decision"),
        _("{requester} asks for {name} (Zone {zone}). Please decide before {due}."),
        (Audience.DECIDERS,),
        silence=Silence.NOT_WHEN_ALONE,
    ),
    Event.OBJECTION_WINDOW: Notice(
        _("{number} will be approved by policy"),
        _("{requester} asks for {name} (Zone 1). You may object until {due}."),
        (Audience.DECIDERS,),
    ),
    Event.REMINDER: Notice(
        _("Reminder: {number} still needs a decision"),
        _("{requester} asks for {name} (Zone {zone}). It is escalated at {due}."),
        (Audience.DECIDERS,),
    ),
    Event.ESCALATED: Notice(
        _("{number} was escalated"),
        _("Nobody decided on {name} (Zone {zone}) within {hours} hours. A Governance Lead may decide now."),
        (Audience.DECIDERS, Audience.LEADS, Audience.REQUESTER),
    ),
    Event.APPROVED: Notice(
        _("{number} was approved"), _("{name} was approved by {decider} and waits for provisioning."), _REQUESTER
    ),
    Event.REJECTED: Notice(_("{number} was rejected"), _("{name} was rejected by {decider}: {comment}"), _REQUESTER),
    Event.READY: Notice(
        _("{number}: {name} is ready"),
        _("The environment is at {url}. Controls not yet applied: {gaps}."),
        _REQUESTER,
    ),
    Event.FAILED: Notice(
        _("{number}: provisioning failed"),
        _("{name} could not be provisioned: {reason}"),
        (Audience.REQUESTER, Audience.OPERATORS),
    ),
    Event.POLL_TIMEOUT: Notice(
        _("{number}: creation timed out"), _("{name} was not created in time: {reason}"), _OPERATORS
    ),
    Event.GAP_OPENED: Notice(
        _("{number}: a control is not applied"),
        _("{step} of {name} failed and will be retried: {reason}"),
        _OPERATORS,
    ),
    Event.ROUTING_DELAYED: Notice(
        _("{number} waits to be routed"),
        _("{name} stays Submitted for now: {reason}"),
        _REQUESTER,
        _PERSONAL,
    ),
    Event.TENANT_HALTED: Notice(
        _("Provisioning in {tenant} is halted"),
        _("It stopped: {reason}"),
        _OPERATORS,
        silence=Silence.NEVER,
    ),
    Event.FINDING_OPENED: Notice(_("{number}: {kind}"), _("{detail}"), (Audience.OPERATORS, Audience.LEADS)),
    Event.QUARANTINED: Notice(
        _("{number}: an environment is quarantined"), _("{name} needs a person to look at it: {reason}"), _OPERATORS
    ),
    Event.ROLLBACK_FAILED: Notice(
        _("{number}: the rollback failed"),
        _("{name} could not be deleted, as {initiator} had asked, and is quarantined: {reason}"),
        _OPERATORS,
    ),
    Event.CREDENTIAL_DUE: Notice(
        _("{number} needs a new {kind}"),
        _(
            "The {kind} {secret} of {number} in {tenant} {due}. Rotate it on its page, or with: "
            'manage.py rotate_credential --tenant "{tenant}" --purpose {purpose}'
        ),
        _OPERATORS,
    ),
    Event.ROTATION_FAILED: Notice(
        _("{number}: the rotation needs attention"),
        _("{state} {reason} The old {kind} of {number} in {tenant} stays."),
        _OPERATORS,
    ),
    Event.PRIVILEGES_FOUND: Notice(
        _("{number}: {count} finding(s) about the service principal"),
        _("The privilege review of {tenant} is open. Each finding needs a disposition before it can be signed."),
        (Audience.OPERATORS, Audience.LEADS),
    ),
    Event.SHARED: Notice(
        _("{number} was shared with you"),
        _("{by} lets you read {name}, its log and what is built for it."),
        (Audience.READER,),
        _PERSONAL,
    ),
    Event.SETTINGS_PROPOSED: Notice(
        _("{number} await a second person"),
        _("{proposer} proposes other settings for {tenant}. Look at what would change, then confirm or refuse them."),
        _LEADS,
    ),
    Event.ACCESS_REVIEW_DUE: Notice(
        _("The access review of {number} is not signed yet"),
        _(
            "Nobody has signed who may do what in {tenant} in {quarter}, which ends on {until}. An ELM Auditor or "
            "Governance Lead opens the tenant's page, Review access, and signs what it finds."
        ),
        _OVERSIGHT,
    ),
    Event.LOG_VERIFICATION_FAILED: Notice(
        _("The log of {number} does not verify"),
        _(
            "The verification of {at} found {count} defect(s) ({classes}). Treat it as an incident: change nothing, "
            "and look at the overview's part about the log, or run: manage.py verify_log"
        ),
        (*_OVERSIGHT, Audience.OPERATORS),
        silence=Silence.NEVER,
    ),
    Event.BREAK_GLASS: Notice(
        _("{account} signed in with a password"),
        _("The break-glass account {account} was used at {at}. If nobody of you knows why, treat it as an incident."),
        (Audience.LEADS, Audience.COMPLIANCE),
        silence=Silence.NEVER,
    ),
    Event.NOBODY_DECIDES: Notice(
        _("{number} has nobody left to decide"),
        _(
            "{person} may not decide any more, and nobody else may decide on {name} (Zone {zone}). "
            "Give somebody the role {role}."
        ),
        _LEADS,
    ),
    Event.COMMENTED: Notice(
        _("{number}: a comment of {author}"), _("{author} wrote about {name}: {text}"), (Audience.THREAD,), _PERSONAL
    ),
    Event.INFORMATION_NEEDED: Notice(
        _("{number}: {author} asks you something"),
        _("Before they decide on {name}, {author} wants to know: {text} The request waits until you have answered."),
        _REQUESTER,
        _PERSONAL,
    ),
    Event.INFORMATION_GIVEN: Notice(
        _("{number}: {author} has answered"),
        _("{author} answered about {name}: {text}"),
        (Audience.THREAD,),
        _PERSONAL,
    ),
    Event.ZONE_DISPUTED: Notice(
        _("{number}: the zone is disputed"),
        _(
            "{requester} finds {wanted} right for {name}, which the rules put in Zone {zone}. "
            "Please decide before {due}."
        ),
        _LEADS,
        silence=Silence.NOT_WHEN_ALONE,
    ),
    Event.DISPUTE_REMINDER: Notice(
        _("Reminder: the zone of {number} is still disputed"),
        _("{requester} finds {wanted} right for {name}, which the rules put in Zone {zone}. It is due at {due}."),
        _LEADS,
    ),
    Event.DISPUTE_DECIDED: Notice(
        _("{number}: your dispute of the zone is decided"),
        _("{decider} has decided on {name}. {became} {comment}"),
        _REQUESTER,
    ),
}
