"""Ask the advisory service about every locked package; say so, instead of failing, when it cannot be reached.

Ends with 1 only for known vulnerabilities. That the service is out of reach is found out with one package first.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
LOCKS = (FOLDER / "runtime.txt", FOLDER / "dev.txt")
PROBE = "pip==26.3\n"


def ask(*locks: Path) -> tuple[list[dict[str, Any]], str]:
    """Return what the service says about every package, if it says anything, and what pip-audit complains of."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps", "--progress-spinner=off", "-f", "json"]
    command += [f"--requirement={lock}" for lock in locks]
    answer = subprocess.run(command, capture_output=True, text=True)
    try:
        packages: list[dict[str, Any]] = json.loads(answer.stdout)["dependencies"]
    except ValueError:
        return [], answer.stderr
    return (packages if any("vulns" in package for package in packages) else []), answer.stderr


def main() -> int:
    """Print the findings; return the exit code."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as probe:
        probe.write(PROBE)
        probe.flush()
        reachable, _ = ask(Path(probe.name))
    if not reachable:
        print("pip-audit was skipped: the advisory service cannot be reached from here.")
        return 0
    packages, complaint = ask(*LOCKS)
    if not packages:
        print(f"pip-audit failed although the advisory service answers:\n{complaint}")
        return 1
    vulnerable = [package for package in packages if package.get("vulns")]
    for package in vulnerable:
        for vulnerability in package["vulns"]:
            mended = ", ".join(vulnerability["fix_versions"]) or "no version yet"
            print(f"{package['name']} {package['version']}: {vulnerability['id']} (mended in {mended})")
    unknown = [package["name"] for package in packages if "vulns" not in package]
    print(f"pip-audit: {len(packages)} packages, {len(vulnerable)} vulnerable, {len(unknown)} unknown to the service.")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main())
