"""How a tenant comes to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email
from django.utils.translation import gettext as _

from accounts_app import tenant_settings
from accounts_app.models import BusinessUnit, Tenant, TenantSettings, User
from accounts_app.roles import Role
from accounts_app.services.accounts import create_account
from accounts_app.services.grants import grant
from audit_app.actions import Action
from audit_app.actors import SYSTEM
from audit_app.log import record
from core_app import clock
from core_app.errors import InvalidInputError
from core_app.text import clean, has_content
from core_app.transactions import transactional


@transactional
def create_tenant(
    name: str, entra_tenant_id: UUID, *, settings: Mapping[str, Any] | None = None, **fields: Any
) -> Tenant:
    """Create a tenant with its first settings, which nobody needs to confirm because nothing ran under others before.

    Raises:
        InvalidInputError: when the settings are not valid.
    """
    tenant_settings.parse(1, settings or {})
    tenant = Tenant.objects.create(name=name, entra_tenant_id=entra_tenant_id, **fields)
    now = clock.now()
    TenantSettings.objects.create(
        tenant=tenant, version=1, values=dict(settings or {}), proposed_at=now, confirmed_at=now
    )
    record(
        Action.TENANT_CREATED,
        on=tenant,
        by=SYSTEM,
        details={"settings": dict(settings or {})},
        policy_version="settings-1",
    )
    return tenant


@dataclass(frozen=True, slots=True)
class FirstLead:
    """Somebody who governs a tenant from its first day.

    Attributes:
        upn: User principal name.
        object_id: Object id in Microsoft Entra, by which they are known when they sign in.
    """

    upn: str
    object_id: UUID


@transactional
def open_tenant(
    name: str, entra_tenant_id: UUID, *, leads: Sequence[FirstLead], units: Sequence[str], key_vault_url: str = ""
) -> Tenant:
    """Create a tenant together with what people need to go on by themselves: business units, and two who govern it.

    Args:
        name: What people call it.
        entra_tenant_id: Its id in Microsoft Entra.
        leads: Two people at least: what one of them proposes another one confirms.
        units: Business units, each with those above it in front, ``Group/Retail``, and after them.
        key_vault_url: Where its credentials are; empty when that is to be said later.

    Raises:
        InvalidInputError: listing everything that is wrong.
    """
    if problems := [*_wrong_tenant(name, entra_tenant_id, key_vault_url), *_wrong_leads(leads), *_wrong_units(units)]:
        raise InvalidInputError(problems)
    tenant = create_tenant(clean(name), entra_tenant_id, key_vault_url=key_vault_url)
    made: dict[str, BusinessUnit] = {}
    for path in units:
        above, _slash, own = path.rpartition("/")
        made[path] = BusinessUnit.objects.create(tenant=tenant, name=clean(own), parent=made.get(above))
    for lead in leads:
        user = create_account(tenant, lead.upn, lead.object_id)
        grant(user, Role.GOVERNANCE_LEAD, tenant, because="One of the first Governance Leads of the tenant")
    return tenant


def _wrong_tenant(name: str, entra_tenant_id: UUID, key_vault_url: str) -> Iterator[tuple[str, str]]:
    if not has_content(name) or len(name) > Tenant._meta.get_field("name").max_length:  # type: ignore[operator]
        yield "name", _("Give the tenant a name of at most 100 characters.")
    elif Tenant.objects.filter(name=clean(name)).exists():
        yield "name", _("There is a tenant %(name)s already.") % {"name": name}
    if Tenant.objects.filter(entra_tenant_id=entra_tenant_id).exists():
        yield "entra_tenant_id", _("This Entra tenant is here already.")
    if key_vault_url and not _is_right(URLValidator(["https"]), key_vault_url):
        yield "key_vault_url", _("%(url)s is no https URL.") % {"url": key_vault_url}


def _is_right(validator: Callable[[str], None], value: str) -> bool:
    try:
        validator(value)
    except ValidationError:
        return False
    return True


def _wrong_leads(leads: Sequence[FirstLead]) -> Iterator[tuple[str, str]]:
    if len({lead.object_id for lead in leads}) < 2:
        yield "leads", _("Name two Governance Leads: what one of them proposes another one confirms.")
    for lead in leads:
        if not _is_right(validate_email, lead.upn):
            yield "leads", _("%(name)s is no user principal name.") % {"name": lead.upn}
        if User.objects.filter(upn__iexact=lead.upn).exists():
            yield "leads", _("There is an account %(name)s already.") % {"name": lead.upn}


def _wrong_units(units: Sequence[str]) -> Iterator[tuple[str, str]]:
    for place, path in enumerate(units):
        above, _slash, own = path.rpartition("/")
        if not has_content(own) or len(own) > 100:
            yield "units", _("%(path)r: a unit has a name of at most 100 characters.") % {"path": path}
        if above and above not in units[:place]:
            yield "units", _("%(path)s: name %(above)s before it.") % {"path": path, "above": above}
        if path.lower() in {each.lower() for each in units[:place]}:
            yield "units", _("%(path)s is named twice.") % {"path": path}
