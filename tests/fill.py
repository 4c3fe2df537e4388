"""Puts one row of a tenant into every table that has none: for walls that must hold whatever a row says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import connection, models

from accounts_app.models import User
from accounts_app.row_security import SHARED
from requests_app.models import EnvironmentRequest

_CHECKS = """
    SELECT conrelid::regclass::text, conname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
    WHERE contype = 'c' AND relname LIKE '%\\_app\\_%'
"""
_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
# What the log would have to explain, were it in force
_OVER = {"requests_app.LegalHold": {"released_at": _MOMENT}}


def fill(tenant_id: UUID, request: EnvironmentRequest, person: User) -> None:
    """Insert a row of the tenant into every table of ours that holds none of it yet, in a transaction to be undone.

    Such a row need not make sense: on PostgreSQL what checks that is taken away first.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(_CHECKS)
        for table, check in cursor.fetchall():
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{check}"')
    known: dict[str, Any] = {
        "accounts_app.Tenant": tenant_id,
        "accounts_app.User": person.pk,
        "accounts_app.BusinessUnit": person.business_unit_id,
        "requests_app.EnvironmentRequest": request.pk,
        "auth.Group": Group.objects.values_list("pk", flat=True).first(),
        "auth.Permission": Permission.objects.get(codename="auditor_organisation").pk,
    }
    waiting = [
        model
        for config in apps.get_app_configs()
        if config.name.endswith("_app")
        for model in config.get_models(include_auto_created=True)
        if model._meta.label not in {*known, *SHARED}
    ]
    while waiting:
        model = next(each for each in waiting if _needs(each) <= set(known))
        waiting.remove(model)
        known[model._meta.label] = _row(model, known)


def _needs(model: type[models.Model]) -> set[str]:
    return {
        field.related_model._meta.label
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey) and not field.null and field.related_model is not model
    }


def _row(model: type[models.Model], known: dict[str, Any]) -> Any:
    mine = {
        field.attname: known[field.related_model._meta.label]
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey) and (not field.null or field.name == "tenant")
        if field.related_model._meta.label in known
    }
    if mine and (found := model._base_manager.filter(**mine).first()) is not None:
        return found.pk
    values = {
        field.attname: _value(field)
        for field in model._meta.concrete_fields
        if field.attname not in mine and not field.null and not field.has_default() and not field.primary_key
    }
    if not isinstance(model._meta.pk, models.ForeignKey | models.AutoField) and not model._meta.pk.has_default():
        values[model._meta.pk.attname] = _value(model._meta.pk)
    original = getattr(model, "instance_type", None)
    if original is not None:  # of a row that is not there any more: only the copied key to its parent counts
        for field in original._meta.concrete_fields:
            if isinstance(field, models.ForeignKey) and field.related_model._meta.label in known:
                values[field.attname] = known[field.related_model._meta.label]
        if original._meta.label == "accounts_app.Tenant":
            values["id"] = known["accounts_app.Tenant"]
    values |= _OVER.get(model._meta.label, {})
    return model._base_manager.bulk_create([model(**values | mine)])[0].pk


def _value(field: Any) -> Any:
    if field.choices:
        return field.flatchoices[0][0]
    if isinstance(field, models.UUIDField):
        return uuid4()
    if isinstance(field, models.DateTimeField):
        return _MOMENT
    if isinstance(field, models.DateField):
        return _MOMENT.date()
    if isinstance(field, models.BinaryField):
        return b"x"
    if isinstance(field, models.JSONField):
        return {}
    if isinstance(field, models.BooleanField):
        return True
    return 1 if isinstance(field, models.IntegerField) else uuid4().hex[: field.max_length or 32]
