"""The clocks of credentials: when each must be rotated, who is told, how many days are left (seed, Schedule)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts_app.models import TenantIdentity
from core_app import clock
from core_app.one_by_one import each
from core_app.transactions import transactional
from notifications_app.catalogue import Event
from notifications_app.services import announce
from provisioning_app.tenants import operators

Kind = TenantIdentity.Kind


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long a kind of credential is used, how early its operators hear of it, and how long Entra accepts it."""

    period: timedelta
    notice: timedelta
    validity: timedelta


SCHEDULES: Final[dict[str, Schedule]] = {
    Kind.SECRET: Schedule(timedelta(days=90), timedelta(days=14), timedelta(days=180)),  # at most six calendar months
    Kind.CERTIFICATE: Schedule(timedelta(days=365), timedelta(days=30), timedelta(days=365)),
}


def rotate_by(identity: TenantIdentity) -> datetime | None:
    """Return when the credential in force must have been rotated; None while its age is unknown."""
    if identity.created_on is None:
        return None
    planned = identity.created_on + SCHEDULES[identity.kind].period
    return min(planned, identity.expires_on) if identity.expires_on else planned


def days_left(identity: TenantIdentity) -> int | None:
    """Return whole days until the credential must have been rotated, negative when overdue; None: age unknown."""
    until = rotate_by(identity)
    return None if until is None else (until - clock.now()).days


def is_due(identity: TenantIdentity) -> bool:
    """Say whether the notice period has begun; a credential of unknown age is due."""
    until = rotate_by(identity)
    return until is None or clock.now() >= until - SCHEDULES[identity.kind].notice


def announce_due() -> int:
    """Tell the operators of each tenant which credentials are due, once of each; return of how many they were told."""
    due = [identity for identity in TenantIdentity.objects.select_related("tenant") if is_due(identity)]
    return each(due, _announce)


@transactional
def _announce(identity: TenantIdentity) -> bool:
    tenant = identity.tenant
    messages = announce(
        Event.CREDENTIAL_DUE,
        to=operators(tenant),
        tenant_id=tenant.pk,
        reference=identity.display_name,
        once=f"{identity.pk}:{identity.secret_version or identity.key_id}",
        about=identity,
        kind=identity.get_kind_display().lower(),
        secret=identity.secret_name,
        tenant=tenant,
        purpose=identity.purpose,
        due=_in_words(identity),
    )
    return messages > 0


def _in_words(identity: TenantIdentity) -> str:
    until, left = rotate_by(identity), days_left(identity)
    if until is None or left is None:
        return _("is of unknown age")
    if left < 0:
        return _("was due on %(until)s") % {"until": f"{until:%Y-%m-%d}"}
    return ngettext(
        "must be rotated by %(until)s (%(left)s day left)", "must be rotated by %(until)s (%(left)s days left)", left
    ) % {"until": f"{until:%Y-%m-%d}", "left": left}
