"""Step 9: access for people: a team that stands for the security group, or the requester alone, with the maker role."""

from __future__ import annotations

from django.utils.translation import gettext_noop as noop

from audit_app.actions import Action
from microsoft_cloud.dataverse import DataverseClient, Role
from microsoft_cloud.errors import ConflictError, ConflictKind
from provisioning_app.steps.operations import wait_seconds
from provisioning_app.steps.outcome import AttemptFailedError, Context, Done, Entry, Proof, Wait


def perform(context: Context) -> Done | Wait:
    """Give the security group's team, or without a group the requester, the zone's role and read it back.

    Raises:
        AttemptFailedError: team, user or role did not read back.
    """
    dataverse = context.cloud.dataverse(context.run.environment_url)
    unit = dataverse.root_business_unit()
    role = dataverse.role_named(context.baseline.security_role, unit)
    if context.request.security_group_id:
        return _group(context, dataverse, unit, role)
    return _requester(context, dataverse, role)


def _group(context: Context, dataverse: DataverseClient, unit: str, role: Role) -> Done:
    group, name = context.request.security_group_id, context.request.security_group_name
    existing = dataverse.group_team(group)
    if existing is None:
        context.before_change(Proof("group team", "none", name, "none"))
        try:
            dataverse.create_group_team(f"{name} makers", group, unit)
        except ConflictError as conflict:
            if conflict.kind != ConflictKind.ALREADY_EXISTS:
                raise
    team = dataverse.group_team(group)
    if team is None:
        raise AttemptFailedError(noop("The team of %(team)s did not read back.") % {"team": name})
    before = dataverse.team_roles(team.id)
    if role.id not in {held.id for held in before}:
        context.before_change(_role_proof(before, role, before))
        dataverse.assign_team_role(team.id, role.id)
    synced = Proof("group team", "none" if existing is None else existing.entra_object_id, group, team.entra_object_id)
    return _done(synced, before, role, dataverse.team_roles(team.id))


def _requester(context: Context, dataverse: DataverseClient, role: Role) -> Done | Wait:
    person = context.cloud.graph.user(context.request.requester.upn)
    user = dataverse.system_user(person.id)
    if user is None:
        context.before_change(Proof("requester", "absent", "present", "absent"))
        if not context.facts.get("was_added"):
            context.cloud.bap.add_user(context.run.environment_id, person.id)
        return Wait(noop("the requester to be synchronised"), wait_seconds(context, None), {"was_added": True})
    before = dataverse.user_roles(user.id)
    if role.id not in {held.id for held in before}:
        context.before_change(_role_proof(before, role, before))
        dataverse.assign_user_role(user.id, role.id)
    return _done(Proof("requester", "", "present", "present"), before, role, dataverse.user_roles(user.id))


def _done(synced: Proof, before: tuple[Role, ...], role: Role, after: tuple[Role, ...]) -> Done:
    if role.id not in {held.id for held in after}:
        raise AttemptFailedError(noop("The role %(role)s did not read back.") % {"role": role.name})
    assigned = Proof("security role", names_of(before), role.name, role.name)
    return Done((Entry(Action.USER_SYNCED, (synced,)), Entry(Action.ROLES_ASSIGNED, (assigned,))))


def _role_proof(before: tuple[Role, ...], role: Role, after: tuple[Role, ...]) -> Proof:
    return Proof("security role", names_of(before), role.name, names_of(after))


def names_of(roles: tuple[Role, ...]) -> str:
    """Return the names of roles, as a proof says them."""
    return ", ".join(sorted(role.name for role in roles)) or "none"
