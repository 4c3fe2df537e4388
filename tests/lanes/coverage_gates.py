"""What has to be covered: 95 % of everything, and every branch of the code that guards."""

from __future__ import annotations

import json
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

OVERALL_PERCENT = 95
COVERED_WHOLLY = (
    "requests_app/policies/*",
    "*/permissions.py",
    "*/services.py",
    "*/services/*",
    "provisioning_app/quarantine.py",
    "gates_app/deciders.py",
    "gates_app/delegations.py",
    "gates_app/eligibility.py",
    "audit_app/chain.py",
    "audit_app/canonical.py",
    "audit_app/log.py",
)


def shortfalls(folder: Path) -> list[str]:
    """Merge the lanes' measurements in a folder and return one sentence for everything that is not covered enough."""
    report = Path("test-results/coverage.json")
    report.parent.mkdir(exist_ok=True)
    slipcover = [sys.executable, "-m", "slipcover", "--json", "--silent", "--out", str(report)]
    subprocess.run([*slipcover, "--merge", *map(str, folder.glob("*.json"))], check=True)
    measured = json.loads(report.read_text())
    total = measured["summary"]["percent_covered"]
    print(f"Coverage: {total:.1f} % ({report})")
    found = (
        [f"{total:.1f} % of everything is covered; {OVERALL_PERCENT} % is wanted"] if total < OVERALL_PERCENT else []
    )
    return found + [
        f"{path}: {_gaps(file)}"
        for path, file in measured["files"].items()
        if any(fnmatch(path, pattern) for pattern in COVERED_WHOLLY) and file["summary"]["percent_covered"] < 100
    ]


def _gaps(file: dict[str, Any]) -> str:
    lines = ", ".join(map(str, file["missing_lines"]))
    branches = ", ".join(f"{start}→{end}" for start, end in file["missing_branches"])
    return "; ".join(f"{what} {where} not covered" for what, where in (("line", lines), ("branch", branches)) if where)
