"""``manage.py intake``: good payloads are stored, bad ones are listed and change the exit code."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from requests_app.models import EnvironmentRequest
from tests.factories import People
from tests.requests_app.payloads import as_bytes, payload_of


@pytest.fixture
def store(tmp_path: Path) -> Any:
    def write(name: str, content: Any) -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else as_bytes(content))
        return str(path)

    return write


def intake(*arguments: str) -> int:
    try:
        call_command("intake", *arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_each_payload_is_one_line_with_number_zone_and_state(
    people: People, store: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    first = store("a.json", payload_of(people, environment__name="FIN-One-DEV"))
    second = store("b.json", payload_of(people, environment__name="FIN-Two-DEV"))
    assert intake(first, second) == 0
    printed = capsys.readouterr()
    assert printed.out == "REQ-00001 Zone 1 PendingApproval\nREQ-00002 Zone 1 PendingApproval\n"
    assert printed.err == ""


def test_the_same_payload_again_answers_its_number(
    people: People, store: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    name = store("a.json", payload_of(people))
    assert intake(name, name) == 0
    assert capsys.readouterr().out == "REQ-00001 Zone 1 PendingApproval\n" * 2
    assert EnvironmentRequest.objects.count() == 1


def test_a_bad_payload_does_not_keep_good_ones_out(
    people: People, store: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = store("bad.json", payload_of(people, environment__region="moon", access__expectedUserCount=0))
    good = store("good.json", payload_of(people))
    assert intake(bad, good, "missing.json") == 2
    printed = capsys.readouterr()
    assert printed.out == "REQ-00001 Zone 1 PendingApproval\n"
    lines = printed.err.splitlines()
    assert lines[0].startswith(f"{bad}: $.environment.region: 'moon' is not known; use unitedstates")
    assert lines[1].startswith(f"{bad}: $.access.expectedUserCount: must be")
    assert lines[2] == "missing.json: $: cannot be read: No such file or directory."


def test_as_json_it_is_one_document(people: People, store: Any, capsys: pytest.CaptureFixture[str]) -> None:
    good = store("good.json", payload_of(people, classification__zone=2))
    bad = store("bad.json", b"{")
    assert intake(good, bad, "--json") == 2
    found = json.loads(capsys.readouterr().out)
    assert found[0] == {
        "file": good,
        "number": "REQ-00001",
        "zone": 1,
        "state": "PendingApproval",
        "created": True,
        "differences": {"zone": {"payload": 2, "computed": 1}},
    }
    assert found[1]["file"] == bad
    assert found[1]["problems"][0]["path"] == "$"


def test_a_dash_is_standard_input(
    people: People, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(as_bytes(payload_of(people)))))
    assert intake("-") == 0
    assert capsys.readouterr().out == "REQ-00001 Zone 1 PendingApproval\n"


@pytest.mark.parametrize("content", [b"", b"\xff\xff", b"[1]", b" " * 10_000_000, b"[" * 50_000])
def test_no_file_breaks_it(people: People, store: Any, capsys: pytest.CaptureFixture[str], content: bytes) -> None:
    assert intake(store("bad.json", content)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert ": $: " in printed.err
    assert not EnvironmentRequest.objects.exists()
