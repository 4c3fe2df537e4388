"""How long the records of a request are kept: by its zone, and longer while it is under legal hold.

This release deletes no record, so that "kept until" is a promise with an end, not a date of deletion. The period begins
with the newest log entry about the request, once the request has ended and its environment is gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop
from django.utils.translation import ngettext

from accounts_app import tenant_settings
from accounts_app.models import TenantSettings
from audit_app.models import ChainHead
from provisioning_app.choices import EnvironmentStatus
from provisioning_app.models import Environment
from requests_app.choices import TERMINAL_STATES
from requests_app.models import EnvironmentRequest, LegalHold

NOT_ENDED: Final = noop("the request has not ended")
STILL_THERE: Final = noop("its environment exists")


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the records of one request are kept.

    Attributes:
        years: What the tenant's settings say for its zone: those in force now, or at its routing if they said more.
        last_entry_at: When its newest log entry was written.
        not_begun: Why the period has not begun yet; empty when it has.
        keep_until: When it ends; None while it has not begun.
        holds: The legal holds in force, which keep everything whatever the period says.
    """

    years: int
    last_entry_at: datetime | None
    not_begun: str
    keep_until: datetime | None
    holds: tuple[LegalHold, ...]

    def in_words(self) -> str:
        """Return it as people say it."""
        until = f"{self.keep_until:%Y-%m-%d}" if self.keep_until else ""
        kept = self._sentence() % {"years": self.years, "until": until}
        if not self.holds:
            return kept
        matters = ", ".join(hold.matter for hold in self.holds)
        return _("%(kept)s; under legal hold for %(matters)s") % {"kept": kept, "matters": matters}

    def _sentence(self) -> str:
        if self.keep_until is not None:
            return ngettext(
                "until %(until)s at least (%(years)s year after its last log entry)",
                "until %(until)s at least (%(years)s years after its last log entry)",
                self.years,
            )
        if self.not_begun == NOT_ENDED:
            return ngettext(
                "for %(years)s year after it has ended and its environment is gone",
                "for %(years)s years after it has ended and its environment is gone",
                self.years,
            )
        if self.not_begun == STILL_THERE:
            return ngettext(
                "for %(years)s year after its environment is gone",
                "for %(years)s years after its environment is gone",
                self.years,
            )
        return ngettext(
            "for %(years)s year after its first log entry", "for %(years)s years after its first log entry", self.years
        )


def retention_of(requests: Sequence[EnvironmentRequest]) -> dict[UUID, Retention]:
    """Return how long the records of requests are kept, by request; the same few queries for any number of them."""
    keys = [request.pk for request in requests]
    chains = {request.log_chain().key: request.pk for request in requests}
    heads = ChainHead.objects.filter(chain__in=chains).values_list("chain", "timestamp")
    last = {chains[chain]: at for chain, at in heads}
    there = Environment.objects.filter(request__in=keys).exclude(status=EnvironmentStatus.DELETED)
    alive = set(there.values_list("request", flat=True))
    holds: dict[UUID, list[LegalHold]] = defaultdict(list)
    for hold in LegalHold.objects.in_force().filter(request__in=keys).order_by("placed_at", "id"):
        holds[hold.request_id].append(hold)
    years = _years_of(requests)
    return {
        request.pk: _retention(request, years[request.pk], last.get(request.pk), request.pk in alive, holds[request.pk])
        for request in requests
    }


def _retention(
    request: EnvironmentRequest, years: int, last: datetime | None, is_there: bool, holds: Iterable[LegalHold]
) -> Retention:
    not_begun = NOT_ENDED if request.state not in TERMINAL_STATES else STILL_THERE if is_there else ""
    until = plus_years(last, years) if last and not not_begun else None
    return Retention(years, last, not_begun, until, tuple(holds))


def _years_of(requests: Sequence[EnvironmentRequest]) -> dict[UUID, int]:
    rows = TenantSettings.objects.filter(tenant__in={request.tenant_id for request in requests})
    parsed: dict[UUID, dict[int, tenant_settings.Settings]] = defaultdict(dict)
    for row in rows.filter(confirmed_at__isnull=False).order_by("version"):
        parsed[row.tenant_id][row.version] = tenant_settings.parse(row.version, row.values)
    found = {}
    for request in requests:
        versions = parsed[request.tenant_id]
        in_force = versions[max(versions)]
        pinned = versions.get(request.settings_version or 0, in_force)
        found[request.pk] = max(each.retention_years[request.zone] for each in (in_force, pinned))
    return found


def plus_years(moment: datetime, years: int) -> datetime:
    """Return the same moment of the year, years later; 1 March where there is no 29 February."""
    try:
        return moment.replace(year=moment.year + years)
    except ValueError:
        return moment.replace(year=moment.year + years, month=3, day=1)
