"""Segregation of duties as a pure function."""

from __future__ import annotations

import pytest

from accounts_app.roles import Role
from gates_app.eligibility import Person, refusal
from gates_app.levels import Part

ROLES = (Role.APPROVER,)


def someone(**changes):
    return Person(**{"key": "p", "is_active": True, "is_service_principal": False, "roles": ROLES, **changes})


def test_whoever_holds_the_role_and_plays_no_other_part_may_decide():
    assert refusal(someone(), ROLES, {"other": Part.REQUESTER}) is None


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (Part.REQUESTER, "asked for this yourself"),
        (Part.EDITOR, "edited this request"),
        (Part.DECIDER, "already decided"),
        (Part.DELEGATOR, "delegate has already decided"),
    ],
)
def test_each_person_plays_one_part(part, words):
    assert words in refusal(someone(), ROLES, {"p": part})


def test_a_service_principal_never_decides_whatever_it_holds():
    assert "service principal" in refusal(someone(is_service_principal=True, roles=tuple(Role)), ROLES, {})


def test_a_disabled_account_decides_nothing():
    assert "disabled" in refusal(someone(is_active=False), ROLES, {})


def test_the_refusal_names_the_missing_roles():
    assert "ELM Approver or ELM Governance Lead" in refusal(
        someone(roles=()), (Role.APPROVER, Role.GOVERNANCE_LEAD), {}
    )
