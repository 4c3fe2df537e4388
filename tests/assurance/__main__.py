"""``python -m tests.assurance [--only STAGE]…``: run the stages and write ``docs/assurance.md``.

Each stage keeps what it found under ``docs/assurance``, so that one can be run again without the others; the report
holds the latest of each and says on which commit that was.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

from tests.assurance import stages  # noqa: E402 - the guards need the models
from tests.assurance.access import access_matrix  # noqa: E402
from tests.assurance.report import report, shortcomings, summary  # noqa: E402
from tests.assurance.runs import ROOT  # noqa: E402

STAGES: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "faults": stages.faults,
    "thousand-runs": stages.thousand_runs,
    "faults-postgresql": stages.faults_on_postgresql,
    "postgresql": stages.postgresql,
    "writers": stages.writers,
    "asvs": stages.asvs,
    "asvs-postgresql": stages.asvs_on_postgresql,
    "crash-points": stages.crash_points,
    "crash-points-postgresql": stages.crash_points_on_postgresql,
    "guards": stages.guards,
    "worlds": stages.worlds,
    "rows": stages.rows,
    "benchmarks": stages.benchmarks,
    "seeds": stages.seeds,
    "portfolio": stages.portfolio,
    "limits": stages.limits,
    "chaos": stages.chaos,
    "access": stages.access,
}
RESULTS: Final = ROOT / "docs" / "assurance"
REPORT: Final = ROOT / "docs" / "assurance.md"


def main(arguments: list[str]) -> int:
    """Run the chosen stages; return 0 when the report has no red line."""
    parser = argparse.ArgumentParser(prog="python -m tests.assurance", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(STAGES), help="run this stage only")
    chosen = parser.parse_args(arguments).only or list(STAGES)
    for name in chosen:
        print(f"=== {name}", flush=True)
        found = STAGES[name]()
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1))
        print(found["summary"], flush=True)
    found = {name: _kept(RESULTS / f"{name}.json") for name in STAGES}
    REPORT.write_text(report(found))
    print(*access_matrix(found["access"]), sep="\n")
    wanting = shortcomings(found)
    print(*summary(found), *wanting, sep="\n")
    print(f"{REPORT.relative_to(ROOT)}: {len(wanting)} red lines")
    return 1 if wanting else 0


def _kept(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text()) if path.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
