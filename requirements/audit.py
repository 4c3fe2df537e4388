"""Ask the advisory service and the index about every locked package; say so, instead of failing, when out of reach.

Ends with 1 only for known vulnerabilities and withdrawn (yanked) versions. That the advisory service is out of reach is
found out with one package first.
"""

from __future__ import annotations

import json
import os
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


def withdrawn(*locks: Path) -> list[str] | None:
    """Return what the index says about versions that were withdrawn; None when it does not answer."""
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "pip", "compile", "--no-deps", "--no-header", "--universal", "--python-version=3.11", *locks]
    environment = {**os.environ, "UV_DEFAULT_INDEX": os.environ.get("UV_DEFAULT_INDEX") or _index()}
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, env={k: v for k, v in environment.items() if v}
        )
    except OSError:
        return None
    if answer.returncode:
        return None
    return [line.removeprefix("warning: ") for line in answer.stderr.splitlines() if " is yanked" in line]


def _index() -> str:
    """Return the index that pip is configured with; uv knows nothing of it."""
    for setting in (":env:.index-url", "global.index-url", "user.index-url"):
        answer = subprocess.run([sys.executable, "-m", "pip", "config", "get", setting], capture_output=True, text=True)
        if not answer.returncode:
            return answer.stdout.strip()
    return ""


def main() -> int:
    """Print the findings; return the exit code."""
    return max(_of_the_index(), _of_the_advisories())


def _of_the_index() -> int:
    found = withdrawn(*LOCKS)
    if found is None:
        print("Withdrawn versions were not looked for: the index cannot be reached from here.")
        return 0
    print(*found, f"index: {len(found)} locked versions were withdrawn.", sep="\n")
    return 1 if found else 0


def _of_the_advisories() -> int:
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
