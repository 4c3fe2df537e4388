"""The fault list is whole: every item has a test that names it, and every attack on the log its detector and class."""

from __future__ import annotations

import re
from pathlib import Path

from audit_app.verify.report import Finding
from tests.assurance.attacks import ATTACKS, CLASSES
from tests.assurance.items import GROUPS, ITEMS, item_of
from tests.assurance.report import attacks_section

TESTS = Path(__file__).resolve().parents[1]
NOT_APPLICABLE = {"A22"}  # details are kept: nothing is erased


def named_tests() -> dict[str, set[str]]:
    """Return item → the files whose tests name it."""
    found: dict[str, set[str]] = {}
    for file in TESTS.rglob("test_*.py"):
        for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE):
            if code := item_of(name):
                found.setdefault(code, set()).add(file.name)
    return found


def test_every_item_of_the_list_has_a_test_that_names_it_and_no_test_names_another() -> None:
    codes = [item.code for item in ITEMS]
    assert len(set(codes)) == len(codes)
    assert {code[0] for code in codes} == set(GROUPS)
    assert set(named_tests()) == set(codes)


def test_every_attack_on_the_log_has_its_detector_and_its_class() -> None:
    attacks = {item.code for item in ITEMS if item.code.startswith("A")}
    numbers = {f"A{number}" for number in range(1, 25)}
    assert attacks == {attack.code for attack in ATTACKS} == numbers - NOT_APPLICABLE
    told = Finding.__doc__ or ""
    guide = (TESTS.parent / "docs" / "guides" / "evidence.md").read_text()
    for name in CLASSES - {"OK"}:
        assert name in told
        assert name in guide
    assert {name for attack in ATTACKS for name in attack.classes} <= CLASSES
    table = [line for line in attacks_section({}) if line.startswith("| A")]
    assert len(table) == len(ATTACKS)
