"""Step 3: watch the creation until the environment has an id and can be read."""

from __future__ import annotations

from django.utils.translation import gettext_noop as noop

from audit_app.actions import Action
from microsoft_cloud.errors import NotFoundError
from microsoft_cloud.operations import Operation, OperationState
from provisioning_app.choices import RemoteState
from provisioning_app.steps import environments
from provisioning_app.steps.operations import wait_seconds
from provisioning_app.steps.outcome import Context, Done, Entry, Proof, StepFailedError, Wait

_FINISHED = "Succeeded"


def perform(context: Context) -> Done | Wait:
    """Poll the operation, then read the environment it names back.

    Raises:
        StepFailedError: the platform says that the creation failed.
    """
    environment_id = context.run.environment_id or _created(context)
    if isinstance(environment_id, Wait):
        return environment_id
    try:
        environment = context.cloud.bap.get_environment(environment_id, just_created=True)
    except NotFoundError:
        return _look_again(context, noop("the new environment to become readable"))
    if context.tag not in environment.description:
        raise StepFailedError(
            noop("Environment %(environment)s does not carry this request's tag; it is not ours.")
            % {"environment": environment.id}
        )
    proof = Proof("tag", "", context.tag, context.tag)
    if environment.domain_name:  # Microsoft does not report it of every environment
        proof = Proof("domain name", "", context.run.domain_name, environment.domain_name)
    return Done(
        (Entry(Action.ENVIRONMENT_CREATED, (proof,), {"environment_id": environment.id}),),
        run={"environment_id": environment.id, "remote_state": RemoteState.PRESENT, "operation_url": ""},
        exists_since=environments.exists_since(context, environment.id),
    )


def _created(context: Context) -> str | Wait:
    """Return the id the finished operation names, or find it by domain name and tag."""
    url = context.run.operation_url
    if not url:
        return _found_by_domain(context)
    try:
        operation = context.cloud.bap.operation(url)
    except NotFoundError:
        return _found_by_domain(context)
    if operation.state == OperationState.FAILED:
        return _after_failure(context, operation)
    if operation.state == OperationState.SUCCEEDED:
        return operation.environment_id or _found_by_domain(context)
    return Wait(f"creation ({operation.state.value})", wait_seconds(context, operation.retry_after))


def _after_failure(context: Context, operation: Operation) -> str | Wait:
    """Believe a failure only when the next look confirms it and no finished environment can be read.

    Raises:
        StepFailedError: the creation has failed.
    """
    remains = environments.find_ours(context)
    if remains and remains.provisioning_state == _FINISHED:
        return remains.id
    if not context.facts.get("seemed_failed"):
        reason = noop("the platform to confirm that the creation failed")
        return Wait(reason, wait_seconds(context, None), {"seemed_failed": True})
    stages = ", ".join(stage.name for stage in operation.stages if stage.state == OperationState.FAILED)
    raise StepFailedError(
        noop("The platform could not create the environment (stage %(stage)s).") % {"stage": stages or "unknown"},
        remote_state=RemoteState.UNKNOWN if remains else RemoteState.ABSENT,
        operation_url="",
    )


def _found_by_domain(context: Context) -> str | Wait:
    found = environments.find_ours(context)
    return found.id if found else _look_again(context, noop("the new environment to be listed"))


def _look_again(context: Context, reason: str) -> Wait:
    return Wait(reason, wait_seconds(context, None))
