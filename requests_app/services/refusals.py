"""Who may not decide on a request is refused, and so is what was changed behind the verbs; the log says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from accounts_app.models import User
from audit_app.actions import Action
from audit_app.actors import person
from audit_app.log import record
from core_app.errors import AlteredContentError, PermissionRefused
from core_app.recorded import recorded
from core_app.transactions import transactional
from requests_app.services.alterations import raise_alarm
from requests_app.services.rows import locked


@contextmanager
def refusals_recorded(request_id: UUID, by: User, outcome: str, **details: Any) -> Iterator[None]:
    """Record that a decision was refused; what the verb began is rolled back, this is not.

    Args:
        request_id: What was to be decided on.
        by: Who wanted to decide.
        outcome: How.
        details: What else the log is to say.
    """
    try:
        yield
    except PermissionRefused as refused:
        _record(request_id, by, {"outcome": outcome, **details}, refused)
        raise
    except AlteredContentError as altered:
        raise_alarm(request_id, person(by), outcome, altered)
        raise


@transactional
def _record(request_id: UUID, by: User, details: dict[str, Any], refused: PermissionRefused) -> None:
    request = locked(request_id)
    details["stage_state"] = request.get_state_display()
    record(Action.DECISION_REFUSED, on=request, by=person(by), details=details, error=recorded(refused), success=False)
