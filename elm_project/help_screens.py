"""Which section of which guide is about which screen, for which role."""

from __future__ import annotations

from typing import Final

from django.contrib.auth.models import AnonymousUser

from accounts_app.models import User

REQUESTER, APPROVER, ADMINISTRATOR, AUDITOR, OPERATOR = (
    f"guides/{name}.md" for name in ("requester", "approver", "administrator", "auditor", "operator")
)
# Whose permission leads to which guide: asked like every other, without a query of its own. Who has several is led to
# the first that says something about the screen
GUIDES: Final = {
    "requests_app.export_environmentrequest": AUDITOR,
    "accounts_app.propose_tenantsettings": ADMINISTRATOR,
    "requests_app.retry_environmentrequest": OPERATOR,
    "audit_app.add_provisioninglog": OPERATOR,
    "requests_app.decide_environmentrequest": APPROVER,
    "requests_app.add_environmentrequest": REQUESTER,
}
_START: Final = "your-first-page"
# The name of a screen's address, or how it begins: the sections about it, of one guide or of several
SCREENS: Final[dict[str, tuple[str, ...]]] = {
    "requests_app_environmentrequest_new": (f"{REQUESTER}#ask-in-five-steps",),
    "requests_app_environmentrequest_guided": (f"{REQUESTER}#ask-in-five-steps",),
    "requests_app_environmentrequest_add": (f"{REQUESTER}#ask-in-five-steps",),
    "requests_app_environmentrequest_dispute": (f"{REQUESTER}#when-you-find-the-zone-wrong",),
    "requests_app_environmentrequest_approvals": (f"{APPROVER}#the-queue",),
    "requests_app_environmentrequest_brief": (f"{APPROVER}#the-decision-brief",),
    "requests_app_environmentrequest_export": (f"{AUDITOR}#take-a-list-away",),
    "requests_app_environmentrequest_evidence_package": (f"{AUDITOR}#everything-about-one-request",),
    "requests_app_environmentrequest": (
        f"{AUDITOR}#requests-and-their-log",
        f"{OPERATOR}#a-request-that-failed",
        f"{APPROVER}#the-page-of-a-request",
        f"{REQUESTER}#follow-your-request",
    ),
    "requests_app_zonedispute": (f"{APPROVER}#disputed-zones", f"{REQUESTER}#when-you-find-the-zone-wrong"),
    "requests_app_requestcomment": (f"{REQUESTER}#what-you-can-do-meanwhile", f"{APPROVER}#the-decision-brief"),
    "requests_app_legalhold": (f"{APPROVER}#legal-holds", f"{AUDITOR}#retention-and-legal-holds"),
    "requests_app_intakereceipt": ("guides/intake.md",),
    "audit_app_provisioninglog_export": (f"{AUDITOR}#take-a-list-away",),
    "audit_app_provisioninglog": (f"{AUDITOR}#requests-and-their-log", f"{REQUESTER}#follow-your-request"),
    "audit_app_logaccess": (f"{AUDITOR}#who-read-the-log",),
    "gates_app": (f"{APPROVER}#gates-and-stages", f"{REQUESTER}#who-decides"),
    "accounts_app_delegation": (f"{APPROVER}#lend-your-decisions-to-a-colleague",),
    "notifications_app": (f"{OPERATOR}#messages-to-people",),
    "notification-catalogue": ("guides/notifications.md#who-is-told-of-what",),
    "my-notifications": ("guides/notifications.md#what-reaches-me",),
    "operations": (f"{OPERATOR}#what-goes-on",),
    "provisioning_app_provisioningrun": (f"{OPERATOR}#a-run-step-by-step",),
    "provisioning_app_steprecord": (f"{OPERATOR}#a-run-step-by-step",),
    "provisioning_app_environment": (f"{OPERATOR}#environments-and-quarantine",),
    "provisioning_app_governedcontrol": (f"{OPERATOR}#open-gaps",),
    "provisioning_app_gap": (f"{OPERATOR}#open-gaps",),
    "provisioning_app_reconciliationfinding": (f"{OPERATOR}#findings",),
    "provisioning_app_rollback": (f"{OPERATOR}#a-request-that-failed",),
    "provisioning_app_circuitbreaker": (f"{OPERATOR}#when-provisioning-stops",),
    "provisioning_app_rotationrecord": (f"{OPERATOR}#credentials",),
    "provisioning_app_privilege": (f"{OPERATOR}#what-the-service-principal-may-do",),
    "accounts_app_tenantidentity": (f"{OPERATOR}#credentials",),
    "accounts_app_tenantsettings": (f"{ADMINISTRATOR}#settings-of-a-tenant",),
    "accounts_app_tenant_export_evidence": (f"{AUDITOR}#a-quarters-evidence",),
    "accounts_app_tenant_questions": (f"{AUDITOR}#examiners-questions",),
    "accounts_app_tenant": (f"{AUDITOR}#the-tenants-page", f"{ADMINISTRATOR}#the-tenants-page"),
    "accounts_app_businessunit": (f"{ADMINISTRATOR}#a-new-tenant",),
    "accounts_app_user": (f"{ADMINISTRATOR}#people",),
    "sign_in_app_groupmapping": (f"{ADMINISTRATOR}#roles-by-entra-group",),
    "evidence_app_accessreview": (f"{AUDITOR}#the-quarterly-access-review",),
    "evidence_app_evidencecopy": (f"{AUDITOR}#stored-evidence",),
}
_BY_LENGTH: Final = sorted(SCREENS, key=len, reverse=True)


def guides_of(user: User | AnonymousUser) -> list[str]:
    """Return the guides of a person's roles; every guide for who has none."""
    mine = [guide for permission, guide in GUIDES.items() if user.has_perm(permission)]
    return list(dict.fromkeys(mine or GUIDES.values()))


def section_for(screen: str, user: User | AnonymousUser) -> str:
    """Return the section that says something about a screen to a person, ``guides/approver.md#the-queue``.

    Args:
        screen: The name of its address.
        user: Whose guides come first.
    """
    own = guides_of(user)
    known = next((SCREENS[name] for name in _BY_LENGTH if screen.startswith(name)), None)
    if known is None:
        return f"{own[0]}#{_START}"
    return next((section for section in known if section.partition("#")[0] in own), known[0])
