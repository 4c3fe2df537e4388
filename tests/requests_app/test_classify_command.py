"""``manage.py classify``: what if, without storing anything."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from requests_app.policies.classification import RULE_SET_VERSION
from tests.requests_app.payloads import SAMPLES

ANSWERS = {
    "environment": {"type": "Sandbox"},
    "classification": {
        "dataSensitivity": "Restricted",
        "hasCustomerData": False,
        "hasFinancialData": False,
        "hasExternalAccess": False,
    },
    "access": {"expectedUserCount": 3},
}


def classify(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    call_command("classify", *arguments)
    return capsys.readouterr().out


def stored(tmp_path: Path, content: Any) -> str:
    path = tmp_path / "payload.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return str(path)


def test_it_needs_nothing_but_the_answers_and_no_database(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert json.loads(classify(capsys, stored(tmp_path, ANSWERS), "--json")) == {
        "zone": 3,
        "flags": ["RESTRICTED_DATA", "TEAM_WORKLOAD"],
        "reasons": [
            "The data is Restricted, which needs Zone 3.",
            "More than one person uses it, which needs at least Zone 2.",
        ],
        "rule_set_version": RULE_SET_VERSION,
        "lower_by": ["use data that is Confidential at most"],
    }


def test_in_words_it_gives_zone_flags_reasons_and_advice(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert classify(capsys, stored(tmp_path, ANSWERS)).splitlines() == [
        f"Zone 3 (rules {RULE_SET_VERSION})",
        "  RESTRICTED_DATA        The data is Restricted, which needs Zone 3.",
        "  TEAM_WORKLOAD          More than one person uses it, which needs at least Zone 2.",
        "To lower the zone: use data that is Confidential at most.",
    ]


def test_zone_1_has_no_flags_and_no_advice(capsys: pytest.CaptureFixture[str]) -> None:
    assert classify(capsys, str(SAMPLES / "zone-1.json")).splitlines() == [
        f"Zone 1 (rules {RULE_SET_VERSION})",
        "  No rule asks for more.",
    ]


@pytest.mark.parametrize("name", ["zone-1", "zone-2", "zone-3", "zone-3-older"])
def test_every_sample_gets_the_zone_in_its_name(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert json.loads(classify(capsys, str(SAMPLES / f"{name}.json"), "--json"))["zone"] == int(name[5])


def test_a_dash_is_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    content = io.BytesIO((SAMPLES / "zone-2.json").read_bytes())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(content))
    assert classify(capsys, "-").startswith("Zone 2 ")


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (
            {"classification": {"dataSensitivity": "Top"}, "access": {"expectedUserCount": 0}},
            [
                "$.environment: is missing",
                "$.classification.dataSensitivity: 'Top'",
                "$.access.expectedUserCount: must",
            ],
        ),
        (b"\xff", ["$: is not valid UTF-8"]),
        (b" " * 10_000_000, ["$: is larger than 1024 KiB"]),
    ],
)
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_what_keeps_it_from_being_classified_is_listed_by_path(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: Any, lines: list[str], options: list[str]
) -> None:
    name = stored(tmp_path, content)
    with pytest.raises(SystemExit) as ended:
        call_command("classify", name, *options)
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    for line in lines:
        assert f"{name}: {line}" in printed.err
