"""Every incarnation of a tree after the first began with a restore that somebody accepted: the log has to say so."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.utils.translation import gettext_noop as noop

from audit_app.actions import Action
from audit_app.chain import details_in
from audit_app.models import LogTree, ProvisioningLog
from audit_app.verify.report import Finding


def verify_incarnations(tree: LogTree, using: str) -> Iterator[Finding]:
    """Name every incarnation after the first; one that the log does not explain is a contradiction."""
    accepted = dict(_accepted_restores(tree.tenant_id, using)) if tree.incarnation > 1 else {}
    cut_off = max(accepted.values(), default=0)
    for number in range(2, tree.incarnation + 1):
        told = noop("Incarnation %(incarnation)s began, and the log does not say that anybody accepted a restore.")
        if number in accepted:
            told = noop("Incarnation %(incarnation)s began with a restore that somebody accepted; the log says who.")
        elif number <= cut_off:
            told = noop("Incarnation %(incarnation)s was signed for and lost in a restore that somebody accepted.")
        detail, is_explained = told % {"incarnation": number}, number in accepted or number <= cut_off
        yield Finding("INCARNATION_CHANGE", f"tree:{tree.tenant_id}", detail, is_informational=is_explained)


def _accepted_restores(tenant_id: UUID, using: str) -> Iterator[tuple[int, int]]:
    """Yield which incarnation each accepted restore began, and which had been signed for before it."""
    entries = ProvisioningLog.objects.using(using).filter(
        tenant=tenant_id, chain=f"tenant:{tenant_id}", action=Action.INCARNATION_STARTED
    )
    for stored in entries.with_details_as_text().values_list("stored_details", flat=True):
        try:
            details = details_in(stored)
            yield int(details["incarnation"]), int(details["before"]["incarnation"])
        except (TypeError, KeyError, ValueError):
            continue  # somebody changed it, which is a finding of its own
