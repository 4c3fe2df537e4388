"""Step 1: everything that can be known to fail is asked before anything is created."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import gettext_noop as noop

from audit_app.actions import Action
from microsoft_cloud.errors import (
    AuthenticationError,
    ConflictError,
    ConflictKind,
    GroupError,
    GroupProblem,
    PermanentError,
)
from provisioning_app.choices import RemoteState
from provisioning_app.steps import environment_group
from provisioning_app.steps.outcome import AttemptFailedError, Context, Done, Entry, Proof, StepFailedError
from requests_app.choices import LOCATION, Region
from requests_app.policies.naming import domain_name

_NEEDED_DATABASE_MB = 1024
_MORE_NAMES = 3


def perform(context: Context) -> Done:
    """Check token, tenant, location, capacity, environment group, security group, membership and the domain name.

    Raises:
        StepFailedError: naming the first thing that makes a creation impossible.
    """
    proofs = [_tenant(context), _environment_group(context)]
    columns: dict[str, Any] = {}
    if not context.run.environment_id:
        proofs += [_location(context), _capacity(context)]
    if context.run.remote_state != RemoteState.PRESENT:
        proof, columns = _domain(context)
        proofs += proof
    if context.request.security_group_id:
        proofs += [security_group(context), _membership(context)]
    return Done((Entry(Action.PREFLIGHT_CHECKED, tuple(proofs)),), run=columns)


def security_group(context: Context) -> Proof:
    """Return the proof that the security group exists.

    Raises:
        AttemptFailedError: SecurityGroupNotFound: it is missing, or Entra has not replicated it everywhere yet.
        StepFailedError: it is no group that can guard an environment.
    """
    wanted = context.request.security_group_id
    try:
        group = context.cloud.graph.group(wanted)
    except GroupError as error:
        failure = AttemptFailedError if error.kind == GroupProblem.NOT_FOUND else StepFailedError
        raise failure(
            noop("SecurityGroupNotFound: %(group)s cannot be used: %(reason)s Retry once it exists.")
            % {"group": context.request.security_group_name or wanted, "reason": error}
        ) from error
    return Proof("security group", "", wanted, group.id)


def _tenant(context: Context) -> Proof:
    wanted = str(context.request.tenant.entra_tenant_id)
    proof = Proof("tenant", "", wanted, context.cloud.bap.tenant().tenant_id.lower())
    if not proof.holds:
        raise StepFailedError(
            noop("The credentials belong to tenant %(tenant)s, not to %(wanted)s.")
            % {"tenant": proof.after, "wanted": wanted}
        )
    return proof


def _location(context: Context) -> Proof:
    wanted = LOCATION[Region(context.request.region)]
    usable = {location.name for location in context.cloud.bap.locations() if location.is_usable}
    if wanted not in usable:
        raise StepFailedError(
            noop("This tenant may not create environments in %(location)s; usable are %(usable)s.")
            % {"location": wanted, "usable": ", ".join(sorted(usable))}
        )
    return Proof("location", "", "usable", "usable")


def _capacity(context: Context) -> Proof:
    try:
        free = int(context.cloud.power_platform.database_capacity().free_mb)
    except AuthenticationError:
        raise
    except PermanentError:
        return Proof("database capacity", "", "not reported", "not reported")  # the create's own answer decides then
    if free < _NEEDED_DATABASE_MB:
        raise StepFailedError(
            noop("Only %(free)s MB of Dataverse capacity are free; an environment needs %(needed)s.")
            % {"free": free, "needed": _NEEDED_DATABASE_MB}
        )
    return Proof("database capacity", f"{free} MB free", "sufficient", "sufficient")


def _environment_group(context: Context) -> Proof:
    group = environment_group.find(context)
    return Proof("environment group", "", context.baseline.environment_group, group.display_name)


def _domain(context: Context) -> tuple[list[Proof], dict[str, Any]]:
    """Return the proof that a domain name is free, and the run's columns when it is another one than planned.

    Raises:
        StepFailedError: what holds the name may be an environment that an earlier attempt asked for.
    """
    run, is_unknown = context.run, context.run.remote_state == RemoteState.UNKNOWN
    if not is_unknown and _is_free(context, run.domain_name):
        return [Proof("domain name", "", "available", "available")], {}
    listed = context.cloud.bap.list_environments()
    # By its tag, because the domain name of something just created may not be readable yet
    if any(context.tag in environment.description for environment in listed):
        return [Proof("domain name", "ours already", "available", "available")], {}
    if any(environment.domain_name == run.domain_name for environment in listed):
        return _next_domain(context)
    if is_unknown:
        return [], {}  # it may be held by what an earlier attempt asked for, still unlisted
    if context.request.runs.filter(domain_name=run.domain_name, creation_started_at__isnull=False).exists():
        raise StepFailedError(
            noop("The domain name %(domain)s is taken by an environment this tenant cannot see.")
            % {"domain": run.domain_name}
        )
    return _next_domain(context)


def _next_domain(context: Context) -> tuple[list[Proof], dict[str, Any]]:
    """Return the next name that is free, with the run's columns; others hold the planned one, so nothing of ours does.

    Raises:
        StepFailedError: others hold the next ones too.
    """
    run, request = context.run, context.request
    for generation in range(run.generation + 1, run.generation + 1 + _MORE_NAMES):
        name = domain_name(request.environment_name, request.pk, generation, settings.DOMAIN_NAME_KEY)
        if _is_free(context, name):
            columns = {"domain_name": name, "generation": generation, "remote_state": RemoteState.ABSENT}
            return [Proof("domain name", run.domain_name, name, name)], columns
    raise StepFailedError(
        noop("The domain name %(domain)s and the next %(more)s are taken by others.")
        % {"domain": run.domain_name, "more": _MORE_NAMES}
    )


def _is_free(context: Context, name: str) -> bool:
    try:
        context.cloud.bap.validate_environment_details(name, LOCATION[Region(context.request.region)])
    except ConflictError as conflict:
        if conflict.kind != ConflictKind.DOMAIN_IN_USE:
            raise
        return False
    return True


def _membership(context: Context) -> Proof:
    """Warn, without failing, when the requester would not be able to enter their own environment."""
    person = context.cloud.graph.user(context.request.requester.upn)
    is_member = context.cloud.graph.is_member(person.id, context.request.security_group_id)
    return Proof("requester is a member", "", "yes", "yes" if is_member else "no")
