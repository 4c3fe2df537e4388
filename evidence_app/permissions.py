"""Who may take evidence out, and of what: ELM Auditors, of what their grants as auditors reach."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts_app.models import BusinessUnit, Tenant, User
from accounts_app.roles import Role
from accounts_app.scope import Reach, prefixed, scope_of
from audit_app.models import ProvisioningLog
from core_app.errors import PermissionRefused
from requests_app.models import EnvironmentRequest


def require_auditor(user: User, tenant: Tenant) -> Reach:
    """Return what a person reaches as an auditor.

    Raises:
        PermissionRefused: they are no auditor of the tenant or of one of its units.
    """
    reach = scope_of(user).own.get(Role.AUDITOR)
    if reach is None or not audited_tenants(reach).filter(pk=tenant.pk).exists():
        raise PermissionRefused(
            _("Exporting evidence of %(tenant)s needs the role %(auditor)s for it.")
            % {"tenant": tenant, "auditor": Role.AUDITOR}
        )
    return reach


def may_export(user: User, tenant: Tenant) -> bool:
    """Say whether a person may export evidence of a tenant, or of one of its units."""
    reach = scope_of(user).own.get(Role.AUDITOR)
    return reach is not None and audited_tenants(reach).filter(pk=tenant.pk).exists()


def may_export_request(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may take out the evidence of one request."""
    if not user.has_perm("requests_app.export_environmentrequest"):
        return False
    reach = scope_of(user).own.get(Role.AUDITOR)
    return reach is not None and reach.covers(request.business_unit)


def require_auditor_of(user: User, request: EnvironmentRequest) -> None:
    """Raise PermissionRefused unless the person audits the request's business unit."""
    if not may_export_request(user, request):
        raise PermissionRefused(
            _("Exporting evidence of %(request)s needs the role %(auditor)s for its business unit.")
            % {"request": request, "auditor": Role.AUDITOR}
        )


def audited_tenants(reach: Reach) -> QuerySet[Tenant]:
    """Return the tenants of which a reach covers at least one unit."""
    units = BusinessUnit.objects.filter(reach.of_units())
    within = Q(pk__in=reach.tenants) | Q(pk__in=units.values("tenant"))
    return Tenant.objects.filter(within).order_by("name")


def visible_entries(reach: Reach, tenant: Tenant) -> QuerySet[ProvisioningLog]:
    """Return the tenant's log entries within reach; those of no request belong to who reaches the whole tenant."""
    entries = ProvisioningLog.objects.filter(tenant=tenant)
    return entries if tenant.pk in reach.tenants else entries.filter(prefixed(reach.q(), "environment_request"))


def visible_requests(reach: Reach, tenant: Tenant) -> QuerySet[EnvironmentRequest]:
    """Return the tenant's requests within reach."""
    return EnvironmentRequest.objects.filter(reach.q(), tenant=tenant)
