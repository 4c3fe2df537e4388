"""What can happen to a tenant's settings: proposed by one person, confirmed or refused by another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import Max
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop

from accounts_app import tenant_settings
from accounts_app.locks import locked_tenant
from accounts_app.models import Tenant, TenantSettings, User
from accounts_app.services.holders import governs
from accounts_app.two_persons import is_proposer, refusals_recorded, require_second_person
from audit_app.actions import Action
from audit_app.actors import person
from audit_app.log import record
from core_app import clock
from core_app.doorbell import ring
from core_app.errors import DomainError, InvalidInputError, PermissionRefused
from core_app.read_once import once
from core_app.recorded import told
from core_app.text import reason_given
from core_app.transactions import transactional


@transactional
def propose_settings(
    tenant_id: UUID, *, by: User, values: Mapping[str, Any], based_on: int | None = None
) -> TenantSettings:
    """Propose a new version of a tenant's settings; it holds once a second person has confirmed it.

    Args:
        tenant_id: Whose settings.
        by: Who proposes them.
        values: All that shall differ from the defaults, not only what changes.
        based_on: The version in force that the person was shown; None when they were shown none.

    Raises:
        PermissionRefused: unless the person is a Governance Lead of the tenant.
        InvalidInputError: listing every setting that is unknown or out of range; or another proposal is open, nothing
            would change, or other settings are in force by now.
    """
    tenant = locked_tenant(tenant_id)
    require_settings_role(by, tenant)
    version = (tenant.settings.aggregate(last=Max("version"))["last"] or 0) + 1
    proposed = tenant_settings.parse(version, values)
    if problem := _why_not_now(tenant, proposed, based_on):
        raise InvalidInputError([("", problem)])
    stored = tenant_settings.differences(tenant_settings.by_path(proposed))
    proposal = TenantSettings.objects.create(
        tenant=tenant, version=version, values=stored, proposed_by=by, proposed_at=clock.now()
    )
    _record_settings(Action.SETTINGS_PROPOSED, proposal, by)
    ring("notifications_app.tasks.deliver")  # it tells those who may confirm them
    return proposal


def _why_not_now(tenant: Tenant, proposed: tenant_settings.Settings, based_on: int | None) -> str:
    in_force = settings_of(tenant)
    if waiting := tenant.settings.awaiting_a_second_person().first():
        return _("%(waiting)s already wait for a second person; confirm or refuse them first.") % {"waiting": waiting}
    if based_on not in (None, in_force.version):
        return _("Other settings have come into force meanwhile; open this form anew and change those.")
    if not tenant_settings.changes(in_force, proposed):
        return _("Nothing differs from the settings in force.")
    return ""


def confirm_settings(settings_id: UUID, *, by: User) -> TenantSettings:
    """Put proposed settings in force.

    Raises:
        PermissionRefused: for the proposer, a second account of theirs, or someone who does not govern the tenant;
            logged as DecisionRefused.
        DomainError: when the proposal is already confirmed or refused.
    """
    proposal = TenantSettings.objects.select_related("tenant").get(pk=settings_id)
    with refusals_recorded(proposal.tenant, by, confirm=str(proposal)):
        return _confirm_settings(settings_id, by=by)


@transactional
def _confirm_settings(settings_id: UUID, *, by: User) -> TenantSettings:
    proposal = _locked_proposal(settings_id, by)
    require_second_person(by, proposal)
    proposal.confirmed_by, proposal.confirmed_at = by, clock.now()
    _record_settings(Action.SETTINGS_CONFIRMED, proposal, by)
    proposal.save(update_fields=["confirmed_by", "confirmed_at"])
    return proposal


@transactional
def reject_settings(settings_id: UUID, *, by: User, reason: str) -> TenantSettings:
    """Refuse proposed settings, or take one's own proposal back.

    Raises:
        PermissionRefused: for someone who does not govern the tenant.
        InvalidInputError: when the reason says nothing.
        DomainError: when the proposal is already confirmed or refused.
    """
    said = reason_given(reason)
    proposal = _locked_proposal(settings_id, by)
    proposal.rejected_by, proposal.rejected_at, proposal.rejection_reason = by, clock.now(), said
    _record_settings(Action.SETTINGS_REJECTED, proposal, by, reason=proposal.rejection_reason)
    proposal.save(update_fields=["rejected_by", "rejected_at", "rejection_reason"])
    return proposal


def _locked_proposal(settings_id: UUID, by: User) -> TenantSettings:
    tenant_id = TenantSettings.objects.values_list("tenant_id", flat=True).get(pk=settings_id)
    tenant = locked_tenant(tenant_id)
    require_settings_role(by, tenant)
    proposal = TenantSettings.objects.select_for_update(no_key=True).get(pk=settings_id)
    if proposal.confirmed_at:
        raise DomainError(_("%(proposal)s are already confirmed.") % {"proposal": proposal})
    if proposal.rejected_at:
        raise DomainError(_("%(proposal)s are already refused; propose them again.") % {"proposal": proposal})
    return proposal


def _record_settings(action: Action, proposal: TenantSettings, by: User, **details: Any) -> None:
    record(
        action,
        on=proposal.tenant,
        by=person(by),
        details={"settings": proposal.values, **details},
        policy_version=f"settings-{proposal.version}",
    )


def require_settings_role(user: User, tenant: Tenant) -> None:
    """Raise PermissionRefused unless the person governs the tenant."""
    if not governs(user, tenant):
        raise PermissionRefused(
            told(noop("Settings of %(tenant)s are changed by its ELM Governance Leads."), tenant=tenant)
        )


def may_confirm_settings(user: User, proposal: TenantSettings) -> bool:
    """Say whether a person may put proposed settings in force."""
    return may_reject_settings(user, proposal) and not is_proposer(user, proposal)


def may_reject_settings(user: User, proposal: TenantSettings) -> bool:
    """Say whether a person may refuse proposed settings, or take them back."""
    return proposal.is_open and governs(user, proposal.tenant)


def settings_of(tenant: Tenant, version: int | None = None) -> tenant_settings.Settings:
    """Return a tenant's settings, typed: the version given, or the one in force."""

    def read() -> tenant_settings.Settings:
        row = tenant.settings.get(version=version) if version else tenant.current_settings
        return tenant_settings.parse(row.version, row.values)

    return once(("settings", tenant.pk, version), read)


def settings_changes(row: TenantSettings) -> list[dict[str, str]]:
    """Return what a version changes, or would change, in the settings that were in force when it was proposed."""
    earlier = row.tenant.settings.filter(confirmed_at__isnull=False, version__lt=row.version).order_by("-version")
    before = earlier.first()
    in_force = tenant_settings.parse(before.version, before.values) if before else tenant_settings.Settings()
    return tenant_settings.changes(in_force, tenant_settings.parse(row.version, row.values))
