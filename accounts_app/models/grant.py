"""Grants of roles over rows: django-guardian permissions with direct foreign keys."""

from __future__ import annotations

from django.db import models
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from accounts_app.models.tenant import Tenant
from accounts_app.models.unit import BusinessUnit


class BusinessUnitUserObjectPermission(UserObjectPermissionBase):
    """Grant of a role at a depth on a business unit to a person (guardian, direct foreign key)."""

    content_object = models.ForeignKey(BusinessUnit, models.CASCADE)


class BusinessUnitGroupObjectPermission(GroupObjectPermissionBase):
    """Grant of a role at a depth on a business unit to a group."""

    content_object = models.ForeignKey(BusinessUnit, models.CASCADE)


class TenantUserObjectPermission(UserObjectPermissionBase):
    """Grant of a role on a whole tenant to a person."""

    content_object = models.ForeignKey(Tenant, models.CASCADE)


class TenantGroupObjectPermission(GroupObjectPermissionBase):
    """Grant of a role on a whole tenant to a group."""

    content_object = models.ForeignKey(Tenant, models.CASCADE)
