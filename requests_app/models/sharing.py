"""Object permissions on single requests."""

from __future__ import annotations

from django.db import models
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from requests_app.models.request import EnvironmentRequest


class EnvironmentRequestUserObjectPermission(UserObjectPermissionBase):
    """Sharing of a single request with a person."""

    content_object = models.ForeignKey(EnvironmentRequest, models.CASCADE)


class EnvironmentRequestGroupObjectPermission(GroupObjectPermissionBase):
    """Sharing of a single request with a group."""

    content_object = models.ForeignKey(EnvironmentRequest, models.CASCADE)
