"""How values of a payload are read: each function returns what we keep, or says in a sentence what is wrong. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import IntegerChoices
from django.utils.translation import gettext as _

from core_app.text import clean, has_content
from requests_app.choices import DataSensitivity, EnvironmentType, ExpectedUsers, Region, Zone
from requests_app.intake.document import kind_of
from requests_app.policies.classification import FLAGS

Reader = Callable[[Any], Any]

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SHOWN = 60


class WrongValue(ValueError):  # noqa: N818 - it reads as what it is
    """The value cannot be used; the text says why and what to give instead."""


def text(limit: int) -> Reader:
    """Return a reader of text with something visible in it, at most ``limit`` characters long."""

    def read(value: Any) -> str:
        found = _text(value)
        if not has_content(found):
            raise WrongValue(_("is empty."))
        if len(found) > limit:
            raise WrongValue(
                _("is %(length)s characters long; use at most %(most)s.") % {"length": len(found), "most": limit}
            )
        return found

    return read


def optional_text(limit: int) -> Reader:
    """Return a reader of text that may be blank: the agent sends a variable it did not ask for as empty text."""
    return lambda value: text(limit)(value) if has_content(_text(value)) else ""


def label_of(choices: type[IntegerChoices], known: Mapping[str, int] | None = None) -> Reader:
    """Return a reader of one of the choices' labels (or of ``known`` names), whatever its case."""
    names = known or {member.label: member for member in choices}
    by_name = {name.casefold(): choices(value) for name, value in names.items()}

    def read(value: Any) -> IntegerChoices:
        found = by_name.get(_text(value).casefold())
        if found is None:
            raise WrongValue(
                _("%(value)s is not known; use %(known)s.") % {"value": _shown(value), "known": _one_of(names)}
            )
        return found

    return read


def flag(value: Any) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise WrongValue(_("must be true or false, not %(kind)s.") % {"kind": kind_of(value)})
    return value


def zone(value: Any) -> Zone:
    """Return the zone that the agent suggests."""
    if not isinstance(value, int) or isinstance(value, bool) or value not in set(Zone):
        raise WrongValue(_("must be the number 1, 2 or 3."))
    return Zone(value)


def flags(value: Any) -> tuple[str, ...]:
    """Return the automatic flags, in the rule table's order."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise WrongValue(_("must be a list of flags out of %(flags)s.") % {"flags": ", ".join(FLAGS)})
    if unknown := sorted(set(value) - set(FLAGS)):
        raise WrongValue(
            _("%(unknown)s is not known; flags are %(known)s.")
            % {"unknown": ", ".join(map(_shown, unknown[:10])), "known": ", ".join(FLAGS)}
        )
    return tuple(name for name in FLAGS if name in value)


def group_id(value: Any) -> str:
    """Return an Entra object id in lower case; blank when the agent did not ask for one."""
    found = _text(value)
    if found and not _GUID.fullmatch(found):
        raise WrongValue(_("must be an object id (a GUID); a group's name belongs into securityGroupName."))
    return str(UUID(found)) if found else ""


def moment(value: Any) -> str:
    """Return a time with its zone, as it was written."""
    found = _text(value)
    try:
        is_aware = datetime.fromisoformat(found).tzinfo is not None
    except ValueError:
        is_aware = False
    if not is_aware:
        raise WrongValue(_("must be a date and time with its zone, for example 2026-01-29T14:30:00Z."))
    return found


def expected_users(value: Any) -> ExpectedUsers:
    """Return the choice that a number of people, or one of the labels, falls into; 50 is a large team (elm.md §1)."""
    if isinstance(value, str):
        return ExpectedUsers(label_of(ExpectedUsers, USERS_BY_LABEL)(value))
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise WrongValue(
            _("must be a whole number of people from 1 up, or %(labels)s.") % {"labels": _one_of(USERS_BY_LABEL)}
        )
    limits = ((1, ExpectedUsers.JUST_ME), (10, ExpectedUsers.SMALL_TEAM), (50, ExpectedUsers.LARGE_TEAM))
    return next((choice for most, choice in limits if value <= most), ExpectedUsers.DEPARTMENT)


# The agent's question offers the seed's label for the largest group; ours does not overlap at 50.
USERS_BY_LABEL: Mapping[str, int] = {
    **{member.label: member.value for member in ExpectedUsers},
    "Department (50+)": ExpectedUsers.DEPARTMENT,
}
environment_type = label_of(EnvironmentType)
data_sensitivity = label_of(DataSensitivity)


def region_code(codes: Mapping[Region, str]) -> Reader:
    """Return a reader of a region's code."""
    return label_of(Region, {code: region for region, code in codes.items()})


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise WrongValue(_("must be text, not %(kind)s.") % {"kind": kind_of(value)})
    return clean(value)


def _shown(value: str) -> str:
    return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "…")


def _one_of(names: Collection[str]) -> str:
    *rest, last = names
    return _("%(first)s or %(last)s") % {"first": ", ".join(rest), "last": last}
