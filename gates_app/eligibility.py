"""Who may decide: segregation of duties as one pure function (elm.md §4; seed, Segregation of Duties).

There is no flag, setting or superuser branch that turns it off.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop

from accounts_app.roles import Role
from core_app.recorded import told
from gates_app.levels import Part

_PART_REASON = {
    Part.REQUESTER: noop("You asked for this yourself (or with another account of yours); someone else must decide."),
    Part.EDITOR: noop("You edited this request; someone else must decide."),
    Part.DECIDER: noop("You have already decided at this gate; each stage needs another person."),
    Part.DELEGATOR: noop("A delegate has already decided here on your behalf."),
}
ASKED_FOR_IT: Final = frozenset({Part.REQUESTER, Part.EDITOR})


@dataclass(frozen=True, slots=True)
class Lender:
    """Someone a person stands in for now.

    Attributes:
        key: Their Entra object id, or their account's id.
        name: What people call them.
        roles: Roles they lend over the gate's business unit; none when they lend for other units only.
    """

    key: str
    name: str
    roles: Collection[Role] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """What eligibility needs to know about someone who wants to decide.

    Attributes:
        key: Entra object id, or the account's id.
        is_active: Whether the account is enabled.
        is_service_principal: Whether it is an automation account.
        roles: Roles of their own over the gate's business unit.
        lenders: Everyone they stand in for now; they inherit these people's conflicts.
    """

    key: str
    is_active: bool
    is_service_principal: bool
    roles: Collection[Role]
    lenders: tuple[Lender, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One rule of segregation of duties, as it turns out for a person.

    Attributes:
        rule: What has to hold, as a sentence.
        refusal: Why it does not hold for this person; empty when it does.
    """

    rule: str
    refusal: str = ""


def checks(person: Person, deciding_roles: Collection[Role], parties: Mapping[str, Part]) -> tuple[Check, ...]:
    """Return every rule with its outcome; a person may decide when all of them hold.

    Args:
        person: Who wants to decide.
        deciding_roles: Roles that the stage asks for (any of them).
        parties: person key → part, for everyone who already takes part in the gate.
    """
    part = parties.get(person.key)
    asked = told(_PART_REASON[Part(part)]) if part in ASKED_FOR_IT else ""
    decided = told(_PART_REASON[Part(part)]) if part is not None and not asked else ""
    is_able = bool(set(person.roles) & set(deciding_roles)) or lender_used(person, deciding_roles, parties)
    return (
        Check(_("A person with an active account decides."), _not_a_person(person)),
        Check(_("Who asked for it or edited it does not decide."), asked),
        Check(_("Nobody decides twice at a gate, nor with a delegate's help."), decided),
        Check(
            _("Who stands in for somebody who asked for it or edited it does not decide."),
            _inherited_conflict(person, parties),
        ),
        Check(
            _("Who decides holds the role that the stage asks for."),
            "" if is_able else _missing_role(person, deciding_roles),
        ),
    )


def refusal(person: Person, deciding_roles: Collection[Role], parties: Mapping[str, Part]) -> str | None:
    """Return why a person may not decide, as a sentence for them, or None when all ``checks`` hold."""
    return next((check.refusal for check in checks(person, deciding_roles, parties) if check.refusal), None)


def lender_used(person: Person, deciding_roles: Collection[Role], parties: Mapping[str, Part]) -> Lender | None:
    """Return in whose place a person would decide: nobody's when a role of their own suffices."""
    if set(person.roles) & set(deciding_roles):
        return None
    able = (lender for lender in person.lenders if set(lender.roles) & set(deciding_roles))
    return next((lender for lender in able if lender.key not in parties), None)


def _not_a_person(person: Person) -> str:
    if not person.is_active:
        return told(noop("This account is disabled."))
    return told(noop("A service principal never decides; a person must.")) if person.is_service_principal else ""


def _inherited_conflict(person: Person, parties: Mapping[str, Part]) -> str:
    for lender in person.lenders:
        if parties.get(lender.key) in ASKED_FOR_IT:
            return told(
                noop("You stand in for %(lender)s, who asked for this or edited it; someone else must decide."),
                lender=lender.name,
            )
    return ""


def _missing_role(person: Person, deciding_roles: Collection[Role]) -> str:
    if busy := lender_used(person, deciding_roles, {}):
        return told(
            noop("You stand in for %(busy)s, who has already taken part here; nobody decides twice."), busy=busy.name
        )
    return told(
        noop("Deciding here needs the role %(roles)s for this business unit."),
        roles=" or ".join(sorted(deciding_roles)),
    )
