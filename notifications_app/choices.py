"""What a person wants to hear of, through which channel, and what they cannot go without."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _

from accounts_app.models import BusinessUnit, Tenant, User
from accounts_app.roles import DECIDING_ROLES, Role
from accounts_app.scope import granted_tenants, scope_of
from accounts_app.services import holders
from audit_app.actions import Action
from audit_app.actors import person
from audit_app.log import record
from core_app.errors import InvalidInputError
from core_app.transactions import transactional
from notifications_app.catalogue import CATALOGUE, ROLES_OF, Channel, Event, Silence
from notifications_app.models import NotificationChoice

Pair = tuple[Event, Channel]
PAIRS: Final[tuple[Pair, ...]] = tuple((event, channel) for event in Event for channel in CATALOGUE[event].channels)


def reached(event: Event, people: list[User]) -> dict[Channel, list[User]]:
    """Return who of these people hears of an event, for each of its channels, in one query.

    An event that demands an act reaches all of them where otherwise none of them would hear of it.
    """
    notice = CATALOGUE[event]
    if notice.silence == Silence.NEVER or not people:
        return dict.fromkeys(notice.channels, people)
    off = NotificationChoice.objects.filter(person__in=people, event=event, is_wanted=False)
    silenced = set(off.values_list("person", "channel"))
    hearing = {
        channel: [each for each in people if (each.pk, channel.value) not in silenced] for channel in notice.channels
    }
    if notice.silence == Silence.NOT_WHEN_ALONE and not hearing[Channel.EMAIL]:
        hearing[Channel.EMAIL] = people
    return hearing


def choices_of(user: User) -> dict[Pair, bool]:
    """Return what a person hears of: every event and channel, and whether it is wanted."""
    chosen = NotificationChoice.objects.filter(person=user).values_list("event", "channel", "is_wanted")
    said = {(event, channel): is_wanted for event, channel, is_wanted in chosen}
    return {pair: CATALOGUE[pair[0]].silence == Silence.NEVER or said.get(pair, True) for pair in PAIRS}


def concerning(user: User) -> list[Event]:
    """Return the events of which somebody with a person's roles may be told, in the catalogue's order."""
    held = set(user.groups.values_list("name", flat=True))
    return [event for event, notice in CATALOGUE.items() if any(held & set(ROLES_OF[each]) for each in notice.to)]


@transactional
def choose(by: User, wanted: Mapping[Pair, bool]) -> list[str]:
    """Store what a person wants to hear of; what is not spoken of stays as it is.

    Args:
        by: The person, who chooses for nobody else.
        wanted: Whether they want to hear of an event through a channel.

    Returns:
        What changed, in words; empty when nothing did.

    Raises:
        InvalidInputError: naming every event that cannot be switched off, and why, or that has no such channel.
    """
    before = choices_of(User.objects.select_for_update(no_key=True).get(pk=by.pk))
    if unknown := wanted.keys() - before.keys():
        raise InvalidInputError([("", _("There is no {} through {}.").format(*pair)) for pair in sorted(unknown)])
    changed = {pair: is_on for pair, is_on in wanted.items() if before[pair] != is_on}
    if problems := _problems(by, [pair for pair, is_on in changed.items() if not is_on]):
        raise InvalidInputError(problems)
    for (event, channel), is_on in changed.items():
        NotificationChoice.objects.update_or_create(
            person=by, event=event, channel=channel, defaults={"is_wanted": is_on}
        )
    if changed:
        _record(by, changed)
    return [
        f"{event.label}, {channel.label}: {_('on') if on else _('off')}" for (event, channel), on in changed.items()
    ]


def _problems(by: User, off: Iterable[Pair]) -> list[tuple[str, str]]:
    return [(event, reason) for event in dict.fromkeys(event for event, _channel in off) if (reason := _why(by, event))]


def _why(by: User, event: Event) -> str:
    silence = CATALOGUE[event].silence
    if silence == Silence.NEVER:
        return _("“{event}” cannot be switched off: whoever is told has to know of it.").format(event=event.label)
    if silence == Silence.NOT_WHEN_ALONE and (alone := alone_at(by)):
        return _("“{event}” cannot be switched off by you: you are the only {role} of {unit}.").format(
            event=event.label, role=alone[0].value, unit=alone[1]
        )
    return ""


def alone_at(user: User) -> tuple[Role, BusinessUnit] | None:
    """Return a role and a business unit at which nobody else could decide than this person, or None."""
    own = scope_of(user).own
    for role in (each for each in DECIDING_ROLES if each in own):
        for unit in BusinessUnit.objects.filter(own[role].of_units()).select_related("tenant").order_by("path"):
            keys = {each.person_key for each in holders(role, unit)}
            if keys <= {user.person_key}:
                return role, unit
    return None


def _record(by: User, changed: Mapping[Pair, bool]) -> None:
    """Record the choice where the person is at home; an account of no tenant, where it holds a role."""
    details = {"on": _named(changed, is_on=True), "off": _named(changed, is_on=False)}
    at: Collection[UUID] = [by.tenant_id] if by.tenant_id else granted_tenants(by.pk)
    for tenant in Tenant.objects.filter(pk__in=at).order_by("pk"):
        record(Action.NOTIFICATIONS_CHOSEN, on=tenant, by=person(by), details=details)


def _named(changed: Mapping[Pair, bool], *, is_on: bool) -> list[str]:
    return sorted(f"{event}:{channel}" for (event, channel), on in changed.items() if on is is_on)
