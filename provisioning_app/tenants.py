"""Halt and resume a tenant's provisioning when its credentials, or its log, are refused; other tenants go on."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop

from accounts_app.locks import locked_tenant
from accounts_app.models import Tenant, User
from accounts_app.roles import Role
from accounts_app.services import holders_of_tenant
from audit_app.actions import Action
from audit_app.actors import SYSTEM, person
from audit_app.log import record
from audit_app.models import LogTree
from core_app.doorbell import ring
from core_app.errors import DomainError, PermissionRefused
from core_app.text import clean, has_content
from core_app.transactions import transactional
from microsoft_cloud.errors import AuthenticationError, CloudError
from notifications_app.catalogue import Event
from notifications_app.services import announce
from provisioning_app.permissions import operates


@transactional
def halt(tenant_id: UUID, reason: str) -> None:
    """Stop provisioning for a tenant and alert its operators, once until it is resumed; runs in flight wait."""
    tenant = locked_tenant(tenant_id)
    if tenant.halted_reason:
        return
    tenant.halted_reason = reason
    entry = record(Action.TENANT_HALTED, on=tenant, by=SYSTEM, error=reason, success=False)
    tenant.save(update_fields=["halted_reason"])
    announce(
        Event.TENANT_HALTED,
        to=operators(tenant),
        tenant_id=tenant.pk,
        reference=tenant.name,
        once=str(entry.pk),
        about=tenant,
        tenant=tenant,
        reason=reason,
    )


def halt_where_refused(tenant_id: UUID, error: CloudError) -> None:
    """Halt a tenant whose service principal Microsoft refuses, whoever notices; any other error is no reason to.

    Without a status nobody was asked: something is still to be configured here, and the first run says so.
    """
    if isinstance(error, AuthenticationError) and error.status is not None:
        halt(tenant_id, str(error))


def halt_where_the_log_is_refused() -> None:
    """Halt the tenants whose log its signer refuses: a backup was restored in silence, or the log was rewritten.

    What the log has forgotten was done at Microsoft all the same. Somebody accepts the restore, then resumes.
    """
    refused = LogTree.objects.exclude(refused_because="").filter(tenant__halted_reason="")
    for tree in refused:
        halt(tree.tenant_id, noop("The log is not signed for any more. %(why)s") % {"why": tree.refused_because})


@transactional
def resume(tenant_id: UUID, *, by: User, reason: str) -> Tenant:
    """Start dispatching again after the credentials were mended, or a restore was accepted.

    Raises:
        PermissionRefused: for anyone but an operator of the tenant.
        DomainError: the tenant is not halted, or no reason is given.
    """
    tenant = locked_tenant(tenant_id)
    if not operates(by, tenant):
        raise PermissionRefused(
            _("Resuming %(tenant)s needs the role %(operator)s for the tenant.")
            % {"tenant": tenant, "operator": Role.OPERATOR}
        )
    if not tenant.halted_reason:
        raise DomainError(_("Provisioning in %(tenant)s is not halted.") % {"tenant": tenant})
    if not has_content(reason):
        raise DomainError(_("Say what was mended; it is logged."))
    record(Action.TENANT_RESUMED, on=tenant, by=person(by), details={"reason": clean(reason)})
    tenant.halted_reason = ""
    tenant.save(update_fields=["halted_reason"])
    ring("provisioning_app.tasks.dispatch", str(tenant.pk))
    return tenant


def is_halted(tenant_id: UUID) -> bool:
    """Say whether a tenant's provisioning is halted."""
    return Tenant.objects.filter(pk=tenant_id).exclude(halted_reason="").exists()


def operators(tenant: Tenant) -> QuerySet[User]:
    """Return the active operators of a whole tenant."""
    return holders_of_tenant(Role.OPERATOR, tenant)
