"""The screens of environment requests; each file is one screen or one part of it."""

from requests_app.admin.gates import RequestGateAdmin
from requests_app.admin.intake import IntakeReceiptAdmin
from requests_app.admin.log import ProvisioningLogAdmin
from requests_app.admin.requests import EnvironmentRequestAdmin

__all__ = ["EnvironmentRequestAdmin", "IntakeReceiptAdmin", "ProvisioningLogAdmin", "RequestGateAdmin"]
