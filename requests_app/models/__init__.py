"""The environment request, and what belongs to it."""

from requests_app.models.comment import RequestComment
from requests_app.models.dispute import ZoneDispute
from requests_app.models.hold import LegalHold
from requests_app.models.intake import IntakeReceipt
from requests_app.models.request import EnvironmentRequest, EnvironmentRequestQuerySet, RequestCounter
from requests_app.models.sharing import (
    EnvironmentRequestGroupObjectPermission,
    EnvironmentRequestUserObjectPermission,
)

__all__ = [
    "EnvironmentRequest",
    "EnvironmentRequestGroupObjectPermission",
    "EnvironmentRequestQuerySet",
    "EnvironmentRequestUserObjectPermission",
    "IntakeReceipt",
    "LegalHold",
    "RequestComment",
    "RequestCounter",
    "ZoneDispute",
]
