"""The rows that belong to requests: seen by roles, and by those with whom their request is shared."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest

from accounts_app.admin import RoleScoped, scope_for
from accounts_app.scope import prefixed
from requests_app.visibility import shared_with, visible_requests


def shared_for(request: HttpRequest) -> list[UUID]:
    """Return the requests shared with the signed-in person, read once per request."""
    if not hasattr(request, "elm_shared"):
        request.elm_shared = shared_with(request.user.pk)  # type: ignore[attr-defined, arg-type]
    return request.elm_shared  # type: ignore[attr-defined]


def visible_for(request: HttpRequest) -> Q:
    """Return the filter on the requests that the signed-in person sees."""
    return visible_requests(scope_for(request), shared_for(request))


class RequestScoped(RoleScoped):
    """Shows what a viewing role reaches, and what belongs to a request that is shared with the person."""

    request_path: ClassVar[str]  # from the row to its request

    def reached(self, request: HttpRequest) -> Q:
        """Return the filter on visible rows."""
        return super().reached(request) | prefixed(Q(pk__in=shared_for(request)), self.request_path)
