"""The integer choices of the request, exactly as the seed gives them (Choice Field Value Definitions)."""

from __future__ import annotations

from typing import Final

from django.db import models


class State(models.IntegerChoices):
    """``er_state``; Withdrawn is ours (elm.md §3)."""

    DRAFT = 1, "Draft"
    SUBMITTED = 2, "Submitted"
    PENDING_APPROVAL = 3, "PendingApproval"
    APPROVED = 4, "Approved"
    REJECTED = 5, "Rejected"
    PROVISIONING = 6, "Provisioning"
    COMPLETED = 7, "Completed"
    FAILED = 8, "Failed"
    WITHDRAWN = 9, "Withdrawn"


TERMINAL_STATES: Final = frozenset({State.REJECTED, State.COMPLETED, State.WITHDRAWN})
# A name is taken while its request is live; a rejected or withdrawn one gives it back.
NAME_HOLDING_STATES: Final = frozenset(set(State) - {State.REJECTED, State.WITHDRAWN})


class Zone(models.IntegerChoices):
    """``er_zone``: the governance zone."""

    ZONE_1 = 1, "Zone 1"
    ZONE_2 = 2, "Zone 2"
    ZONE_3 = 3, "Zone 3"


class EnvironmentType(models.IntegerChoices):
    """``er_environmenttype``."""

    SANDBOX = 1, "Sandbox"
    PRODUCTION = 2, "Production"
    DEVELOPER = 3, "Developer"


class Region(models.IntegerChoices):
    """``er_region``."""

    UNITED_STATES = 1, "United States"
    EUROPE = 2, "Europe"
    UNITED_KINGDOM = 3, "United Kingdom"
    AUSTRALIA = 4, "Australia"


# Region → location name of the Power Platform, which is also the code of the intake payload.
LOCATION: Final[dict[Region, str]] = {
    Region.UNITED_STATES: "unitedstates",
    Region.EUROPE: "europe",
    Region.UNITED_KINGDOM: "unitedkingdom",
    Region.AUSTRALIA: "australia",
}
CURRENCY: Final[dict[Region, str]] = {
    Region.UNITED_STATES: "USD",
    Region.EUROPE: "EUR",
    Region.UNITED_KINGDOM: "GBP",
    Region.AUSTRALIA: "AUD",
}


class DataSensitivity(models.IntegerChoices):
    """``er_datasensitivity``."""

    PUBLIC = 1, "Public"
    INTERNAL = 2, "Internal"
    CONFIDENTIAL = 3, "Confidential"
    RESTRICTED = 4, "Restricted"


class ExpectedUsers(models.IntegerChoices):
    """``er_expectedusers``; 50 belongs to the large team (elm.md §1)."""

    JUST_ME = 1, "Just me (1)"
    SMALL_TEAM = 2, "Small team (2-10)"
    LARGE_TEAM = 3, "Large team (11-50)"
    DEPARTMENT = 4, "Department (51 and more)"
