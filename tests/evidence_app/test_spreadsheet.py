"""No text becomes a formula in a CSV file, and every text can be had back as it was."""

from __future__ import annotations

import ast
import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence_app import spreadsheet
from evidence_app.services import export_evidence
from requests_app.choices import State, Zone
from tests.factories import make_request

ROOT = Path(__file__).resolve().parents[2]
FORMULAS = [
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\x00=1",
    "\ufeff=1",
    " \u00a0 =1",
    "\u200b=1",
    "\u202e=1",
    "\uff1d1",
    "\uff0b1",
    "\uff0d1",
    "\uff20SUM(A1)",
    " \ufeff\t\uff1d1",
    "\x7f=1",
    "'=1",
    "\ufe621",
    "\ufe631",
    "\ttab",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_s1_what_a_spreadsheet_could_run_is_shown(text: str) -> None:
    assert spreadsheet.safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["", "FIN-Claims-PROD", "a=1", "2026-01-01", "日本", "a'b", "(1)", None, 0, -1, True])
def test_honest_values_stay_as_they_are(value: object) -> None:
    assert spreadsheet.safe_cell(value) == ("" if value is None else str(value))


@given(st.text())
def test_every_text_survives_the_file(text: str) -> None:
    try:
        written = spreadsheet.line([text, "next"]).decode()
    except UnicodeEncodeError:  # half a surrogate pair, which is stored nowhere
        return
    ((cell, following),) = csv.reader(io.StringIO(written, newline=""))
    assert (cell.removeprefix("'") if spreadsheet.could_be_a_formula(text) else cell) == text
    assert following == "next"
    assert spreadsheet.could_be_a_formula(text) == cell.startswith("'")


def test_s1_an_export_renders_formulas_as_text_and_leaves_the_record_as_it_is(people, tmp_path) -> None:
    plain = '=HYPERLINK("https://evil.example","Claims handlers")\n+ a second line'
    request = make_request(State.REJECTED, people=people, zone=Zone.ZONE_2, business_justification=plain)
    quarter = f"{request.created_at.year}Q{(request.created_at.month + 2) // 3}"

    manifest = export_evidence(people.tenant.pk, quarter, tmp_path / "out", by=people.auditor).manifest

    (recorded,) = map(json.loads, (tmp_path / "out/requests.ndjson").read_text().splitlines())
    with (tmp_path / "out/requests.csv").open(encoding=spreadsheet.ENCODING, newline="") as file:
        (rendered,) = csv.DictReader(file)
    assert recorded["business_justification"] == plain
    assert rendered["business_justification"] == f"'{plain}"
    assert set(rendered) == set(recorded)
    assert manifest["renderings"]["requests.csv"]["rule"] == spreadsheet.RULE


def test_no_other_module_writes_csv() -> None:
    packages = [path.parent for path in ROOT.glob("*/__init__.py") if path.parent.name not in ("tests", "simulator")]
    imports = {
        str(file.relative_to(ROOT))
        for package in packages
        for file in package.rglob("*.py")
        if "csv" in file.read_text()
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Import) and any(alias.name == "csv" for alias in node.names)
    }
    assert imports == {"evidence_app/spreadsheet.py"}
