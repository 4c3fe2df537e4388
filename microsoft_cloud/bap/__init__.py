"""The Business Application Platform (BAP) administration API: environments, lifecycle, governance, data policies."""

from microsoft_cloud.operations import Operation, OperationStage, OperationState, Started

from .client import BapClient
from .records import (
    DlpPolicy,
    Environment,
    EnvironmentGroup,
    Governance,
    Location,
    NewEnvironment,
    OngoingOperation,
    TenantInfo,
    dlp_coverage,
)

__all__ = [
    "BapClient",
    "DlpPolicy",
    "Environment",
    "EnvironmentGroup",
    "Governance",
    "Location",
    "NewEnvironment",
    "OngoingOperation",
    "Operation",
    "OperationStage",
    "OperationState",
    "Started",
    "TenantInfo",
    "dlp_coverage",
]
