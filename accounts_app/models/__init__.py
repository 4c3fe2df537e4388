"""Tenants with their versioned settings and identities, business units (a tree), users, delegations and grants."""

from accounts_app.models.delegation import Delegation
from accounts_app.models.grant import (
    BusinessUnitGroupObjectPermission,
    BusinessUnitUserObjectPermission,
    TenantGroupObjectPermission,
    TenantUserObjectPermission,
)
from accounts_app.models.identity import TenantIdentity
from accounts_app.models.tenant import Tenant, TenantSettings
from accounts_app.models.unit import BusinessUnit
from accounts_app.models.user import User, guardian_anonymous_user

__all__ = [
    "BusinessUnit",
    "BusinessUnitGroupObjectPermission",
    "BusinessUnitUserObjectPermission",
    "Delegation",
    "Tenant",
    "TenantGroupObjectPermission",
    "TenantIdentity",
    "TenantSettings",
    "TenantUserObjectPermission",
    "User",
    "guardian_anonymous_user",
]
