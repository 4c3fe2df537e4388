"""The screens of provisioning; each file is one screen, ``requests`` and ``tenants`` add to pages of lower apps."""

from provisioning_app.admin.breakers import CircuitBreakerAdmin
from provisioning_app.admin.credentials import RotatedIdentityAdmin, RotationRecordAdmin
from provisioning_app.admin.environments import EnvironmentAdmin, GovernedControlAdmin
from provisioning_app.admin.findings import ReconciliationFindingAdmin
from provisioning_app.admin.gaps import GapAdmin
from provisioning_app.admin.privileges import PrivilegeFindingAdmin, PrivilegeReviewAdmin
from provisioning_app.admin.requests import ProvisionedRequestAdmin
from provisioning_app.admin.rollbacks import RollbackAdmin
from provisioning_app.admin.runs import ProvisioningRunAdmin
from provisioning_app.admin.steps import StepRecordAdmin
from provisioning_app.admin.tenants import ProvisionedTenantAdmin

__all__ = [
    "CircuitBreakerAdmin",
    "EnvironmentAdmin",
    "GapAdmin",
    "GovernedControlAdmin",
    "PrivilegeFindingAdmin",
    "PrivilegeReviewAdmin",
    "ProvisionedRequestAdmin",
    "ProvisionedTenantAdmin",
    "ProvisioningRunAdmin",
    "ReconciliationFindingAdmin",
    "RollbackAdmin",
    "RotatedIdentityAdmin",
    "RotationRecordAdmin",
    "StepRecordAdmin",
]
