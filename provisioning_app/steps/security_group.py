"""Step 7: the security group that was sent at creation is really bound; repaired when it is not."""

from __future__ import annotations

from django.utils.translation import gettext_noop as noop

from audit_app.actions import Action
from provisioning_app.steps import environments, preflight
from provisioning_app.steps.operations import others_work, still_running, watch
from provisioning_app.steps.outcome import AttemptFailedError, Context, Done, Entry, Proof, Wait, text


def perform(context: Context) -> Done | Wait:
    """Verify the binding, bind when it differs, and read it back.

    Raises:
        AttemptFailedError: SecurityGroupNotFound: the group was deleted meanwhile; or the binding did not read back.
    """
    if wait := still_running(context, context.cloud.bap.operation, "security group"):
        return wait
    wanted = context.request.security_group_id
    if wanted:
        preflight.security_group(context)
    environment = environments.read(context)
    if wait := others_work(context, environment):
        return wait
    before = context.facts.get("before", text(environment.security_group_id))
    # Without a wish of its own a request takes no restriction away that somebody has put in place meanwhile
    proof = Proof("security group", before, wanted or before, text(environment.security_group_id))
    if proof.holds:
        name = context.request.security_group_name or "none requested"
        return Done((Entry(Action.SECURITY_GROUP_BOUND, (proof,), {"group": name}),))
    if context.facts.get("was_sent"):
        raise AttemptFailedError(
            noop("The security group is %(found)s instead of %(wanted)s.")
            % {"found": proof.after, "wanted": proof.desired}
        )
    context.before_change(proof)
    started = context.cloud.bap.patch_environment(environment.id, security_group_id=wanted)
    return watch(context, started, "security group", before=before)
