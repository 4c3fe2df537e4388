"""What can happen to accounts: roles are granted and revoked, tenants made, settings agreed on by two people."""

from accounts_app.services.accounts import create_account
from accounts_app.services.grants import HeldRole, grant, grant_role, may_revoke_role, revoke, revoke_role, roles_of
from accounts_app.services.holders import governs, holders, holders_of_tenant
from accounts_app.services.settings import (
    confirm_settings,
    may_confirm_settings,
    may_reject_settings,
    propose_settings,
    reject_settings,
    settings_changes,
    settings_of,
)
from accounts_app.services.tenants import FirstLead, create_tenant, open_tenant

__all__ = [
    "FirstLead",
    "HeldRole",
    "confirm_settings",
    "create_account",
    "create_tenant",
    "governs",
    "grant",
    "grant_role",
    "holders",
    "holders_of_tenant",
    "may_confirm_settings",
    "may_reject_settings",
    "may_revoke_role",
    "open_tenant",
    "propose_settings",
    "reject_settings",
    "revoke",
    "revoke_role",
    "roles_of",
    "settings_changes",
    "settings_of",
]
