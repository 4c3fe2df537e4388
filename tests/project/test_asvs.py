"""The table of ASVS items names tests that exist, and forgets nothing silently."""

from __future__ import annotations

import re
from pathlib import Path

from tests.assurance.asvs import NAMED, REQUIREMENTS
from tests.assurance.report import asvs_section, shortcomings_of_asvs

ROOT = Path(__file__).resolve().parents[2]


def test_every_item_names_tests_that_exist_once() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    defined = re.findall(r"^def (test_\w+)\(", source, re.MULTILINE)
    assert {name: defined.count(name) for name in NAMED if defined.count(name) != 1} == {}
    assert [each.number for each in REQUIREMENTS if not (each.tests or each.omitted)] == []
    assert len({each.number for each in REQUIREMENTS}) == len(REQUIREMENTS)


def test_the_report_names_what_failed_or_was_not_run() -> None:
    def stages(*ended: str) -> dict:
        return {"asvs": {"tests": [{"name": f"{name}[a]", "ended": how} for name in NAMED for how in ended]}}

    tested = [each for each in REQUIREMENTS if each.tests]
    assert shortcomings_of_asvs(stages("passed", "skipped")) == []
    assert len(shortcomings_of_asvs(stages("passed", "failed"))) == len(tested)
    assert len(shortcomings_of_asvs({"asvs": {"tests": []}})) == len(tested)
    table = "\n".join(asvs_section(stages("passed")))
    assert all(f"| {each.number} |" in table for each in REQUIREMENTS)
    assert all(each.omitted in table for each in REQUIREMENTS)
