"""Who may decide at a gate: roles from the database, delegations, parties, put before the pure rule."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import product
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts_app.models import BusinessUnit, Delegation, User
from accounts_app.roles import Role
from accounts_app.scope import Reach, Scope, prefixed, scope_of, scopes_of
from accounts_app.services import holders
from core_app import clock
from core_app.errors import PermissionRefused
from core_app.read_once import once
from gates_app.eligibility import ASKED_FOR_IT, Check, Lender, Person, checks, lender_used, refusal
from gates_app.levels import GateStatus, Part, StageStatus
from gates_app.models import Gate, GateParty, Stage

OBJECTING_ROLES = (Role.APPROVER,)


def unresolvable_role(unit: BusinessUnit, roles: Iterable[Role], parties: Mapping[str, Part]) -> Role | None:
    """Return the first role for which nobody is left to decide, or None; each person counts for one stage only."""
    free: list[list[str]] = []
    for role in roles:
        free.append(_free_to_decide(role, unit, parties))
        if not _each_has_another(free):
            return role
    return None


def eligible_people(gate: Gate, stage: Stage | None) -> list[User]:
    """Return everyone who may decide now, delegates after holders, in a stable order."""
    roles, unit = _deciding_roles(stage), gate.business_unit
    people = {user.pk: user for role in roles for user in holders(role, unit)}
    lent = Delegation.objects.active_at(clock.now()).filter(delegator__in=list(people), delegate__is_active=True)
    people |= {each.delegate_id: each.delegate for each in lent.select_related("delegate").order_by("delegate__upn")}
    parties, scopes = parties_of(gate), scopes_of(people.values())
    return [user for pk, user in people.items() if refusal(_person(user, scopes[pk], unit), roles, parties) is None]


def expected_deciders(gate: Gate, stage: Stage | None) -> list[User]:
    """Return who is asked to decide: the person a stage is assigned to and their delegates, else everyone who may.

    ``stages_asking`` says the same the other way round.
    """
    people = eligible_people(gate, stage)
    if stage is None or stage.escalated_at or stage.assigned_to not in people:
        return people  # also of somebody who lost the role, until their stage is handed on
    lent = Delegation.objects.active_at(clock.now()).filter(delegator=stage.assigned_to)
    delegates = set(lent.values_list("delegate", flat=True))
    return [stage.assigned_to, *(user for user in people if user.pk in delegates)]


def require_eligible(user: User, gate: Gate, stage: Stage | None) -> Delegation | None:
    """Return the delegation a person makes use of when they decide now; None when a role of their own suffices.

    Raises:
        PermissionRefused: they may not decide, with the reason.
    """
    scope, roles, parties = scope_of(user), _deciding_roles(stage), parties_of(gate)
    person = _person(user, scope, gate.business_unit)
    if reason := refusal(person, roles, parties):
        raise PermissionRefused(reason)
    used = lender_used(person, roles, parties)
    by_key = {loan.delegation.delegator.person_key: loan.delegation for loan in reversed(scope.loans)}
    return by_key[used.key] if used else None


def refusal_for(user: User, gate: Gate, stage: Stage | None) -> str | None:
    """Return why a person may not decide now, or None when they may."""
    return refusal(_person(user, scope_of(user), gate.business_unit), _deciding_roles(stage), parties_of(gate))


def checks_for(user: User, gate: Gate, stage: Stage | None) -> tuple[Check, ...]:
    """Return every rule of segregation of duties as it turns out for a person at a gate."""
    return checks(_person(user, scope_of(user), gate.business_unit), _deciding_roles(stage), parties_of(gate))


def refusals_for(user: User, open_at: Mapping[Gate, Stage | None]) -> dict[UUID, str | None]:
    """Return why a person may not decide at each of several gates, by the gate's key; one query for all their parties.

    Args:
        user: Who wants to decide.
        open_at: Each gate with its open stage, none at level 1; business units are read along with the gates.
    """
    scope, parties = scope_of(user), _parties_of_each(open_at)
    return {
        gate.pk: refusal(_person(user, scope, gate.business_unit), _deciding_roles(stage), parties[gate.pk])
        for gate, stage in open_at.items()
    }


def stages_asking(user: User, scope: Scope) -> QuerySet[Stage]:
    """Return the open stages that wait for this very person: they may decide, and they are asked.

    Asked is whom a stage is assigned to and who stands in for them; anybody once it is nobody's, or escalated. It is
    ``refusal`` as a filter for the database, so that one page of many is read; what is decided asks ``refusal``.
    """
    if not user.is_active or user.is_service_principal:
        return Stage.objects.none()
    parties = GateParty.objects.filter(gate=OuterRef("gate"))
    lenders = [loan.delegation.delegator for loan in scope.loans]
    keys = [lender.person_key for lender in lenders]
    takes_part = Q(person_key=user.person_key) | Q(person_key__in=keys, part__in=ASKED_FOR_IT)
    is_able = _reached(scope.own)
    for loan in scope.loans:
        has_acted = Exists(parties.filter(person_key=loan.delegation.delegator.person_key))
        is_able |= _reached(loan.reach) & Q(~has_acted)
    is_asked = Q(assigned_to=None) | Q(assigned_to__in=[user, *lenders]) | Q(escalated_at__isnull=False)
    waiting = Stage.objects.filter(status=StageStatus.OPEN, gate__status=GateStatus.OPEN)
    return waiting.filter(is_asked, is_able).exclude(Exists(parties.filter(takes_part)))


def refusals_of_assigned(stages: Collection[Stage]) -> dict[UUID, str | None]:
    """Return why whom each stage is assigned to may not decide now, by the stage's key; the same few queries for all.

    Args:
        stages: Assigned stages; their people, gates and business units are read along with them.
    """
    people = {stage.assigned_to for stage in stages if stage.assigned_to}
    scopes, parties = scopes_of(people), _parties_of_each({stage.gate for stage in stages})
    return {
        stage.pk: refusal(
            _person(stage.assigned_to, scopes[stage.assigned_to.pk], stage.gate.business_unit),
            stage.roles,
            parties[stage.gate_id],
        )
        for stage in stages
        if stage.assigned_to
    }


def parties_of(gate: Gate) -> dict[str, Part]:
    """Return person key → part for everyone who takes part in a gate."""
    return once(("parties", gate.pk), lambda: _parties_of_each([gate])[gate.pk])


def _reached(reach: Mapping[Role, Reach]) -> Q:
    """Return the filter on stages that ask for a role with what it reaches; escalation asks for the Governance Lead."""
    q = Q(pk__in=[])
    for role, part in reach.items():
        asks = Q(role=role)
        if role == Role.GOVERNANCE_LEAD:
            asks |= Q(escalated_at__isnull=False)
        q |= asks & prefixed(part.q(), "gate")
    return q


def _parties_of_each(gates: Iterable[Gate]) -> dict[UUID, dict[str, Part]]:
    parties: dict[UUID, dict[str, Part]] = {gate.pk: {} for gate in gates}
    rows = GateParty.objects.filter(gate__in=list(parties)).values_list("gate_id", "person_key", "part")
    for gate_id, key, part in rows:
        parties[gate_id][key] = Part(part)
    return parties


def _free_to_decide(role: Role, unit: BusinessUnit, parties: Mapping[str, Part]) -> list[str]:
    return list(
        dict.fromkeys(
            user.person_key for user in holders(role, unit) if refusal(_as_holder(user, role), (role,), parties) is None
        )
    )


def _each_has_another(free: Sequence[Sequence[str]]) -> bool:
    """Say whether each stage can be decided by a person of its own; of as many people as stages one is always left."""
    return any(len(set(people)) == len(free) for people in product(*(keys[: len(free)] for keys in free)))


def _deciding_roles(stage: Stage | None) -> tuple[Role, ...]:
    return stage.roles if stage else OBJECTING_ROLES


def _person(user: User, scope: Scope, unit: BusinessUnit) -> Person:
    lenders = tuple(
        Lender(loan.delegation.delegator.person_key, str(loan.delegation.delegator), _roles_over(unit, loan.reach))
        for loan in scope.loans
    )
    return Person(user.person_key, user.is_active, user.is_service_principal, _roles_over(unit, scope.own), lenders)


def _roles_over(unit: BusinessUnit, reach: Mapping[Role, Reach]) -> list[Role]:
    return [role for role, part in reach.items() if part.covers(unit)]


def _as_holder(user: User, role: Role) -> Person:
    return Person(user.person_key, user.is_active, user.is_service_principal, (role,))
