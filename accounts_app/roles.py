"""The roles, what each may do to which table, and how deep its grants may reach (seed, Security Roles; elm.md §5).

A role has two halves: membership of the Django group gives the model permissions below; which *rows* it reaches comes
from django-guardian object permissions on business units and tenants, whose codename names role and depth.
"""

from __future__ import annotations

from typing import Any, Final

from django.apps import apps
from django.db.models import TextChoices


class Role(TextChoices):
    """The name of a role is the name of its Django group."""

    REQUESTER = "ELM Requester"
    APPROVER = "ELM Approver"
    COMPLIANCE_OFFICER = "ELM Compliance Officer"
    GOVERNANCE_LEAD = "ELM Governance Lead"
    ADMIN = "ELM Admin"
    OPERATOR = "ELM Operator"
    AUDITOR = "ELM Auditor"


class Depth(TextChoices):
    """Dataverse privilege depths that need a row; *own* (Basic) needs none."""

    LOCAL = "local"  # this business unit
    DEEP = "deep"  # this business unit and those below it
    ORGANISATION = "organisation"  # the whole tenant


# The word for a role in a grant's codename, for example approver_deep on a unit.
GRANT_NAMES: Final[dict[str, Role]] = {
    "approver": Role.APPROVER,
    "compliance": Role.COMPLIANCE_OFFICER,
    "governance": Role.GOVERNANCE_LEAD,
    "admin": Role.ADMIN,
    "operator": Role.OPERATOR,
    "auditor": Role.AUDITOR,
}

# A requester sees their own requests: the grant is the membership of the group, it needs no row and has no depth
OWN: Final = "own"
NAME_OF: Final = {role: name for name, role in GRANT_NAMES.items()}

# The roles that decide at gates, and that a person may therefore lend to a delegate.
DECIDING_ROLES: Final = (Role.APPROVER, Role.COMPLIANCE_OFFICER, Role.GOVERNANCE_LEAD)

_VIEW_CORE: Final = (
    "requests_app.view_environmentrequest",
    "requests_app.view_requestcomment",
    "requests_app.view_zonedispute",
    "audit_app.view_provisioninglog",
    "gates_app.view_gate",
    "gates_app.view_stage",
    "gates_app.view_decision",
)
_VIEW_RUNS: Final = (
    "provisioning_app.view_environment",
    "provisioning_app.view_provisioningrun",
    "provisioning_app.view_steprecord",
    "provisioning_app.view_gap",
    "provisioning_app.view_rotationrecord",
    "provisioning_app.view_privilegereview",
    "provisioning_app.view_privilegefinding",
    "provisioning_app.view_governedcontrol",
    "provisioning_app.view_reconciliationfinding",
    "provisioning_app.view_rollback",
    "provisioning_app.view_circuitbreaker",
)
_VIEW_ACCOUNTS: Final = (
    "accounts_app.view_tenant",
    "accounts_app.view_tenantsettings",
    "accounts_app.view_tenantidentity",
    "accounts_app.view_businessunit",
    "accounts_app.view_user",
    "sign_in_app.view_groupmapping",
)

_DELEGATE: Final = ("accounts_app.add_delegation", "accounts_app.view_delegation")

PERMISSIONS: Final[dict[Role, tuple[str, ...]]] = {
    Role.REQUESTER: (
        *_VIEW_CORE,
        "accounts_app.view_delegation",
        "requests_app.add_environmentrequest",
        "requests_app.change_environmentrequest",
    ),
    Role.APPROVER: (*_VIEW_CORE, *_DELEGATE, "requests_app.decide_environmentrequest"),
    Role.COMPLIANCE_OFFICER: (
        *_VIEW_CORE,
        *_DELEGATE,
        "requests_app.decide_environmentrequest",
        "requests_app.hold_environmentrequest",
        "requests_app.view_legalhold",
    ),
    Role.GOVERNANCE_LEAD: (
        *_VIEW_CORE,
        *_VIEW_RUNS,
        *_VIEW_ACCOUNTS,
        *_DELEGATE,
        "requests_app.decide_environmentrequest",
        "requests_app.share_environmentrequest",
        "requests_app.view_legalhold",
        "accounts_app.propose_tenantsettings",
        "accounts_app.confirm_tenantsettings",
        "sign_in_app.add_groupmapping",
        "evidence_app.view_accessreview",
        "evidence_app.view_evidencecopy",
        "audit_app.view_logaccess",
        "notifications_app.view_outboxmessage",
    ),
    Role.ADMIN: (*_VIEW_CORE, *_VIEW_RUNS, "audit_app.add_provisioninglog"),
    Role.OPERATOR: (
        *_VIEW_CORE,
        *_VIEW_RUNS,
        *_VIEW_ACCOUNTS,
        "requests_app.retry_environmentrequest",
        "notifications_app.view_outboxmessage",
        "requests_app.view_intakereceipt",
    ),
    Role.AUDITOR: (
        *_VIEW_CORE,
        *_VIEW_RUNS,
        *_VIEW_ACCOUNTS,
        "notifications_app.view_outboxmessage",
        "requests_app.view_intakereceipt",
        "requests_app.view_legalhold",
        "accounts_app.view_delegation",
        "requests_app.export_environmentrequest",
        "audit_app.export_provisioninglog",
        "audit_app.view_logaccess",
        "evidence_app.view_accessreview",
        "evidence_app.view_evidencecopy",
    ),
}


def row_permissions(*depths: Depth) -> list[tuple[str, Any]]:
    """Return the object permissions, codename and label, of every role with rows at these depths."""
    return [
        (f"{name}_{depth}", f"{role.label} ({depth.label})") for name, role in GRANT_NAMES.items() for depth in depths
    ]


def synchronise(**_signal: Any) -> None:
    """Make groups and their permissions equal to the table above; runs after every migration, idempotent."""
    group_model, permission_model = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    known = {
        f"{p.content_type.app_label}.{p.codename}": p for p in permission_model.objects.select_related("content_type")
    }
    for role, wanted in PERMISSIONS.items():
        group, _ = group_model.objects.get_or_create(name=role.value)
        group.permissions.set([known[name] for name in wanted])
