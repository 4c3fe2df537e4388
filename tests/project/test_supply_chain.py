"""What we are built from is locked by hash, asked after, and listed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FINE = {"name": "django", "version": "5.2.19", "vulns": []}
VULNERABLE = {**FINE, "vulns": [{"id": "CVE-2099-0001", "fix_versions": ["5.2.20"]}]}
YANKED = 'warning: `attrs==21.1.0` is yanked (reason: "broken")'


def audited(folder: Path, says: dict | None, warning: str, index_answers: bool = True) -> tuple[int, str]:
    """Run the audit beside stand-ins for the two services that it asks."""
    bin_, stubs = folder / "bin", folder / "stubs"
    bin_.mkdir(), stubs.mkdir()
    (bin_ / "python").symlink_to(Path(sys.executable).resolve())
    (bin_ / "uv").write_text(f"#!/bin/sh\necho '{warning}' >&2\nexit {0 if index_answers else 2}\n")
    (bin_ / "uv").chmod(0o755)
    (stubs / "pip_audit.py").write_text(
        f"print({json.dumps({'dependencies': [says]})!r})" if says else "raise SystemExit(1)"
    )
    for name in ("audit.py", "runtime.txt", "dev.txt"):
        shutil.copy(ROOT / "requirements" / name, folder)
    ended = subprocess.run(
        [bin_ / "python", folder / "audit.py"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(stubs), "UV_DEFAULT_INDEX": "https://index.example/simple"},
    )
    return ended.returncode, ended.stdout


@pytest.mark.parametrize(
    ("says", "warning", "index_answers", "code", "words"),
    [
        (FINE, "", True, 0, "0 vulnerable"),
        (VULNERABLE, "", True, 1, "CVE-2099-0001 (mended in 5.2.20)"),
        (FINE, YANKED, True, 1, "attrs==21.1.0"),
        (None, "", False, 0, "cannot be reached"),
    ],
    ids=["fine", "vulnerable", "withdrawn", "out of reach"],
)
def test_o6_a_vulnerable_or_withdrawn_dependency_fails_the_check(
    tmp_path: Path, says: dict | None, warning: str, index_answers: bool, code: int, words: str
) -> None:
    ended, output = audited(tmp_path, says, warning, index_answers)
    assert words in output
    assert ended == code


def test_o6_the_check_asks_and_ci_runs_the_check() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^check:.*\baudit\b", makefile, re.MULTILINE)
    assert "make check" in (ROOT / ".ci/run").read_text()


@pytest.mark.parametrize("name", ["runtime", "dev", "uv"])
def test_every_locked_package_has_a_hash_and_no_index_is_named(name: str) -> None:
    text = (ROOT / f"requirements/{name}.txt").read_text()
    packages = re.findall(r"^[A-Za-z0-9][^\s]*==[^\s]+(?: ;[^\\\n]*)?", text, re.MULTILINE)
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert packages
    assert len(blocks) == len(packages)
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text
    assert "--index" not in text


@pytest.mark.assurance
def test_the_bill_of_materials_lists_what_is_locked(tmp_path: Path) -> None:
    target = tmp_path / "sbom.json"
    command = re.search(r"^sbom:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert command is not None
    line = command[1].replace("\\\n", " ").strip().lstrip("@").replace("$(BIN)", str(Path(sys.executable).parent))
    subprocess.run(line.replace("sbom.cdx.json", str(target)), shell=True, cwd=ROOT, check=True)
    bill = json.loads(target.read_text())
    locked = re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==", (ROOT / "requirements/runtime.txt").read_text(), re.MULTILINE
    )
    assert bill["bomFormat"] == "CycloneDX"
    assert {component["name"] for component in bill["components"]} == set(locked)
