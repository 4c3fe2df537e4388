"""Run the tests in lanes and say which ran, which did not and why.

``python -m tests.lanes [--only sqlite|postgresql|redis]… [arguments for pytest]``; with arguments for pytest, or with
fewer lanes, the coverage gates are left out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.lanes import servers
from tests.lanes.coverage_gates import shortfalls

CORES = 2  # of CI's machine; each further process costs half a minute of one of them to begin with
NOTHING_COLLECTED = 5


Environment = dict[str, str]


@contextmanager
def embedded() -> Iterator[Environment]:
    """Need no server."""
    yield {}


@contextmanager
def database() -> Iterator[Environment]:
    """Use a PostgreSQL server."""
    with servers.postgresql() as url:
        yield {"DATABASE_URL": url}


@contextmanager
def production() -> Iterator[Environment]:
    """Use a Redis server, with PostgreSQL beside it where that can be had."""
    with ExitStack() as stack:
        environment = {"CELERY_BROKER_URL": stack.enter_context(servers.redis_server())}
        with suppress(servers.UnavailableError):
            environment |= stack.enter_context(database())
        yield environment


@dataclass(frozen=True, slots=True)
class Lane:
    """One pass over the tests.

    Attributes:
        name: What it is called on the command line.
        about: What runs there.
        servers: Starts its servers and yields the environment variables that name them.
        selection: Which tests, for pytest.
        modules: Where they are, unless the caller says where to look; everywhere if empty.
        beside_the_last: Whether it runs while the lane before it does: it waits for processes more than it computes.
        measured: Whether the coverage is measured, which the gates need only where code runs that runs nowhere else.
    """

    name: str
    about: str
    servers: Callable[[], AbstractContextManager[Environment]]
    selection: tuple[str, ...]
    modules: tuple[str, ...] = ()
    beside_the_last: bool = False
    measured: bool = True


def modules_marked(marker: str) -> tuple[str, ...]:
    """Return the modules that use a marker: the others need not be imported."""
    modules = sorted(Path("tests").rglob("test_*.py"))
    return tuple(str(module) for module in modules if f"pytest.mark.{marker}" in module.read_text())


# Tables without migrations, for speed: those run on SQLite in the tests of the demo, on PostgreSQL in the Redis lane
IN_PARALLEL = ("--dist=worksteal", "--no-migrations")
LANES = (
    # One more than there are cores: some tests wait for a browser, or for processes of their own
    Lane("sqlite", "everything, on SQLite and the filesystem broker", embedded, (f"-n{CORES + 1}", *IN_PARALLEL)),
    Lane(
        "postgresql",
        "what touches the database, on PostgreSQL",
        database,
        # What a browser shows does not depend on the database; what Microsoft does wrong meets this one once per
        # module here and as a whole in make assurance; the workers get it in the next lane
        (f"-n{CORES}", *IN_PARALLEL, "-m", "database and not browser and not broker and (walk or not simulated)"),
    ),
    # One process, not several: all workers of a Redis database hear the same doorbells
    Lane(
        "redis",
        "the worker tests, on Redis beside PostgreSQL",
        production,
        ("-m", "broker"),
        modules_marked("broker"),
        beside_the_last=True,
        measured=False,
    ),
)


@dataclass(slots=True)
class Result:
    """How a lane ended."""

    lane: Lane
    skipped_because: str = ""
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        if self.skipped_because:
            return f"{self.lane.name:<11} did not run: {self.skipped_because}"
        counts = f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"
        return f"{self.lane.name:<11} ran {self.lane.about}: {counts} ({self.seconds:.0f} s)"


def main(arguments: list[str]) -> int:
    """Run the lanes; return 0 when nothing failed and enough is covered."""
    parser = argparse.ArgumentParser(prog="python -m tests.lanes", description=__doc__)
    parser.add_argument("--only", action="append", choices=[lane.name for lane in LANES], help="run this lane only")
    options, selection = parser.parse_known_args(arguments)
    lanes = [lane for lane in LANES if options.only is None or lane.name in options.only]
    with tempfile.TemporaryDirectory(prefix="elm-lanes-") as folder:
        results = run_all(lanes, selection, Path(folder))
        print()
        failed = sum(result.failed for result in results)
        # Some code runs on one database or broker only, so that only all lanes together can be measured
        whole = len(lanes) == len(LANES) and not selection and not any(result.skipped_because for result in results)
        wanting = shortfalls(Path(folder)) if whole else []
    for sentence in wanting:
        print(f"Not covered enough: {sentence}.")
    if not whole:
        print("The coverage gates were left out: not all tests ran in all lanes.")
    for result in results:
        print(result)
    print(f"{sum(result.passed for result in results)} passed, {failed} failed")
    return 1 if failed or wanting else 0


def run_all(lanes: list[Lane], selection: list[str], folder: Path) -> list[Result]:
    """Run lanes one after the other, and beside one of them what computes little; each is printed when it has ended."""
    with ThreadPoolExecutor() as executor:
        running: list[Future[Result]] = []
        for lane in lanes:
            if not lane.beside_the_last:
                wait(running)
            running.append(executor.submit(run, lane, selection, folder))
        return [each.result() for each in running]


def run(lane: Lane, selection: list[str], folder: Path) -> Result:
    """Run one lane, or say why it did not."""
    result, began = Result(lane), time.monotonic()
    print(f"\n=== {lane.name}: {lane.about}", flush=True)
    try:
        with lane.servers() as environment:
            _pytest(result, environment, selection, folder)
    except servers.UnavailableError as reason:
        result.skipped_because = str(reason)
        print(result, flush=True)
    except Exception as error:  # noqa: BLE001 - a server that is named but does not answer is a failed lane, not a crash
        result.failed += 1
        print(f"The server of this lane could not be used: {error}", flush=True)
    result.seconds = time.monotonic() - began
    return result


def _pytest(result: Result, named: Environment, selection: list[str], folder: Path) -> None:
    lane, report = result.lane, folder / f"{result.lane.name}.xml"
    inherited = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "CELERY_BROKER_URL")}
    command = [sys.executable]
    if lane.measured and not selection:
        command += ["-m", "slipcover", "--json", "--out", str(folder / f"{lane.name}.json")]
    command += ["-m", "pytest", "-q", f"--junitxml={report}", *lane.selection, *(selection or lane.modules)]
    kept = subprocess.PIPE if lane.beside_the_last else None  # two lanes would write between each other's lines
    errors = subprocess.STDOUT if kept else None
    ended = subprocess.run(command, env={**inherited, **named}, stdout=kept, stderr=errors, text=True)
    if kept:
        print(f"\n=== {lane.name}\n{ended.stdout}", flush=True)
    _count(result, report)
    if ended.returncode == NOTHING_COLLECTED:
        result.skipped_because = "no test was selected for it"
    elif ended.returncode and not result.failed:
        result.failed = 1  # pytest itself stumbled


def _count(result: Result, report: Path) -> None:
    if not report.exists():
        return
    for suite in ElementTree.parse(report).iter("testsuite"):
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped = int(suite.get("skipped", 0))
        result.failed += failed
        result.skipped += skipped
        result.passed += int(suite.get("tests", 0)) - failed - skipped


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
