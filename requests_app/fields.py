"""Every field of a request and of the log: who reads it, who writes it, in which state (seed, Field-Level Security).

The form, the intake, the verbs of a draft, the content hash, the export and ``docs/fields.md`` follow these tables.
Whoever may see a row reads all of it; which rows those are is the scope's matter (``accounts_app/scope.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from django.utils.translation import gettext_noop as noop

from accounts_app.roles import DECIDING_ROLES, Role
from requests_app.choices import State


class Access(StrEnum):
    """What a role may do to a field."""

    READ = "read"
    WRITE = "write"  # of a request's field: say what it holds, by the form, the intake or a verb
    CREATE = "create"  # of a log entry's field: say what it holds, once


class Tab(StrEnum):
    """Where the page of a request shows a field (seed, Form Layout)."""

    DETAILS = noop("Request Details")
    CLASSIFICATION = noop("Classification")
    APPROVAL = noop("Approval")
    PROVISIONING = noop("Provisioning")


NEW: Final = None  # stands for the state of a draft that is being made
Writers = Mapping[Role, frozenset[State | None]]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a field's content comes from.

    Attributes:
        words: The same for people.
        writers: Who says what it holds, by an act of theirs, in which states; nobody when it only follows from acts.
    """

    words: str
    writers: Writers = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a request.

    Attributes:
        name: Our name.
        seed: The specification's name; empty when the field is ours.
        origin: Where its content comes from.
        tab: Where the page shows it; None where the page does not.
    """

    name: str
    seed: str
    origin: Origin
    tab: Tab | None = None


_ASKED: Final[Writers] = {Role.REQUESTER: frozenset({NEW, State.DRAFT})}
_DECISION: Final[Writers] = {role: frozenset({State.PENDING_APPROVAL}) for role in DECIDING_ROLES}
_MOVES: Final[Writers] = {**_DECISION, Role.ADMIN: frozenset({State.APPROVED, State.PROVISIONING})}
_RESULT: Final[Writers] = {Role.ADMIN: frozenset({State.PROVISIONING})}  # ELM Admin is the automation (seed)

ASKED: Final = Origin("the requester, while it is a draft", _ASKED)
GROUP: Final = Origin("the requester, while it is a draft; what the directory answers, when it is routed", _ASKED)
UNIT: Final = Origin("the requester, when the draft is made", {Role.REQUESTER: frozenset({NEW})})
DECISION: Final = Origin("who decides, by the decision", _DECISION)
APPROVER: Final = Origin(
    "the routing; who decides, by claiming, reassigning and deciding; empty when withdrawn", _DECISION
)
MOVES: Final = Origin("the decision and the automation; submission, withdrawal and retry move it on", _MOVES)
START: Final = Origin("the automation, when it begins", {Role.ADMIN: frozenset({State.APPROVED})})
RESULT: Final = Origin("the automation, when the environment is ready", _RESULT)
FAILURE: Final = Origin("the automation, when it fails; empty once it goes on", _RESULT)
CREATION: Final = Origin("the making of the draft")
ANSWERS: Final = Origin("the classification of the answers")
ZONE: Final = Origin("the answers, raised by the requester, or lowered by a Governance Lead who decides a dispute")
SUBMISSION: Final = Origin("the submission")
ROUTING: Final = Origin("the routing to those who decide")
DOMAIN: Final = Origin("the routing; the next free one on a retry where others hold it")

COLUMNS: Final[tuple[Column, ...]] = (
    Column("id", "er_requestid", CREATION),
    Column("request_number", "er_requestnumber", CREATION),
    Column("number", "", CREATION),
    Column("tenant", "", CREATION),
    Column("environment_name", "er_environmentname", ASKED, Tab.DETAILS),
    Column("environment_type", "er_environmenttype", ASKED, Tab.DETAILS),
    Column("region", "er_region", ASKED, Tab.DETAILS),
    Column("business_unit", "", UNIT, Tab.DETAILS),
    Column("business_justification", "er_businessjustification", ASKED, Tab.DETAILS),
    Column("zone", "er_zone", ZONE, Tab.DETAILS),
    Column("requester", "er_requester", CREATION, Tab.DETAILS),
    Column("created_at", "", CREATION, Tab.DETAILS),
    Column("requested_on", "er_requestedon", SUBMISSION, Tab.DETAILS),
    Column("data_sensitivity", "er_datasensitivity", ASKED, Tab.CLASSIFICATION),
    Column("expected_users", "er_expectedusers", ASKED, Tab.CLASSIFICATION),
    Column("has_customer_data", "", ASKED, Tab.CLASSIFICATION),
    Column("has_financial_data", "", ASKED, Tab.CLASSIFICATION),
    Column("has_external_access", "", ASKED, Tab.CLASSIFICATION),
    Column("zone_rationale", "er_zonerationale", ASKED, Tab.CLASSIFICATION),
    Column("raised_zone", "", ASKED, Tab.CLASSIFICATION),
    Column("security_group_name", "", GROUP, Tab.CLASSIFICATION),
    Column("security_group_id", "er_securitygroupid", GROUP, Tab.CLASSIFICATION),
    Column("zone_auto_flags", "er_zoneautoflags", ANSWERS, Tab.CLASSIFICATION),
    Column("rule_set_version", "", ANSWERS, Tab.CLASSIFICATION),
    Column("state", "er_state", MOVES, Tab.APPROVAL),
    Column("approver", "er_approver", APPROVER, Tab.APPROVAL),
    Column("approved_on", "er_approvedon", DECISION, Tab.APPROVAL),
    Column("approval_comments", "er_approvalcomments", DECISION, Tab.APPROVAL),
    Column("gate", "", ROUTING, Tab.APPROVAL),
    Column("content_hash", "", ROUTING),
    Column("environment_id", "er_environmentid", RESULT, Tab.PROVISIONING),
    Column("environment_url", "er_environmenturl", RESULT, Tab.PROVISIONING),
    Column("provisioning_started", "er_provisioningstarted", START, Tab.PROVISIONING),
    Column("provisioning_completed", "er_provisioningcompleted", RESULT, Tab.PROVISIONING),
    Column("domain_name", "", DOMAIN, Tab.PROVISIONING),
    Column("failure_reason", "", FAILURE, Tab.PROVISIONING),
    Column("settings_version", "", ROUTING, Tab.PROVISIONING),
)
_BY_NAME: Final = {column.name: column for column in COLUMNS}

# Our name of a log entry's field → the specification's, empty when the field is ours. Nobody changes or deletes any.
LOG_COLUMNS: Final[dict[str, str]] = {
    "id": "pl_logid",
    "environment_request": "pl_environmentrequest",
    "sequence": "pl_sequence",
    "action": "pl_action",
    "action_details": "pl_actiondetails",
    "actor": "pl_actor",
    "actor_type": "pl_actortype",
    "timestamp": "pl_timestamp",
    "success": "pl_success",
    "error_message": "pl_errormessage",
    "correlation_id": "pl_correlationid",
    "chain": "",
    "tenant": "",
    "subject": "",
    "from_state": "",
    "to_state": "",
    "policy_version": "",
    "canonical": "",
    "previous_hash": "",
    "entry_hash": "",
}


def rule(name: str, role: Role, state: State | None) -> frozenset[Access]:
    """Return what a role may do to a field of a request that it may see.

    Args:
        name: The field.
        role: The role; a requester sees their own requests, any other role those it was granted.
        state: Where the request stands; NEW while its draft is being made, when there is nothing to read yet.

    Raises:
        KeyError: there is no such field.
    """
    writes = state in _BY_NAME[name].origin.writers.get(role, ())
    if state is NEW and not writes:
        return frozenset()
    return frozenset({Access.READ, Access.WRITE}) if writes else frozenset({Access.READ})


def log_rule(name: str, role: Role) -> frozenset[Access]:
    """Return what a role may do to a field of the log entries that it may see.

    Raises:
        KeyError: there is no such field.
    """
    if name not in LOG_COLUMNS:
        raise KeyError(name)
    return frozenset({Access.READ, Access.CREATE}) if role == Role.ADMIN else frozenset({Access.READ})


def writable(role: Role, state: State | None) -> tuple[str, ...]:
    """Return the fields that a role may write in a state."""
    return tuple(column.name for column in COLUMNS if Access.WRITE in rule(column.name, role, state))


def readable(role: Role) -> tuple[str, ...]:
    """Return the fields that a role may read whatever the state."""
    return tuple(name for name in _BY_NAME if all(Access.READ in rule(name, role, state) for state in State))


REQUESTED: Final = writable(Role.REQUESTER, State.DRAFT)  # what a requester fills in, by whatever way
