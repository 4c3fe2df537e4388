"""The table of ASVS items names tests that exist, and forgets nothing silently."""

from __future__ import annotations

import re
from pathlib import Path

from tests.assurance.asvs import NAMED, REQUIREMENTS
from tests.assurance.report import asvs_section, shortcomings_of_asvs

ROOT = Path(__file__).resolve().parents[2]


def test_every_item_names_tests_that_exist_once_or_where_its_test_is_expected() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    defined = re.findall(r"^def (test_\w+)\(", source, re.MULTILINE)
    assert {name: defined.count(name) for name in NAMED if defined.count(name) != 1} == {}
    assert [each.number for each in REQUIREMENTS if not each.tests and not each.expected_in] == []
    assert len({each.number for each in REQUIREMENTS}) == len(REQUIREMENTS)


def test_what_was_expected_is_named_as_soon_as_it_is_there() -> None:
    late = {
        each.number: each.expected_in
        for each in REQUIREMENTS
        if each.expected_in and (ROOT / each.expected_in).exists()
    }
    assert late == {}, "name the tests of these files in tests/assurance/asvs.py"


def test_the_report_names_what_is_open_failed_or_was_not_run() -> None:
    def stages(*ended: str) -> dict:
        return {"asvs": {"tests": [{"name": f"{name}[a]", "ended": how} for name in NAMED for how in ended]}}

    still_open = {each.number for each in REQUIREMENTS if each.expected_in}
    green = shortcomings_of_asvs(stages("passed", "skipped"))
    assert len(green) == len(still_open)
    assert all("is open" in line for line in green)
    red = shortcomings_of_asvs(stages("passed", "failed"))
    assert len(red) == len([each for each in REQUIREMENTS if each.tests]) + len(still_open)
    assert shortcomings_of_asvs({"asvs": {"tests": []}}) != green
    table = "\n".join(asvs_section(stages("passed")))
    assert all(f"| {each.number} |" in table for each in REQUIREMENTS)
    assert all(each.omitted in table for each in REQUIREMENTS)
