"""Rows are locked by their key: "the newest one, for update" locks a row that others have left behind by then.

Two writers who both lock the newest row both believe that theirs is the next, and where there is none yet there is
nothing to lock. Chains have a fixed head row each instead.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from requests_app.choices import State, Zone
from tests.factories import People, make_request

ROOT = Path(__file__).resolve().parents[2]
OURS = sorted(file for file in ROOT.glob("*/**/*.py") if file.relative_to(ROOT).parts[0] not in ("tests", ".venv"))
LOCK = "select_for_update"
NEWEST = {"latest", "earliest", "last", "reverse"}
IN_SQL = re.compile(r"ORDER\s+BY[^;]*\bDESC\b[^;]*\bLIMIT\s+1\b[^;]*\bFOR\s+(NO\s+KEY\s+)?(UPDATE|SHARE)", re.I)


def words_of(node: ast.expr) -> tuple[str, set[str]]:
    """Return the name that a chain of calls begins with, and its words; an order that goes down is the word ``-``."""
    words: set[str] = set()
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Call):
            words |= {"-" for each in node.args if isinstance(each, ast.Constant) and str(each.value).startswith("-")}
            node = node.func
        elif isinstance(node, ast.Attribute):
            words.add(node.attr)
            node = node.value
        elif isinstance(node, ast.Subscript):
            node = node.value
        else:
            return "", words
    return node.id, words


def locks_on_the_newest(source: str) -> Iterator[int]:
    """Yield the lines that lock whatever row is the newest, be it over a variable."""
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        held: dict[str, set[str]] = {}
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                held[node.targets[0].id] = words_of(node.value)[1]
        for node in ast.walk(function):
            if isinstance(node, ast.Call | ast.Subscript):
                name, words = words_of(node)
                words |= held.get(name, set())
                if LOCK in words and words & (NEWEST | {"-"}):
                    yield node.lineno


def test_nowhere_is_the_newest_row_locked() -> None:
    sources = {str(file.relative_to(ROOT)): file.read_text() for file in OURS}
    locking = {name: source for name, source in sources.items() if LOCK in source}
    assert "audit_app/log.py" in locking
    found = {f"{name}:{line}" for name, source in locking.items() for line in locks_on_the_newest(source)}
    found |= {name for name, source in sources.items() if "FOR" in source and IN_SQL.search(source)}
    assert found == set()


@pytest.mark.parametrize(
    "source",
    [
        "Entry.objects.select_for_update().order_by('-id').first()",
        "Entry.objects.select_for_update(no_key=True).latest('sequence')",
        "rows = Entry.objects.select_for_update()\n    return rows.filter(chain=1).order_by('-sequence')[0]",
    ],
)
def test_what_locks_the_newest_row_is_seen(source: str) -> None:
    assert list(locks_on_the_newest(f"def verb():\n    {source}\n"))


@pytest.mark.postgres
def test_no_statement_locks_the_newest_row(people: People) -> None:
    with CaptureQueriesContext(connection) as captured:
        make_request(State.COMPLETED, people=people, zone=Zone.ZONE_3)
    statements = [query["sql"] for query in captured.captured_queries]
    assert any("FOR NO KEY UPDATE" in sql for sql in statements)
    assert not [sql for sql in statements if IN_SQL.search(sql)]
