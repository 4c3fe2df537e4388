"""The access matrix in the report: every address, every role, and what came back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

_SEEN: Final = {"own": "own", "same unit": "unit", "foreign unit": "tenant"}
_WORDS: Final = """
## Access

{cells} questions: every address, for every role, for {kinds} rows, as GET and as POST; {wrong} were not answered as the
table of roles says. What is listed is whose rows a role reaches there: its *own*, those of its *unit*, those of the
whole *tenant*; for an address without a row, *yes*. Everything else is 403 where the row is visible and 404 where it is
not. No role reaches a row of a foreign tenant, and a row that does not exist is answered as one that may not be seen.
In these tests an Approver and a Compliance Officer hold their role over one unit, the others over the tenant.
"""


def access_matrix(found: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the section as Markdown; nothing when the stage was not run."""
    cells = (found or {}).get("figures")
    if not cells:
        return
    roles = list(dict.fromkeys(cell["who"] for cell in cells))
    kinds = list(dict.fromkeys(cell["kind"] for cell in cells if cell["kind"]))
    wrong = sum(cell["found"] != cell["wanted"] for cell in cells)
    yield _WORDS.format(cells=f"{len(cells):,}", kinds=", ".join(kinds), wrong=wrong or "none")
    yield f"| Address | | {' | '.join(role.removeprefix('ELM ') for role in roles)} |"
    yield f"|---|---|{'---|' * len(roles)}"
    rows: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        reached = rows[cell["address"], cell["method"].upper()][cell["who"]]
        if cell["found"] in ("200", "302") and (word := _SEEN.get(cell["kind"], cell["kind"] or "yes")) not in reached:
            reached.append(word)
    for (address, method), answers in rows.items():
        yield f"| `{address}` | {method} | {' | '.join(', '.join(answers[role]) or '-' for role in roles)} |"
