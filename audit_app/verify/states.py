"""The state of every request, and what holds it, against the fold of its log."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final
from uuid import UUID

from django.db import models
from django.db.models import Count, Q
from django.utils.translation import gettext_noop as noop

from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from audit_app.verify.report import Finding

_CHUNK: Final = 2000
_PLACED, _RELEASED = Action.LEGAL_HOLD_PLACED, Action.LEGAL_HOLD_RELEASED


def verify_states(theirs: Q, using: str) -> Iterator[Finding]:
    """Compare the state of every request with the to-state of its newest entry that carries one."""
    subject = ProvisioningLog._meta.get_field("environment_request").related_model
    newest = (
        ProvisioningLog.objects.filter(environment_request=models.OuterRef("pk"), to_state__isnull=False)
        .order_by("-sequence")
        .values("to_state")[:1]
    )
    wrong = (
        subject._base_manager.using(using)
        .annotate(folded=models.Subquery(newest))
        .filter(theirs, Q(folded__isnull=True) | ~Q(folded=models.F("state")))
        .values_list("pk", "state", "folded")
    )
    for pk, state, folded in wrong.iterator(chunk_size=_CHUNK):
        yield Finding(
            "STATE_MISMATCH",
            f"request:{pk}",
            noop("The request is in state %(state)s, its log says %(folded)s.")
            % {"state": state, "folded": folded or "nothing"},
        )


def verify_holds(theirs: Q, using: str, requests: Collection[UUID] | None = None) -> Iterator[Finding]:
    """Compare the legal holds in force on requests with those that their logs placed and did not release.

    Args:
        theirs: Whose requests.
        using: Alias of the database.
        requests: Only these; every one when None.
    """
    subject = ProvisioningLog._meta.get_field("environment_request").related_model
    holds: Any = subject._meta.get_field("legal_holds").related_model
    placed, released = (Count("pk", filter=Q(action=each)) for each in (_PLACED, _RELEASED))
    entries = ProvisioningLog.objects.using(using).filter(theirs, action__in=(_PLACED, _RELEASED))
    rows = holds._base_manager.using(using).filter(theirs, released_at__isnull=True)
    if requests is not None:
        entries, rows = entries.filter(environment_request__in=requests), rows.filter(request__in=requests)
    said = entries.order_by().values_list("environment_request").annotate(balance=placed - released)
    logged = {request: balance for request, balance in said if balance}
    in_force = dict(rows.order_by().values_list("request").annotate(number=Count("pk")))
    for pk in sorted(logged.keys() | in_force.keys(), key=str):
        here, there = in_force.get(pk, 0), logged.get(pk, 0)
        if here != there:
            detail = noop("Legal holds in force on the request: %(here)s; by its log: %(there)s.") % {
                "here": here,
                "there": there,
            }
            yield Finding("STATE_MISMATCH", f"request:{pk}", detail)
