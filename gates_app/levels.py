"""How much consent a gate asks for, and where it stands."""

from __future__ import annotations

from django.db import models


class Level(models.IntegerChoices):
    """L0 records, L1 waits for an objection, L2 needs decisions, L3 needs them with re-authentication."""

    L0 = 0, "L0 record only"
    L1 = 1, "L1 objection window"
    L2 = 2, "L2 decision"
    L3 = 3, "L3 decision with step-up"


class GateStatus(models.IntegerChoices):
    """Where a gate stands."""

    OPEN = 1, "Open"
    APPROVED = 2, "Approved"
    REJECTED = 3, "Rejected"
    CLOSED = 4, "Closed without decision"


class StageStatus(models.IntegerChoices):
    """Where a stage stands."""

    WAITING = 1, "Waiting for an earlier stage"
    OPEN = 2, "Open"
    APPROVED = 3, "Approved"
    REJECTED = 4, "Rejected"
    CLOSED = 5, "Closed without decision"


class Outcome(models.IntegerChoices):
    """What a decision says."""

    APPROVE = 1, "Approve"
    REJECT = 2, "Reject"


class Part(models.IntegerChoices):
    """The part a person plays at a gate; each person plays one (segregation of duties)."""

    REQUESTER = 1, "Requester"
    EDITOR = 2, "Editor"
    DECIDER = 3, "Decider"
    DELEGATOR = 4, "Delegator"
