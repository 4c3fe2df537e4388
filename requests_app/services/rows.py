"""What every verb does with the row: lock it, move it, tell people about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django_fsm import TransitionNotAllowed

from accounts_app.models import User
from audit_app.actions import Action
from audit_app.actors import Actor
from audit_app.log import record
from core_app.errors import DomainError
from notifications_app.catalogue import Event
from notifications_app.services import announce
from requests_app.models import EnvironmentRequest


def locked(request_id: UUID) -> EnvironmentRequest:
    """Return the request, locked until the transaction ends.

    Raises:
        EnvironmentRequest.DoesNotExist: there is none.
    """
    rows = EnvironmentRequest.objects.select_related("gate", "business_unit", "tenant", "requester", "approver")
    request: EnvironmentRequest = rows.select_for_update(no_key=True, of=("self",)).get(pk=request_id)
    return request


def move(  # noqa: PLR0913 - a transition and its log entry
    request: EnvironmentRequest,
    transition: Callable[..., None],
    action: Action,
    *,
    by: Actor,
    details: Mapping[str, Any] | None = None,
    error: str = "",
    success: bool = True,
    correlation_id: str = "",
    policy_version: str = "",
    **values: Any,
) -> None:
    """Run a transition, record it, and save the row, in that order: the database trigger wants the entry first.

    Raises:
        DomainError: in words for the user, when the transition is not allowed from where the request stands.
    """
    before = request.state
    try:
        transition(**values)
    except TransitionNotAllowed as refused:
        verb = transition.__name__.replace("_", " ")
        raise DomainError(
            _("%(request)s is %(state)s; it cannot %(verb)s now. Reload to see where it stands.")
            % {"request": request, "state": request.get_state_display(), "verb": verb}
        ) from refused
    record(
        action,
        on=request,
        by=by,
        transition=(before, request.state),
        details=details,
        error=error,
        success=success,
        correlation_id=correlation_id,
        policy_version=policy_version,
    )
    request.save()


def tell(event: Event, request: EnvironmentRequest, people: Iterable[User], *, once: str = "", **words: object) -> None:
    """Announce an event about a request; ``once`` distinguishes repeated events of one kind."""
    announce(
        event,
        to=people,
        tenant_id=request.tenant_id,
        reference=request.request_number,
        once=f"{request.pk}:{once}",
        about=request,
        **{"name": request.environment_name, "zone": request.zone, "requester": request.requester, **words},
    )


def moment(at: datetime | None) -> str:
    """Return a time as people read it, with its zone."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else _("no fixed time")
