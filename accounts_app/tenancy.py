"""Whose rows a signed-in person's request shows: those of their tenant; before sign-in, none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from structlog.contextvars import bind_contextvars

from accounts_app.models import User
from accounts_app.scope import granted_tenants
from core_app import tenancy
from core_app.read_once import reading_once

# Where people come in, and their tenant is not known yet
SIGN_IN_ADDRESSES: Final = ("/admin/login/", "/sign-in/")
# The tenant of those who have none: no row is of it, but accounts without a tenant are shown beside it
NO_TENANT: Final = UUID(int=0)


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Show a request the rows of its person's tenant; what only reads does so in one short transaction."""

    def answer(request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(SIGN_IN_ADDRESSES):
            with tenancy.everywhere("sign-in: whoever comes may be of any tenant"):
                return get_response(request)
        with tenancy.everywhere("who is signed in"):
            tenants = tenants_of(request.user)
        if request.user.is_authenticated:
            bind_contextvars(user=str(request.user.pk))  # every line of the log stream about a refusal says whose
        with tenancy.of(*tenants):
            if request.method not in ("GET", "HEAD"):
                return get_response(request)
            with tenancy.reading(), reading_once():
                return get_response(request)

    return answer


def tenants_of(user: User | AnonymousUser) -> set[UUID]:
    """Return the tenants a person works in: their own; for a break-glass account, which has none, those of its grants.

    Nobody's are none.
    """
    if isinstance(user, AnonymousUser) or not user.is_authenticated:
        return set()
    if user.tenant_id:
        return {user.tenant_id}
    return granted_tenants(user.pk) or {NO_TENANT}
