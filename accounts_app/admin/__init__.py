"""The screens of tenants, settings, units and people, and the scope that every other screen's rows go through."""

from accounts_app.admin.actors import name_actors
from accounts_app.admin.colleague import ColleagueField
from accounts_app.admin.log_access import LogAccessAdmin
from accounts_app.admin.people import BusinessUnitAdmin, TenantAdmin, TenantIdentityAdmin, UserAdmin
from accounts_app.admin.scoped import (
    ReadOnlyHistory,
    RoleScoped,
    TenantReach,
    TenantScoped,
    governed_tenants,
    scope_for,
)
from accounts_app.admin.settings import TenantSettingsAdmin

__all__ = [
    "BusinessUnitAdmin",
    "ColleagueField",
    "LogAccessAdmin",
    "ReadOnlyHistory",
    "RoleScoped",
    "TenantAdmin",
    "TenantIdentityAdmin",
    "TenantReach",
    "TenantScoped",
    "TenantSettingsAdmin",
    "UserAdmin",
    "governed_tenants",
    "name_actors",
    "scope_for",
]
