"""Step 2: ask for the environment, once. There is no idempotency key: domain name and tag tell what happened."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils.translation import gettext_noop as noop

from audit_app.actions import Action
from microsoft_cloud.bap import Environment, NewEnvironment
from microsoft_cloud.errors import CloudError, ConflictError, ConflictKind, NotFoundError, UntrustedUrlError
from provisioning_app.choices import RemoteState
from provisioning_app.steps import environments
from provisioning_app.steps.operations import wait_seconds
from provisioning_app.steps.outcome import Context, Done, Entry, Proof, StepFailedError, Wait
from requests_app.choices import CURRENCY, LOCATION, EnvironmentType, Region


def perform(context: Context) -> Done | Wait:
    """Create the environment with Dataverse and its security group in one call, unless it is already there.

    Raises:
        StepFailedError: the platform refuses this creation for good.
    """
    if context.run.environment_id:
        return Done()
    if found := environments.find_ours(context):
        return _adopt(context, found)
    if _still_runs(context):
        return Done()
    if context.is_unknown or "probing_since" in context.facts or context.run.remote_state == RemoteState.UNKNOWN:
        since = datetime.fromisoformat(context.facts.get("probing_since", context.now.isoformat()))
        # An environment that was asked for may stay out of every list for a while (contract §5.11, step 4)
        if context.now - since < timedelta(seconds=context.settings.propagation_seconds):
            return _keep_probing(context, since)
    if (later := context.reserve_creation()) is not None:
        seconds = (later - context.now).total_seconds()
        # The day is waited for, not the platform: the step's time begins anew then
        return Wait(noop("the next day: today's creations are used up"), seconds, run={"step_deadline": None})
    return _create(context)


def _still_runs(context: Context) -> bool:
    """Say whether the creation that an earlier attempt of the request started still runs: then that one is awaited."""
    if not context.run.operation_url:
        return False
    try:
        return not context.cloud.bap.operation(context.run.operation_url).state.is_final
    except (NotFoundError, UntrustedUrlError):
        return False  # by its domain name and tag it is found all the same


def _create(context: Context) -> Done | Wait:
    context.renew_lease()
    try:
        started = context.cloud.bap.create_environment(_wanted(context))
    except ConflictError as conflict:
        if conflict.kind == ConflictKind.CAPACITY:
            raise StepFailedError(
                noop("The tenant has no database capacity left; free some or buy more, then retry.")
            ) from conflict
        if conflict.kind == ConflictKind.DOMAIN_IN_USE:
            return _keep_probing(context, context.now)
        raise
    except UntrustedUrlError as error:
        # The creation was accepted, but its address leads to a foreign host: a person has to look at that first
        raise StepFailedError(str(error), remote_state=RemoteState.UNKNOWN) from error
    except CloudError as error:
        if error.maybe_executed:
            return _keep_probing(context, context.now)
        raise
    entry = Entry(Action.CREATION_STARTED, details={"domain_name": context.run.domain_name, "tag": context.tag})
    # An id in the answer proves nothing: whose environment it is, the tag tells when it is read
    return Done((entry,), run={"operation_url": started.operation_url or "", "remote_state": RemoteState.UNKNOWN})


def _wanted(context: Context) -> NewEnvironment:
    request, region = context.request, Region(context.request.region)
    return NewEnvironment(
        location=LOCATION[region],
        display_name=request.environment_name,
        description=f"{context.tag};number={request.request_number};zone={request.zone}",
        sku=EnvironmentType(request.environment_type).label,
        domain_name=context.run.domain_name,
        currency_code=CURRENCY[region],
        security_group_id=request.security_group_id or None,
    )


def _adopt(context: Context, found: Environment) -> Done:
    proof = Proof("domain name", "", context.run.domain_name, found.domain_name)
    entry = Entry(Action.ENVIRONMENT_ADOPTED, (proof,), {"environment_id": found.id})
    return Done(
        (entry,),
        run={"environment_id": found.id, "remote_state": RemoteState.PRESENT},
        exists_since=environments.exists_since(context, found.id),
    )


def _keep_probing(context: Context, since: datetime) -> Wait:
    return Wait(
        noop("the environment that may already have been created to appear"),
        wait_seconds(context, None),
        {"probing_since": since.isoformat()},
        run={"remote_state": RemoteState.UNKNOWN},
    )
