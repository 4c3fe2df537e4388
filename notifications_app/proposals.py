"""Tells people of what waits in the apps below for a second person."""

from __future__ import annotations

from accounts_app.models import TenantSettings
from accounts_app.roles import Role
from accounts_app.services import holders_of_tenant
from core_app.one_by_one import each
from core_app.transactions import transactional
from notifications_app.catalogue import Event
from notifications_app.services import announce


def announce_proposals() -> int:
    """Tell each tenant's Governance Leads of proposed settings, but not who proposed them; each person once.

    Returns:
        Of how many proposals somebody was told.
    """
    waiting = TenantSettings.objects.awaiting_a_second_person().select_related("tenant", "proposed_by")
    return each(waiting, _announce)


@transactional
def _announce(proposal: TenantSettings) -> bool:
    proposer = proposal.proposed_by
    leads = holders_of_tenant(Role.GOVERNANCE_LEAD, proposal.tenant)
    others = [lead for lead in leads if proposer is None or lead.person_key != proposer.person_key]
    messages = announce(
        Event.SETTINGS_PROPOSED,
        to=others,
        tenant_id=proposal.tenant_id,
        reference=str(proposal),
        once=str(proposal.pk),
        about=proposal,
        proposer=proposer or "Somebody",
        tenant=proposal.tenant,
    )
    return messages > 0
