"""What a test does with the admin: sign in, open a page, press a button."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.db.models import CharField, DateTimeField, IntegerField, Model, QuerySet
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import resolve, reverse
from django.utils.html import strip_tags

from accounts_app.models import User
from requests_app.models import EnvironmentRequest

LIST = "admin:requests_app_environmentrequest_changelist"
ADD = "admin:requests_app_environmentrequest_add"


def client_of(user: User, **options: Any) -> Client:
    """Return a browser in which the person is signed in."""
    User.objects.filter(pk=user.pk).update(is_staff=True)
    user.refresh_from_db()
    client = Client(**options)
    client.force_login(user, backend="sign_in_app.backends.LocalPasswordBackend")
    return client


def in_order(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return rows in the order of what they say, oldest first: their keys are random, which a test is not to depend on.

    Args:
        rows: Rows of any table.
    """
    columns = [each for each in rows.model._meta.concrete_fields if not (each.primary_key or each.is_relation)]
    kinds = (DateTimeField, IntegerField, CharField)
    return rows.order_by(*(each.name for kind in kinds for each in columns if isinstance(each, kind)), "pk")


def page_of(row: Model, view: str = "change") -> str:
    """Return the address of a row's page."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{view}", args=[row.pk])


def dialog_of(request: EnvironmentRequest, verb: str) -> str:
    """Return the address of a button's dialog."""
    return page_of(request, verb)


def press(user: User, request: EnvironmentRequest, verb: str, *, shown: str | None = None, **said: str) -> HttpResponse:
    """Confirm a button's dialog as a person who saw the page with the content hash ``shown``."""
    shown = request.content_hash if shown is None else shown
    values = {"_form_submitted": "on", "content_hash": shown, **said}
    return client_of(user).post(dialog_of(request, verb), values)  # type: ignore[return-value]


def told(response: HttpResponse, user: User) -> list[str]:
    """Return the messages that wait for the person on the page they are sent to."""
    client = client_of(user)
    client.cookies = response.client.cookies  # type: ignore[attr-defined]
    return [str(message) for message in client.get(response["Location"]).context["messages"]]


def state_of(request: EnvironmentRequest) -> int:
    """Return where the request stands in the database."""
    return EnvironmentRequest.objects.values_list("state", flat=True).get(pk=request.pk)


def rows_behind(user: User, address: str) -> int:
    """Return how many rows a filtered list has for a person; counted by its screen, without painting the page."""
    match = resolve(urlsplit(address).path)
    screen = match.func.model_admin  # type: ignore[attr-defined]
    request = RequestFactory().get(address)
    request.user, request.resolver_match = user, match
    assert screen.has_view_permission(request)
    return screen.get_changelist_instance(request).result_count


def tabs_of(user: User, **query: object) -> list[dict[str, Any]]:
    """Return the tabs above the list of requests, as a person sees them."""
    [tabs] = client_of(user).get(reverse(LIST), query).context["tab_list"]
    return [{**tab, "title": strip_tags(str(tab["title"]))} for tab in tabs["items"]]
