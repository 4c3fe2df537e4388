"""What a check is given, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final
from uuid import UUID

from django.db.models import QuerySet

from accounts_app.models import Tenant
from audit_app.models import Checkpoint, ProvisioningLog
from audit_app.verify import Report
from evidence_app.selection import Selection

MOST_NAMED: Final = 100  # of the failures of one check; all of them are counted


@dataclass(frozen=True, slots=True)
class Facts:
    """What the checks look at, besides the database.

    Attributes:
        selection: A whole tenant's quarter.
        checkpoint: The signed tree head that covers the quarter's entries; None when nobody has signed.
        report: What the verification of the tenant's log found.
    """

    selection: Selection
    checkpoint: Checkpoint | None
    report: Report

    @property
    def tenant(self) -> Tenant:
        """Return whose controls they are."""
        return self.selection.tenant

    @property
    def quarter(self) -> str:
        """Return the quarter's name."""
        return str(self.selection.named["quarter"])

    @property
    def quarter_has_ended(self) -> bool:
        """Say whether what is due in the quarter is due."""
        return bool(self.selection.named["quarter_has_ended"])

    @property
    def entries(self) -> QuerySet[ProvisioningLog]:
        """Return the tenant's entries of the quarter."""
        return self.selection.entries

    def entries_of(self, *actions: int) -> QuerySet[ProvisioningLog]:
        """Return the entries of these actions."""
        return self.entries.filter(action__in=actions)


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing for which a check does not hold.

    Attributes:
        subject: As people call it.
        detail: What is wrong, in a sentence.
        key: Id of the row it is about; None for what has none.
    """

    subject: str
    detail: str
    key: UUID | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found.

    Attributes:
        examined: How many things it looked at.
        failed: For how many of them it does not hold.
        failures: The first of them.
    """

    examined: int
    failed: int = 0
    failures: tuple[Failure, ...] = ()

    @property
    def holds(self) -> bool:
        """Say whether nothing contradicts the check."""
        return not self.failed


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is looked at for a control.

    Attributes:
        key: Its name, which never changes: ids of what is exported follow from it.
        control: The control of the specification that it is about.
        title: What holds when it holds.
        looks_at: What is compared with what.
        perform: Does it.
    """

    key: str
    control: str
    title: str
    looks_at: str
    perform: Callable[[Facts], Outcome]


def outcome(examined: int, failures: Iterable[Failure], failed: int | None = None) -> Outcome:
    """Return an outcome that names the first failures and counts them all.

    Args:
        examined: How many things were looked at.
        failures: What does not hold; read no further than needed where ``failed`` is given.
        failed: How many do not hold, where that is known without reading them all.
    """
    named = tuple(islice(failures, MOST_NAMED)) if failed is not None else tuple(failures)
    return Outcome(examined, len(named) if failed is None else failed, named[:MOST_NAMED])
