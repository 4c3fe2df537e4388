"""Who acts, as the log names them: plain words, never a foreign key, so that the entry outlives the account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from audit_app.actions import ActorType


class _HasUpn(Protocol):
    @property
    def upn(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Actor:
    """The actor of a log entry: its type and its UPN, application (client) id or ``System``."""

    type: ActorType
    name: str


SYSTEM = Actor(ActorType.SYSTEM, "System")


def person(user: _HasUpn) -> Actor:
    """Return the actor for a member of staff, named by user principal name."""
    return Actor(ActorType.USER, user.upn)


def service_principal(client_id: str) -> Actor:
    """Return the actor for an automation identity, named by its application (client) id."""
    return Actor(ActorType.SERVICE_PRINCIPAL, client_id)
