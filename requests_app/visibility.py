"""Which requests a person sees: their own, those a role of theirs reaches, and those shared with them one by one."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db.models import F, Q, QuerySet

from accounts_app.models import User
from accounts_app.scope import Scope
from requests_app.models import EnvironmentRequest, EnvironmentRequestUserObjectPermission

SHARED_PERMISSION = "view_environmentrequest"


def shares() -> QuerySet[EnvironmentRequestUserObjectPermission]:
    """Return the shares that count: of active people, with requests of their own tenant."""
    return EnvironmentRequestUserObjectPermission.objects.filter(
        permission__codename=SHARED_PERMISSION, user__is_active=True, user__tenant=F("content_object__tenant")
    )


def shared_with(user_id: UUID) -> list[UUID]:
    """Return the requests shared with a person.

    They are read, not joined: a list of keys lets the database use its index where a subquery beside an OR would not.
    """
    return list(shares().filter(user=user_id).values_list("content_object", flat=True))


def readers_of(request: EnvironmentRequest) -> QuerySet[User]:
    """Return the people with whom a request is shared."""
    return User.objects.filter(pk__in=shares().filter(content_object=request).values("user")).order_by("upn")


def visible_requests(scope: Scope, shared: Collection[UUID]) -> Q:
    """Return the filter on the requests that a person sees; every screen starts here."""
    return scope.requests() | Q(pk__in=shared)
