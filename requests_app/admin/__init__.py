"""The screens of environment requests; each file is one screen or one part of it."""

from requests_app.admin.disputes import ZoneDisputeAdmin
from requests_app.admin.gates import RequestGateAdmin
from requests_app.admin.holds import LegalHoldAdmin
from requests_app.admin.intake import IntakeReceiptAdmin
from requests_app.admin.log import ProvisioningLogAdmin
from requests_app.admin.requests import EnvironmentRequestAdmin
from requests_app.admin.thread import RequestCommentAdmin

__all__ = [
    "EnvironmentRequestAdmin",
    "IntakeReceiptAdmin",
    "LegalHoldAdmin",
    "ProvisioningLogAdmin",
    "RequestCommentAdmin",
    "RequestGateAdmin",
    "ZoneDisputeAdmin",
]
