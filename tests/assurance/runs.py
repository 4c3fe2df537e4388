"""Runs pytest and reads what came of every test."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
_CODE: Final = ("--", ".", ":!docs")
_CHANGED: Final = ", changed"


class Ended(StrEnum):
    """How a test ended."""

    PASSED = "passed"
    FAILED = "failed"
    BROKEN = "broken"  # in a fixture or while it was collected: that proves nothing
    SKIPPED = "skipped"
    LATE = "did not end"


@dataclass(frozen=True, slots=True)
class Test:
    """One test and how it ended.

    Attributes:
        name: Function name with parameters.
        file: Where it is, from the project's root.
        ended: How it ended.
        seconds: How long it took.
        why: The first line of its failure, or why it was skipped.
    """

    name: str
    file: str
    ended: Ended
    seconds: float = 0.0
    why: str = ""


def commit() -> str:
    """Return the commit that is checked out, and whether the code differs from it."""
    head = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return head.stdout.strip() + ("" if _holds("diff", "--quiet", "HEAD", *_CODE) else _CHANGED)


def drift(ran_on: str) -> str:
    """Return how the code that is checked out differs from what a stage ran on; empty when it does not.

    Args:
        ran_on: What :func:`commit` said then.
    """
    then = ran_on.removesuffix(_CHANGED)
    if not _holds("merge-base", "--is-ancestor", then, "HEAD"):
        return "a commit that is not in this history"
    if ran_on.endswith(_CHANGED):
        return "with changes that were not committed"
    return "" if _holds("diff", "--quiet", then, *_CODE) else "other code than now"


def _holds(*question: str) -> bool:
    """Say whether git answers yes; a commit that it does not know is a no."""
    return not subprocess.run(["git", *question], cwd=ROOT, stderr=subprocess.DEVNULL).returncode


def pytest(*arguments: str, environment: Mapping[str, str] | None = None, limit: float | None = None) -> list[Test]:
    """Run pytest in a process of its own and return its tests.

    Args:
        arguments: For pytest.
        environment: Variables beside those of this process.
        limit: Seconds after which it is ended; what did not end by then is ``LATE``.
    """
    with tempfile.TemporaryDirectory(prefix="elm-assurance-") as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "--no-migrations", "-p", "no:cacheprovider"]
        command += ["-o", "faulthandler_timeout=0"]  # a stage may have tests of an hour
        command += [f"--junitxml={report}", "-o", "junit_family=xunit1", *arguments]
        variables = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        began = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**variables, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return [
                Test(argument, "", Ended.LATE, time.monotonic() - began) for argument in arguments if "::" in argument
            ]
        if not report.exists():
            why = (output.strip().splitlines() or ["no output"])[-1]
            return [Test(argument, "", Ended.BROKEN, why=why) for argument in arguments if "::" in argument]
        return [_read(case) for case in ElementTree.parse(report).iter("testcase")]


def _read(case: ElementTree.Element) -> Test:
    kinds = {"failure": Ended.FAILED, "error": Ended.BROKEN, "skipped": Ended.SKIPPED}
    found = next((child for child in case if child.tag in kinds), None)
    ended = Ended.PASSED if found is None else kinds[found.tag]
    why = "" if found is None else (found.get("message") or found.text or "").strip().splitlines()[0][:200]
    return Test(case.get("name", ""), case.get("file", ""), ended, float(case.get("time", 0)), why)


def place_of(test: str) -> str:
    """Return the node id of the one test function of this name.

    Raises:
        LookupError: there is none, or several.
    """
    definition = re.compile(rf"^def {re.escape(test)}\(", re.MULTILINE)
    found = [path for path in (ROOT / "tests").rglob("test_*.py") if definition.search(path.read_text())]
    if len(found) != 1:
        raise LookupError(f"There are {len(found)} tests named {test}.")
    return f"{found[0].relative_to(ROOT)}::{test}"
