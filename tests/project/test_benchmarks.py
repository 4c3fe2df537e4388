"""Every benchmark still runs; what it measures is for people who run it with many rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from elm_project.env import BASE_DIR

PROGRAMS = (file for file in (BASE_DIR / "benchmarks").glob("*.py") if "__main__" in file.read_text())
BENCHMARKS = sorted(file.stem for file in PROGRAMS)
CHOSEN_HERE = ("DJANGO_SETTINGS_MODULE", "DATABASE_URL", "SLIPCOVER_", "PYTEST_")


@pytest.mark.assurance
@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_runs_and_prints_its_figures(name: str, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(CHOSEN_HERE)}
    run = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--rows", "20"],
        cwd=BASE_DIR,
        env=environment | {"ELM_STATE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    figures = json.loads(run.stdout)
    assert len(figures) > 3
