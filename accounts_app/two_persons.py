"""What one person proposes another one confirms; whoever may not is refused, and the log says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from django.utils.translation import gettext_noop as noop

from accounts_app.locks import locked_tenant
from accounts_app.models import Tenant, User
from audit_app.actions import Action
from audit_app.actors import person
from audit_app.log import record
from core_app.errors import PermissionRefused
from core_app.recorded import recorded, told
from core_app.transactions import transactional


class Proposal(Protocol):
    """What somebody proposed; nobody did what was there from the first."""

    @property
    def proposed_by(self) -> User | None: ...


def is_proposer(user: User, proposal: Proposal) -> bool:
    """Say whether a person, be it with another account, made a proposal."""
    return proposal.proposed_by is not None and proposal.proposed_by.person_key == user.person_key


def require_second_person(user: User, proposal: Proposal) -> None:
    """Raise PermissionRefused when a person confirms what they proposed themselves."""
    if is_proposer(user, proposal):
        raise PermissionRefused(
            told(
                noop("%(proposal)s waits for a second person: who proposed it does not confirm it."), proposal=proposal
            )
        )


@contextmanager
def refusals_recorded(tenant: Tenant, by: User, **details: Any) -> Iterator[None]:
    """Record that a person was refused; what the verb began is rolled back, this is not.

    Args:
        tenant: On whose chain.
        by: Who tried.
        details: What they tried.
    """
    try:
        yield
    except PermissionRefused as refused:
        _record(tenant, by, details, refused)
        raise


@transactional
def _record(tenant: Tenant, by: User, details: dict[str, Any], refused: PermissionRefused) -> None:
    locked_tenant(tenant.pk)
    error = recorded(refused)
    record(Action.DECISION_REFUSED, on=tenant, by=person(by), details=details, error=error, success=False)
