"""What ``make assurance`` does, one stage after the other. Each returns what the report needs, as plain JSON."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

from tests.assurance.access import summarised
from tests.assurance.asvs import NAMED
from tests.assurance.guards import GUARDS, Guard
from tests.assurance.items import item_of
from tests.assurance.runs import Ended, Test, commit, place_of, pytest
from tests.lanes import servers

SIZES = {"ELM_ASSURANCE": "1", "ELM_FAULT_ROUNDS": "20", "ELM_FAULT_ROWS": "1000000"}
IN_FLIGHT = {"ELM_ASSURANCE": "1", "ELM_FAULT_RUNS": "1000"}
GUARD_SECONDS = 300
HANGS_AFTER_SECONDS = 60

Found = dict[str, Any]


def timed(stage: Callable[[], Found]) -> Callable[[], Found]:
    """Add what a stage was run on, when, and how long it took."""

    @wraps(stage)
    def run() -> Found:
        on = {"commit": commit(), "began": datetime.now(UTC).isoformat(timespec="minutes")}
        began = time.monotonic()
        found = stage()
        return {**on, **found, "seconds": round(time.monotonic() - began)}

    return run


@timed
def faults() -> Found:
    """Meet every fault of the list, at full size, on SQLite and on the servers that a test starts for itself."""
    return _tests(pytest("-m", "fault and not crash_points", "-n2", "--dist=worksteal", environment=SIZES))


@timed
def thousand_runs() -> Found:
    """Empty the broker, and replace the workers, while a thousand runs are in flight; nothing else takes their time."""
    tests = (
        "test_q01_flushall_while_runs_are_in_flight_costs_time_only",
        "test_w07_a_deployment_drains_its_workers_and_no_run_fails_or_repeats_a_step",
    )
    return _tests(pytest(*map(place_of, tests), environment=IN_FLIGHT))


@timed
def faults_on_postgresql() -> Found:
    """Meet the faults of workers, Microsoft and time once more on PostgreSQL."""
    with servers.postgresql() as url:
        environment = {"ELM_ASSURANCE": "1", "DATABASE_URL": url}
        selection = "fault and not crash_points and not broker"
        return _tests(pytest("-m", selection, "-n2", "--dist=worksteal", environment=environment))


@timed
def postgresql() -> Found:
    """Run on PostgreSQL what ``make test`` runs on SQLite only; the faults among it have a stage of their own."""
    with servers.postgresql() as url:
        environment = {"ELM_ASSURANCE": "1", "DATABASE_URL": url}
        return _tests(pytest("-m", "simulated and not fault", "-n2", "--dist=worksteal", environment=environment))


@timed
def writers() -> Found:
    """Let eight processes write a million entries while they are signed for and verified: nothing may be found."""
    with servers.postgresql() as url:
        # Nobody gives up on a busy machine: what is looked for are wrong entries, not late ones
        patient = {"ELM_LOCK_TIMEOUT_SECONDS": "0", "ELM_STATEMENT_TIMEOUT_SECONDS": "0"}
        environment = {"DATABASE_URL": url, "ELM_LOG_ENTRIES": "1000000", **patient}
        place = place_of("test_a24_eight_writers_and_a_signer_leave_nothing_to_find")
        return _with_figures(place, environment=environment)


@timed
def asvs() -> Found:
    """Run the tests that the table of ASVS items names, on SQLite."""
    places = list(dict.fromkeys(place_of(test) for test in NAMED))
    return _tests(pytest(*places, "-n2", "--dist=worksteal", environment={"ELM_ASSURANCE": "1"}))


@timed
def asvs_on_postgresql() -> Found:
    """Run those once more on PostgreSQL, where some of them run only."""
    places = list(dict.fromkeys(place_of(test) for test in NAMED))
    with servers.postgresql() as url:
        environment = {"ELM_ASSURANCE": "1", "DATABASE_URL": url}
        return _tests(pytest(*places, "-m", "postgres", "-n2", environment=environment))


@timed
def crash_points() -> Found:
    """Kill the process at every commit and every call of a run, before and after."""
    environment = {"ELM_ASSURANCE": "1", "ELM_CRASH_POINTS": "all"}
    return _with_figures("-m", "crash_points", "-n2", environment=environment)


@timed
def crash_points_on_postgresql() -> Found:
    """Kill the process at every tenth of them on PostgreSQL, whose transactions end otherwise."""
    with servers.postgresql() as url:
        environment = {"ELM_ASSURANCE": "1", "ELM_CRASH_POINTS": "10", "DATABASE_URL": url}
        return _with_figures("-m", "crash_points", "-n2", environment=environment)


@timed
def guards() -> Found:
    """Take out one guard after the other: its tests have to fail."""
    with ThreadPoolExecutor(2) as executor:
        found = list(executor.map(_without, GUARDS))
    red = sum(guard["is_missed"] for guard in found)
    return {"guards": found, "summary": f"{red} of {len(found)} guards are missed by their tests when taken out"}


@timed
def benchmarks() -> Found:
    """Run every benchmark with a few rows: a program that nobody runs no longer works one day."""
    return _tests(pytest("tests/project/test_benchmarks.py", "-m", "assurance", environment={"ELM_ASSURANCE": "1"}))


@timed
def seeds() -> Found:
    """Live through 200 histories of a month each."""
    return _simulated("test_nothing_that_may_never_happen_happens_in_months_of_faults", ELM_SIMULATION_SEEDS="200")


@timed
def worlds() -> Found:
    """Compare the compiled scope with the oracle in 10,000 random worlds."""
    return _tests(pytest("tests/worlds", "-m", "assurance", "-n2", environment={"ELM_ASSURANCE": "1"}))


@timed
def rows() -> Found:
    """Count the queries of every page for every role, with 10 and with 100,000 requests."""
    return _tests(pytest("tests/project/test_query_counts.py", "-m", "assurance", environment={"ELM_ASSURANCE": "1"}))


@timed
def portfolio() -> Found:
    """Live through one large history: 5,000 requests of 50 tenants."""
    return _simulated("test_a_large_portfolio_over_months")


@timed
def limits() -> Found:
    """Let 1,000 requests of 20 tenants come at once, and read the limits from the platform's journal."""
    return _simulated(
        "test_a_rush_never_exceeds_what_a_tenant_may_start_run_and_create",
        ELM_SIMULATION_REQUESTS="1000",
        ELM_SIMULATION_TENANTS="20",
    )


@timed
def access() -> Found:
    """Ask every address for every role and every kind of row."""
    test = place_of("test_every_address_answers_every_role_for_every_row_as_the_table_of_roles_says")
    found = _with_figures(test, environment={"ELM_ASSURANCE": "1"})
    cells = found.pop("figures")
    return {**found, "access": summarised(cells)}


@timed
def chaos() -> Found:
    """Run the demo while workers are killed and Microsoft misbehaves."""
    return _with_figures("-m", "assurance and flow", environment={"ELM_ASSURANCE": "1"})


def _without(guard: Guard) -> Found:
    """Return how the tests of a guard end without it; a test with several parameters fails when one of them does."""
    places = [place_of(test) for test in guard.tests]
    limit = HANGS_AFTER_SECONDS if guard.hangs else GUARD_SECONDS
    environment = {"ELM_WITHOUT_GUARD": guard.name}
    ended = pytest("--ds=tests.assurance.unguarded", *places, environment=environment, limit=limit)
    tests = [_worst(name, place, ended) for name, place in zip(guard.tests, places, strict=True)]
    wanted = (Ended.LATE, Ended.FAILED) if guard.hangs else (Ended.FAILED,)
    return {
        "name": guard.name,
        "keeps": guard.keeps,
        "tests": [asdict(test) for test in tests],
        "is_missed": all(test.ended in wanted for test in tests),
    }


def _worst(name: str, place: str, ended: Iterable[Test]) -> Test:
    order = (Ended.FAILED, Ended.LATE, Ended.BROKEN, Ended.SKIPPED, Ended.PASSED)
    mine = [test for test in ended if test.name.split("[")[0] == name or test.name == place]
    return min(mine, key=lambda test: order.index(test.ended))


def _simulated(test: str, **environment: str) -> Found:
    return _with_figures(place_of(test), "-n2", environment={"ELM_ASSURANCE": "1", **environment})


def _with_figures(*arguments: str, environment: dict[str, str]) -> Found:
    """Run tests that write figures, one JSON object in a line."""
    with tempfile.TemporaryDirectory(prefix="elm-assurance-") as folder:
        file = Path(folder) / "figures.jsonl"
        found = _tests(pytest(*arguments, environment={**environment, "ELM_ASSURANCE_FIGURES": str(file)}))
        lines = file.read_text().splitlines() if file.exists() else []
    return {**found, "figures": [json.loads(line) for line in lines]}


def _tests(tests: list[Test]) -> Found:
    counts = {ended.value: sum(test.ended == ended for test in tests) for ended in Ended}
    summary = ", ".join(f"{count} {ended}" for ended, count in counts.items() if count)
    return {"tests": [{**asdict(test), "item": item_of(test.name)} for test in tests], "summary": summary or "no test"}
