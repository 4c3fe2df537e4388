"""Every address of the admin, as it is registered, and people for whom there is a row behind each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.urls import NoReverseMatch, reverse

from tests.factories import People
from tests.screens import in_order

SCREENS: dict[type[Model], Any] = dict(admin.site._registry)
LISTS = {model: f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist" for model in SCREENS}


def rows_of(people: People) -> list[Model]:
    """Return one row of each table that has a screen and something of these people's tenant in it."""
    found = []
    for model in SCREENS:
        names = {field.name for field in model._meta.get_fields()}
        owned = {"tenant": people.tenant} if "tenant" in names else {}
        found += in_order(model._default_manager.filter(**owned))[:1]
    return found


def addresses_of(row: Model) -> Iterator[str]:
    """Return every address that takes a row's key and nothing else: its pages, dialogs and buttons."""
    for pattern in SCREENS[type(row)].get_urls():
        try:
            if pattern.name:
                yield reverse(f"admin:{pattern.name}", args=[row.pk])
        except NoReverseMatch:  # it takes no key, or a second one
            continue


def what_is_stored() -> dict[str, Any]:
    """Return the content of every table but the sessions' and the second trail, in which every reading is noted."""
    found: dict[str, Any] = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table not in ("django_session", "audit_app_logaccess"):
                cursor.execute(f'SELECT * FROM "{table}"')
                found[table] = sorted(map(repr, cursor.fetchall()))
    found["accounts_app_user"] = len(found["accounts_app_user"])  # whoever signs in has the time of it noted
    return found
