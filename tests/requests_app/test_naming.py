"""What environments may be called, and the domain name that makes a creation repeatable."""

from __future__ import annotations

import re
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as some

from requests_app.policies.naming import domain_name, justification_problem, name_problem

KEY = b"a secret of the installation"
REQUEST = UUID("11111111-2222-4333-8444-555555555555")


@pytest.mark.parametrize("name", ["FIN-ClaimsIntake-PROD", "HR-A-D", "ITSC-2026-TEST", "AB-a1B2-X"])
def test_names_of_the_convention_are_fine(name: str) -> None:
    assert name_problem(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "FIN",
        "fin-Claims-PROD",
        "F-Claims-PROD",
        "FINAN-Claims-PROD",
        "FIN-Claims-prod",
        "FIN--PROD",
        "FIN-Claims Intake-PROD",
        "FIN-Claims-PROD-2",
        "FIN-Claims-PROD\n",
        " FIN-Claims-PROD",
        "FIN-Clàims-PROD",
        "FIN-Claims-PROD2",
        "FIN-٣-PROD",
    ],
)
def test_any_other_name_is_explained_with_an_example(name: str) -> None:
    assert "for example FIN-ClaimsIntake-PROD" in (name_problem(name) or "")


def test_a_name_of_100_characters_is_fine_and_of_101_is_too_long() -> None:
    longest = f"FIN-{'a' * 91}-PROD"
    assert len(longest) == 100
    assert name_problem(longest) is None
    assert "101 characters" in (name_problem(f"FIN-{'a' * 92}-PROD") or "")


@pytest.mark.parametrize(("text", "is_fine"), [("a" * 20, True), ("a" * 19, False), ("a " * 19, False), ("", False)])
def test_a_justification_needs_20_characters_that_are_not_white_space(text: str, is_fine: bool) -> None:
    assert (justification_problem(text) is None) == is_fine


def test_the_same_request_and_generation_always_give_the_same_domain_name() -> None:
    assert domain_name("FIN-Claims-PROD", REQUEST, 1, KEY) == domain_name("FIN-Claims-PROD", REQUEST, 1, KEY)


def test_another_generation_request_or_installation_gives_another_domain_name() -> None:
    names = {
        domain_name("FIN-Claims-PROD", REQUEST, 1, KEY),
        domain_name("FIN-Claims-PROD", REQUEST, 2, KEY),
        domain_name("FIN-Claims-PROD", uuid4(), 1, KEY),
        domain_name("FIN-Claims-PROD", REQUEST, 1, b"another secret"),
    }
    assert len(names) == 4


@given(
    name=some.from_regex(r"[A-Z]{2,4}-[A-Za-z0-9]{1,40}-[A-Z]{1,20}", fullmatch=True), generation=some.integers(1, 99)
)
def test_every_domain_name_is_one_the_platform_takes(name: str, generation: int) -> None:
    found = domain_name(name, REQUEST, generation, KEY)
    assert len(found) <= 22
    assert re.fullmatch(r"[a-z][a-z0-9-]*[a-z0-9]", found)
    assert "--" not in found
