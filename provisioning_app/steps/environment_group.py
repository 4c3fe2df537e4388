"""Step 6: join the zone's environment group."""

from __future__ import annotations

from django.utils.translation import gettext_noop as noop

from audit_app.actions import Action
from microsoft_cloud.bap import EnvironmentGroup
from provisioning_app.steps import environments
from provisioning_app.steps.operations import others_work, still_running, watch
from provisioning_app.steps.outcome import AttemptFailedError, Context, Done, Entry, Proof, StepFailedError, Wait, text


def perform(context: Context) -> Done | Wait:
    """Add the environment to the group of its zone and read its membership back.

    Raises:
        StepFailedError: the group does not exist, or the environment is in another group.
        AttemptFailedError: the operation succeeded and the membership is not there.
    """
    if wait := still_running(context, context.cloud.power_platform.group_operation, "environment group"):
        return wait
    group = find(context)
    environment = environments.read(context)
    if environment.environment_group_id == group.id:
        proof = Proof(
            "environment group", context.facts.get("before", "none"), group.id, environment.environment_group_id
        )
        return Done((Entry(Action.GROUP_ASSIGNED, (proof,), {"group": group.display_name}),))
    if environment.environment_group_id:
        raise StepFailedError(
            noop("The environment is in another group (%(group)s); remove it there first.")
            % {"group": environment.environment_group_id}
        )
    if wait := others_work(context, environment):
        return wait
    if context.facts.get("was_sent"):
        raise AttemptFailedError(noop("The environment did not join %(group)s.") % {"group": group.display_name})
    before = text(environment.environment_group_id)
    context.before_change(Proof("environment group", before, group.display_name, before))
    started = context.cloud.power_platform.add_environment_to_group(group.id, environment.id)
    return watch(context, started, "environment group", before=before)


def find(context: Context) -> EnvironmentGroup:
    """Return the one environment group with the configured name; names are not unique, so several are an error.

    Raises:
        StepFailedError: there is none, or more than one.
    """
    wanted = context.baseline.environment_group
    groups = [group for group in context.cloud.bap.environment_groups() if group.display_name == wanted]
    if len(groups) != 1:
        raise StepFailedError(
            noop(
                "%(count)s environment groups are named %(group)s; exactly one must exist. "
                "Mend it in the admin center, then retry."
            )
            % {"count": len(groups), "group": wanted}
        )
    return groups[0]
