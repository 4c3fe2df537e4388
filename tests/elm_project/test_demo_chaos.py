"""``manage.py demo --chaos``: faults at Microsoft and workers killed again and again, and everything ends well."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from elm_project.demo.chaos import FAULTS
from tests.elm_project.test_demo import demo, processes_of
from tests.simulation.figures import report

pytestmark = [
    pytest.mark.assurance,
    pytest.mark.flow,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc"),
]

PATIENCE_SECONDS = 900


def test_chaos_leaves_exactly_one_environment_for_each_request(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    stdout, stderr = (running := demo("--chaos", "--once", "--json", "--dir", str(folder))).communicate(
        timeout=PATIENCE_SECONDS
    )

    assert running.returncode == 0, stderr[-5000:]
    document = json.loads(stdout)
    requests, chaos = document["requests"], document["chaos"]
    assert {request["state"] for request in requests} == {"Completed"}
    assert len({request["environment_id"] for request in requests}) == len(requests) >= 3
    assert document["log"]["verified"] is True
    assert chaos["exactly_one_each"] is True
    assert chaos["environments"] == len(requests)
    assert chaos["left_over"] == []
    assert chaos["workers_killed"] >= 3
    assert chaos["adopted"] >= 1
    assert set(chaos["injected"]) == {str(fault["name"]) for fault in FAULTS}
    told = " ".join(stderr.split())
    injected = ", ".join(f"{count} x {kind}" for kind, count in chaos["injected"].items())
    assert f"Injected: {injected}; {chaos['workers_killed']} x worker killed." in told
    assert re.search(rf"Survived: {len(requests)} environments for {len(requests)} requests, .* 0 left over\.", told)
    assert processes_of(folder) == set()
    report(
        "chaos",
        requests=len(requests),
        environments=chaos["environments"],
        adopted=chaos["adopted"],
        **{"workers killed": chaos["workers_killed"], "faults by kind": chaos["injected"]},
    )
