"""Who may decide: segregation of duties as one pure function (elm.md §4; seed, Segregation of Duties).

There is no flag, setting or superuser branch that turns it off.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from accounts_app.roles import Role
from gates_app.levels import Part

_PART_REASON = {
    Part.REQUESTER: "You asked for this yourself (or with another account of yours); someone else must decide.",
    Part.EDITOR: "You edited this request; someone else must decide.",
    Part.DECIDER: "You have already decided at this gate; each stage needs another person.",
    Part.DELEGATOR: "A delegate has already decided here on your behalf.",
}


@dataclass(frozen=True, slots=True)
class Person:
    """What eligibility needs to know about someone who wants to decide.

    Attributes:
        key: Entra object id, or the account's id.
        is_active: Whether the account is enabled.
        is_service_principal: Whether it is an automation account.
        roles: Roles held over the gate's business unit.
    """

    key: str
    is_active: bool
    is_service_principal: bool
    roles: Collection[Role]


def refusal(person: Person, deciding_roles: Collection[Role], parties: Mapping[str, Part]) -> str | None:
    """Return why a person may not decide, as a sentence for them, or None when they may.

    Args:
        person: Who wants to decide.
        deciding_roles: Roles that the stage asks for (any of them).
        parties: person key → part, for everyone who already takes part in the gate.
    """
    if not person.is_active:
        return "This account is disabled."
    if person.is_service_principal:
        return "A service principal never decides; a person must."
    part = parties.get(person.key)
    if part is not None:
        return _PART_REASON[Part(part)]
    if not set(person.roles) & set(deciding_roles):
        return f"Deciding here needs the role {' or '.join(sorted(deciding_roles))} for this business unit."
    return None
