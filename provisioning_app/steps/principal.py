"""Step 11: the service principal's own roles in the environment, read back and reduced where the tenant says so."""

from __future__ import annotations

from audit_app.actions import Action
from provisioning_app.steps.outcome import Context, Done, Entry, Proof, require_all
from provisioning_app.steps.people import names_of

_SETTING = "roles of the principal"
_KEPT_ROLE = "System Customizer"  # enough to repair what this plan sets, without access to business data


def perform(context: Context) -> Done:
    """Read which roles we hold; where the tenant's settings say so, keep only the one that repairs need.

    Raises:
        AttemptFailedError: the roles did not read back as they should be.
    """
    dataverse = context.cloud.dataverse(context.run.environment_url)
    me = dataverse.who_am_i()
    before = dataverse.user_roles(me.user_id)
    if not context.settings.reduce_principal_roles:
        return _done(Proof(_SETTING, names_of(before), names_of(before), names_of(before)))
    if names_of(before) != _KEPT_ROLE:
        context.before_change(Proof(_SETTING, names_of(before), _KEPT_ROLE, names_of(before)))
        if _KEPT_ROLE not in {role.name for role in before}:
            dataverse.assign_user_role(me.user_id, dataverse.role_named(_KEPT_ROLE, me.business_unit_id).id)
        for role in before:
            if role.name != _KEPT_ROLE:
                dataverse.remove_user_role(me.user_id, role.id)
    proof = Proof(_SETTING, names_of(before), _KEPT_ROLE, names_of(dataverse.user_roles(me.user_id)))
    require_all((proof,))
    return _done(proof)


def _done(proof: Proof) -> Done:
    return Done((Entry(Action.PRINCIPAL_REVIEWED, (proof,)),))
