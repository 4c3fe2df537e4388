"""Look and navigation of the admin."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse, reverse_lazy
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

CATALOGUE_PERMISSION = "requests_app.view_environmentrequest"  # which every role has


def _item(title: Promise, icon: str, view: str, permission: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": f"admin:{view}_changelist",
        "permission": lambda request: request.user.has_perm(permission),
    }


def _is_at_approvals(request: HttpRequest) -> bool:
    """Say whether the page belongs to the queue of approvals: the queue itself, or a brief that was opened from it."""
    match = request.resolver_match
    return match is not None and (match.url_name or "").endswith(("_approvals", "_brief"))


def _is_at_requests(request: HttpRequest) -> bool:
    """Say whether the page is one of the requests' that has no entry of its own in the navigation."""
    path, requests = request.path, reverse("admin:requests_app_environmentrequest_changelist")
    return path.startswith(requests) and not path.startswith(f"{requests}guided/") and not _is_at_approvals(request)


_ICON = (  # a box, drawn in place: browsers ask for an icon on every page
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E"
    "%3Cpath fill='%237c3aed' d='M12 2 3 7v10l9 5 9-5V7zm0 2.3L18 7.6l-6 3.3-6-3.3zM5 9.3l6 3.3v6.3l-6-3.3zm8 9.6v-6.3"
    "l6-3.3v6.3z'/%3E%3C/svg%3E"
)

_NAVIGATION: list[dict[str, Any]] = [
    {
        "title": _("Requests"),
        "items": [
            {"title": _("Overview"), "icon": "dashboard", "link": "admin:index"},
            {
                "title": _("New request"),
                "icon": "add_circle",
                "link": "admin:requests_app_environmentrequest_new",
                "permission": lambda request: request.user.has_perm("requests_app.add_environmentrequest"),
            },
            {
                "title": _("Approvals"),
                "icon": "gavel",
                "link": "admin:requests_app_environmentrequest_approvals",
                "active": _is_at_approvals,
                "permission": lambda request: request.user.has_perm("requests_app.decide_environmentrequest"),
            },
            {
                **_item(
                    _("Environment requests"),
                    "inbox",
                    "requests_app_environmentrequest",
                    "requests_app.view_environmentrequest",
                ),
                "active": _is_at_requests,
            },
            _item(
                _("Provisioning log"),
                "receipt_long",
                "audit_app_provisioninglog",
                "audit_app.view_provisioninglog",
            ),
            _item(_("Zone disputes"), "balance", "requests_app_zonedispute", "requests_app.view_zonedispute"),
            _item(_("Comments"), "chat", "requests_app_requestcomment", "requests_app.view_requestcomment"),
            _item(_("Legal holds"), "gavel", "requests_app_legalhold", "requests_app.view_legalhold"),
            _item(
                _("Intake receipts"),
                "move_to_inbox",
                "requests_app_intakereceipt",
                "requests_app.view_intakereceipt",
            ),
        ],
    },
    {
        "title": _("Provisioning"),
        "items": [
            {
                "title": _("Operations"),
                "icon": "monitoring",
                "link": "operations",
                "permission": lambda request: request.user.has_perm("provisioning_app.view_provisioningrun"),
            },
            _item(
                _("Environments"),
                "deployed_code",
                "provisioning_app_environment",
                "provisioning_app.view_environment",
            ),
            _item(
                _("Runs"),
                "play_circle",
                "provisioning_app_provisioningrun",
                "provisioning_app.view_provisioningrun",
            ),
            _item(_("Gaps"), "warning", "provisioning_app_gap", "provisioning_app.view_gap"),
            _item(
                _("Findings"),
                "troubleshoot",
                "provisioning_app_reconciliationfinding",
                "provisioning_app.view_reconciliationfinding",
            ),
            _item(_("Rollbacks"), "undo", "provisioning_app_rollback", "provisioning_app.view_rollback"),
            _item(
                _("Breakers"),
                "electric_bolt",
                "provisioning_app_circuitbreaker",
                "provisioning_app.view_circuitbreaker",
            ),
        ],
    },
    {
        "title": _("Governance"),
        "items": [
            _item(_("Gates"), "approval", "gates_app_gate", "gates_app.view_gate"),
            _item(
                _("Delegations"),
                "supervisor_account",
                "accounts_app_delegation",
                "accounts_app.view_delegation",
            ),
            _item(_("Outbox"), "outbox", "notifications_app_outboxmessage", "notifications_app.view_outboxmessage"),
            {
                "title": _("Notification catalogue"),
                "icon": "notifications",
                "link": "notification-catalogue",
                "permission": lambda request: request.user.has_perm(CATALOGUE_PERMISSION),
            },
            _item(_("Tenants"), "domain", "accounts_app_tenant", "accounts_app.view_tenant"),
            _item(_("Identities"), "key", "accounts_app_tenantidentity", "accounts_app.view_tenantidentity"),
            _item(
                _("Rotations"),
                "autorenew",
                "provisioning_app_rotationrecord",
                "provisioning_app.view_rotationrecord",
            ),
            _item(
                _("Privilege reviews"),
                "policy",
                "provisioning_app_privilegereview",
                "provisioning_app.view_privilegereview",
            ),
            _item(
                _("Access reviews"),
                "verified_user",
                "evidence_app_accessreview",
                "evidence_app.view_accessreview",
            ),
            _item(
                _("Stored evidence"),
                "inventory_2",
                "evidence_app_evidencecopy",
                "evidence_app.view_evidencecopy",
            ),
            _item(_("Access to the log"), "visibility", "audit_app_logaccess", "audit_app.view_logaccess"),
            _item(_("Settings"), "tune", "accounts_app_tenantsettings", "accounts_app.view_tenantsettings"),
            _item(
                _("Business units"),
                "account_tree",
                "accounts_app_businessunit",
                "accounts_app.view_businessunit",
            ),
            _item(_("People"), "group", "accounts_app_user", "accounts_app.view_user"),
            _item(_("Roles by Entra group"), "badge", "sign_in_app_groupmapping", "sign_in_app.view_groupmapping"),
        ],
    },
]


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the navigation with its addresses, found once for each page: Unfold compares each with all tabs."""
    return [
        {**group, "items": [{**item, "link": reverse(item["link"])} for item in group["items"]]}
        for group in _NAVIGATION
    ]


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": _("Environment Lifecycle Management"),
    "SITE_HEADER": _("Environment Lifecycle"),
    "SITE_SUBHEADER": _("Power Platform"),
    "SITE_SYMBOL": "deployed_code",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _ICON}],
    "STYLES": [lambda request: static("elm_project/screens.css")],
    "SCRIPTS": [lambda request: static("elm_project/access.js")],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "elm_project.dashboard.overview",
    "ACCOUNT": {
        "navigation": [
            {"title": _("My notifications"), "link": reverse_lazy("my-notifications")},
        ]
    },
    "TABS": "requests_app.admin.saved_views.tabs",
    "SIDEBAR": {
        "show_search": False,
        "navigation": "elm_project.unfold.navigation",
    },
}
