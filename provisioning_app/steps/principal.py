"""Step 11: the service principal's own roles in the environment, read back and reduced where the tenant says so."""

from __future__ import annotations

from audit_app.actions import Action
from provisioning_app.steps.outcome import Context, Done, Entry, Proof

_KEPT_ROLE = "System Customizer"  # enough to repair what this plan sets, without access to business data


def perform(context: Context) -> Done:
    """Read which roles we hold; where the tenant's settings say so, give up System Administrator."""
    dataverse = context.cloud.dataverse(context.run.environment_url)
    me = dataverse.who_am_i()
    before = dataverse.user_roles(me.user_id)
    if context.settings.reduce_principal_roles and _names(before) != _KEPT_ROLE:
        context.before_change(Proof("roles of the principal", _names(before), _KEPT_ROLE, _names(before)))
        if _KEPT_ROLE not in {role.name for role in before}:
            dataverse.assign_user_role(me.user_id, dataverse.role_named(_KEPT_ROLE, me.business_unit_id).id)
        for role in before:
            if role.name == "System Administrator":
                dataverse.remove_user_role(me.user_id, role.id)
    after = _names(dataverse.user_roles(me.user_id)) if context.settings.reduce_principal_roles else _names(before)
    desired = _KEPT_ROLE if context.settings.reduce_principal_roles else after
    return Done((Entry(Action.PRINCIPAL_REVIEWED, (Proof("roles of the principal", _names(before), desired, after),)),))


def _names(roles: tuple[object, ...]) -> str:
    return ", ".join(sorted(str(getattr(role, "name", "")) for role in roles)) or "none"
