"""Reading the environment a run works on, with the guards every step needs."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext_noop as noop

from microsoft_cloud.bap import Environment
from microsoft_cloud.errors import NotFoundError
from microsoft_cloud.operations import OperationState
from provisioning_app.choices import RemoteState
from provisioning_app.steps.outcome import Context, StepFailedError


def read(context: Context) -> Environment:
    """Return the run's environment.

    Raises:
        StepFailedError: somebody deleted it; it is not created again by itself.
    """
    try:
        return context.cloud.bap.get_environment(context.run.environment_id)
    except NotFoundError as error:
        raise StepFailedError(
            noop("The environment no longer exists: it was deleted outside this process."),
            remote_state=RemoteState.ABSENT,
        ) from error


def find_ours(context: Context) -> Environment | None:
    """Return the environment with this run's domain name, when it carries this request's tag.

    Raises:
        StepFailedError: the domain name belongs to an environment that is not ours; it is never adopted.
    """
    environment = context.cloud.bap.find_environment(context.run.domain_name)
    if environment is None:
        return None
    if context.tag not in environment.description:
        raise StepFailedError(
            noop("The domain name %(domain)s belongs to another environment (%(environment)s).")
            % {"domain": context.run.domain_name, "environment": environment.display_name}
        )
    return environment


def exists_since(context: Context, environment_id: str) -> datetime:
    """Return since when an environment has existed, by our clock, however late we have come to see it.

    Only how long its creation took is taken from Microsoft's record: the clocks may differ.
    """
    asked = context.request.runs.filter(domain_name=context.run.domain_name, creation_started_at__isnull=False)
    began = asked.order_by("-creation_started_at").values_list("creation_started_at", flat=True).first()
    for operation in context.cloud.bap.operations_of(environment_id):
        begun, ended = operation.created_time, operation.last_action_time
        if operation.type == "Create" and operation.state == OperationState.SUCCEEDED and begun and ended and began:
            return min(context.now, began + (ended - begun))
    return context.now
