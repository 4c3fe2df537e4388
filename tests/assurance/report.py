"""Writes ``docs/assurance.md`` and names what is wanting in it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from tests.assurance.access import access_matrix
from tests.assurance.asvs import REQUIREMENTS, Requirement
from tests.assurance.attacks import ATTACKS
from tests.assurance.items import GROUPS, ITEMS
from tests.assurance.runs import Ended, drift

_GOOD, _BAD = "✔", "✘"
_HEAD = """# Assurance

Written by `make assurance`; do not edit. It meets every fault of the list at full size, takes out every guard to see
that its tests fail without it, kills the process at every commit and call of a run, and lives through long histories.
"""

Found = Mapping[str, Any]
Stages = Mapping[str, Found | None]


def report(stages: Stages) -> str:
    """Return the report as Markdown."""
    wanting = shortcomings(stages)
    verdict = "No red line." if not wanting else "\n".join(f"* {_BAD} {line}" for line in wanting)
    parts = [
        _HEAD,
        verdict,
        *_stages(stages),
        *_faults(stages),
        *attacks_section(stages),
        *asvs_section(stages),
        *_guards(stages),
        *_crash_points(stages),
        *_rows(stages),
        *access_matrix(stages.get("access")),
        *_histories(stages),
    ]
    return "\n".join(parts) + "\n"


def _stages(stages: Stages) -> Iterator[str]:
    yield '\n## Stages\n\n`make assurance ARGS="--only STAGE"` runs one of them again.\n'
    yield "| Stage | Found | Commit | Began (UTC) | Seconds |\n|---|---|---|---|---:|"
    for name, found in stages.items():
        if found:
            since = drift(found["commit"])
            on = f"`{found['commit']}`{since and f', {since}'} | {found['began'][:16]}"
            yield f"| {name} | {found['summary']} | {on} | {found['seconds']:,} |"


def summary(stages: Stages) -> list[str]:
    """Return how many faults have a passing test, and which stages ran on other code than what is checked out."""
    lacking = _without_a_pass(stages)
    return [
        f"{len(ITEMS)} faults, {len(ITEMS) - len(lacking) if stages.get('faults') else 'none yet'} with a passing test",
        *(
            f"The stage {name} ran on {found['commit'].partition(',')[0]}, {since}."
            for name, found in stages.items()
            if found and (since := drift(found["commit"]))
        ),
    ]


def shortcomings(stages: Stages) -> list[str]:
    """Return what keeps the assurance from being whole, one sentence each."""
    return [
        *(f"The stage {name} was not run." for name, found in stages.items() if found is None),
        *(
            f"{test['name']} ({name}): {test['ended']}: {test['why']}"
            for name, found in stages.items()
            for test in (found or {}).get("tests", ())
            if test["ended"] not in (Ended.PASSED, Ended.SKIPPED)
        ),
        *(f"{name}: no test ran." for name, found in stages.items() if found and found.get("tests") == []),
        *(f"{code} has no passing test." for code in _without_a_pass(stages)),
        *(
            f"Without the guard “{guard['name']}”, {test['name']} {test['ended']}."
            for guard in (stages.get("guards") or {}).get("guards", ())
            for test in guard["tests"]
            if not guard["is_missed"]
        ),
        *shortcomings_of_asvs(stages),
    ]


def shortcomings_of_asvs(stages: Stages) -> list[str]:
    """Return which ASVS items are not held by their tests."""
    tests = _tests_by_name(stages, "asvs", "asvs-postgresql")
    return [
        f"ASVS {each.number} is not held by its tests."
        for each in REQUIREMENTS
        if stages.get("asvs") and each.tests and not _holds(each, tests)
    ]


def attacks_section(stages: Stages) -> Iterator[str]:
    """Yield the table of attacks on the log: who finds each, and under which name."""
    faults = {item.code: item.fault for item in ITEMS}
    tests = _tests_by_item(stages)
    yield "\n## Attacks on the log\n\nDone with raw SQL or on the exported files."
    yield "\n| Item | Attack | Named | By | Result |\n|---|---|---|---|---|"
    for attack in ATTACKS:
        result = _result([test for found in tests[attack.code].values() for test in found])
        named = ", ".join(attack.classes)
        yield f"| {attack.code} | {faults[attack.code]} | {named} | {attack.detector} | {result} |"
    yield "\n### Eight writers, a million entries, no attack"
    yield from _figures(stages, "writers")


def asvs_section(stages: Stages) -> Iterator[str]:
    """Yield the table of ASVS items."""
    tests = _tests_by_name(stages, "asvs", "asvs-postgresql")
    yield "\n## OWASP ASVS 5.0\n\nThe items that bind here. What is left out has its reason."
    yield "\n| Item | Level | Asks for | Tests | Left out | Result |\n|---|---|---|---|---|---|"
    for each in REQUIREMENTS:
        shown = "<br>".join(f"`{name}`" for name in each.tests) or "none"
        result = _GOOD if _holds(each, tests) else _BAD
        yield f"| {each.number} | {each.level} | {each.says} | {shown} | {each.omitted} | {result} |"


def _holds(requirement: Requirement, tests: Mapping[str, list[Any]]) -> bool:
    """Say whether every test of an item passed somewhere and failed nowhere."""
    good = (Ended.PASSED, Ended.SKIPPED)
    return all(
        any(test["ended"] == Ended.PASSED for test in tests[name])
        and all(test["ended"] in good for test in tests[name])
        for name in requirement.tests
    )


def _tests_by_name(stages: Stages, *names: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for name in names:
        for test in (stages.get(name) or {}).get("tests", ()):
            found[test["name"].split("[")[0]].append(test)
    return found


def _without_a_pass(stages: Stages) -> list[str]:
    """Return the items that no test shows, once their stage was run."""
    tests = [test for found in stages.values() for test in (found or {}).get("tests", ())]
    passed = {test["item"] for test in tests if test["ended"] == Ended.PASSED}
    return [item.code for item in ITEMS if item.code not in passed] if stages.get("faults") else []


def _faults(stages: Stages) -> Iterator[str]:
    yield f"\n## Faults\n\n{len(ITEMS)} items. A test that names its item asserts what is expected."
    tests = _tests_by_item(stages)
    for letter, title in GROUPS.items():
        yield f"\n### {title}\n\n| Item | Fault | Expected | Tests | Result |\n|---|---|---|---|---|"
        for item in ITEMS:
            if item.code.startswith(letter):
                names = tests[item.code]
                all_of_it = [test for found in names.values() for test in found]
                shown = "<br>".join(f"`{name}`" for name in names) or "none"
                yield f"| {item.code} | {item.fault} | {item.expected} | {shown} | {_result(all_of_it)} |"


def _tests_by_item(stages: Stages) -> dict[str, dict[str, list[Any]]]:
    """Return item → name of a test → the times it ran."""
    tests: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for name in ("faults", "thousand-runs", "faults-postgresql"):
        for test in (stages.get(name) or {}).get("tests", ()):
            if test["item"]:
                tests[test["item"]][test["name"].split("[")[0]].append(test)
    return tests


def _result(tests: list[Any]) -> str:
    passed = sum(test["ended"] == Ended.PASSED for test in tests)
    skipped = sum(test["ended"] == Ended.SKIPPED for test in tests)
    good = passed and passed + skipped == len(tests)
    return f"{_GOOD if good else _BAD} {passed} passed" + (
        f", {len(tests) - passed} not" if passed < len(tests) else ""
    )


def _guards(stages: Stages) -> Iterator[str]:
    found = stages.get("guards") or {"guards": []}
    number = len(found["guards"])
    yield f"\n## Guards\n\n{number} guards. Each was taken out of the running code in a test run of its own."
    yield "\n| Guard | Keeps | Tests without it | |\n|---|---|---|---|"
    for guard in found["guards"]:
        shown = "<br>".join(f"`{test['name']}` {test['ended']}" for test in guard["tests"])
        yield f"| {guard['name']} | {guard['keeps']} | {shown} | {_GOOD if guard['is_missed'] else _BAD} |"


def _crash_points(stages: Stages) -> Iterator[str]:
    yield "\n## Crash points\n"
    yield "The process ends with `os._exit` before and after every commit and every call of a run; another takes over."
    yield from _figures(stages, "crash-points")
    yield "\n### On PostgreSQL, every tenth of them"
    yield from _figures(stages, "crash-points-postgresql")


def _rows(stages: Stages) -> Iterator[str]:
    yield "\n## Who sees what"
    for name, title in (
        ("worlds", "The compiled scope and an oracle in plain Python, in 10,000 random worlds"),
        ("rows", "Queries of every page for every role, with 10 and with 100,000 requests"),
    ):
        yield f"\n### {title}"
        yield from _figures(stages, name)


def _histories(stages: Stages) -> Iterator[str]:
    yield "\n## Simulated histories\n\nThrough the real services, in simulated time, with every kind of fault."
    for name, title in (
        ("seeds", "Many histories"),
        ("portfolio", "A large portfolio"),
        ("limits", "A rush, limits read from the platform's journal"),
        ("chaos", "The demo under chaos, with real processes"),
    ):
        yield f"\n### {title}"
        yield from _figures(stages, name)


def _figures(stages: Stages, name: str) -> Iterator[str]:
    found = stages.get(name)
    if not found:
        return
    yield f"\n{found['summary']}; {found['seconds']} s.\n"
    totals = _totals(found.get("figures", ()))
    if totals:
        yield "| Figure | Value |\n|---|---|"
        yield from (f"| {figure} | {value} |" for figure, value in totals.items())


def _totals(figures: Any) -> dict[str, str]:
    """Add up numbers of the same name, over all lines; what is counted by kind is added up by kind."""
    numbers: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    largest: dict[str, int] = {}
    for line in figures:
        for name, value in line.items():
            if isinstance(value, Mapping):
                kinds[name].update(value)
            elif name.startswith("most "):
                largest[name] = max(value, largest.get(name, value))
            elif name != "seed" and isinstance(value, int | float):
                numbers[name] += value
    return {
        **({"histories": f"{len(figures)}"} if len(figures) > 1 else {}),
        **{name: f"{value:,.0f}" for name, value in numbers.items()},
        **{name: f"{value:,}" for name, value in largest.items()},
        **{name: ", ".join(f"{kind} {n:,}" for kind, n in sorted(counts.items())) for name, counts in kinds.items()},
    }
