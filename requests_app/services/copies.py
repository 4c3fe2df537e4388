"""A new draft from an earlier request."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from accounts_app.models import User
from accounts_app.scope import scope_of
from core_app.transactions import transactional
from requests_app.fields import REQUESTED
from requests_app.models import EnvironmentRequest
from requests_app.policies.classification import classify
from requests_app.services.drafts import create_draft
from requests_app.visibility import shared_with, visible_requests


@transactional
def copy(request_id: UUID, *, by: User, token: UUID | None = None) -> EnvironmentRequest:
    """Make a new draft with everything that was said in a request; what was decided about it does not come along.

    Args:
        request_id: Any request that the person sees, in whatever state.
        by: The requester of the new one.
        token: What tells one confirmed dialog from another: the same one again makes no second copy.

    Raises:
        EnvironmentRequest.DoesNotExist: there is none that the person sees.
        PermissionRefused: the person may not ask for environments.
    """
    visible = visible_requests(scope_of(by), shared_with(by.pk))
    original = EnvironmentRequest.objects.select_related("business_unit").filter(visible).get(pk=request_id)
    said: Any = {name: getattr(original, name) for name in REQUESTED}
    if said["raised_zone"] and said["raised_zone"] < classify(original.answers).zone:
        said["raised_zone"] = None  # another zone was agreed for the original; the copy starts from the rules
    own, unit = by.business_unit, original.business_unit
    same_unit = unit if own is not None and unit.path.startswith(own.path) else None
    source = {"copied_from": original.request_number}
    return create_draft(by=by, business_unit=same_unit, source=source, token=token, **said)
