"""The access matrix in the report: every address, every role, and what came back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

_SEEN: Final = {"own": "own", "same unit": "unit", "foreign unit": "tenant"}
_KINDS: Final = ("own", "same unit", "foreign unit", "foreign tenant", "missing")
_ADMIN: Final = "admin:"
_WORDS: Final = """
## Access

{cells} questions: every address, for every role, for {kinds} rows, as GET and as POST; {wrong} were not answered as the
table of roles says. What is listed is whose rows a role reaches there: its *own*, those of its *unit* (or of the tenant
itself, where rows belong to no unit), those of the whole *tenant*; for an address without a row, *yes*. Everything else
is 403 where the row is visible and 404 where it is not. No role reaches a row of a foreign tenant, and a row that does
not exist is answered as one that may not be seen. In these tests an Approver and a Compliance Officer hold their role
over one unit, the others over the tenant.
"""

# Address → method → who → whose rows are reached
_Reached = Mapping[str, Mapping[str, Mapping[str, list[str]]]]


def summarised(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the report says of the questions, which are too many to be kept."""
    asked = {cell["kind"] for cell in cells}
    return {
        "questions": len(cells),
        "wrong": sum(cell["found"] != cell["wanted"] for cell in cells),
        "kinds": [kind for kind in _KINDS if kind in asked],
        "roles": list(dict.fromkeys(cell["who"] for cell in cells)),
        "reached": _reached(cells),
    }


def access_matrix(found: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the section as Markdown, a table for each application; nothing when the stage was not run."""
    answers = (found or {}).get("access")
    if not answers:
        return
    kinds, wrong = ", ".join(answers["kinds"]), answers["wrong"] or "none"
    yield _WORDS.format(cells=f"{answers['questions']:,}", kinds=kinds, wrong=wrong)
    reached: _Reached = answers["reached"]
    applications: dict[str, list[str]] = defaultdict(list)
    for address in sorted(reached):
        applications[_application(address)].append(address)
    for application, addresses in sorted(applications.items()):
        yield f"\n### {application}\n"
        yield from _table(application, addresses, answers["roles"], reached)


def _reached(cells: list[dict[str, Any]]) -> _Reached:
    found: dict[str, dict[str, dict[str, list[str]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for cell in cells:
        answers = found[cell["address"]][cell["method"].upper()][cell["who"]]
        word = _SEEN.get(cell["kind"], cell["kind"] or "yes")
        if cell["found"] in ("200", "302") and word not in answers:
            answers.append(word)
    return found


def _application(address: str) -> str:
    """Return the application whose rows an address shows; for addresses of no row, one heading for all."""
    label, found, _ = address.removeprefix(_ADMIN).partition("_app_")
    return f"{label}_app" if found and address.startswith(_ADMIN) else "Addresses of no application's rows"


def _table(application: str, addresses: list[str], roles: list[str], reached: _Reached) -> Iterator[str]:
    """Yield a line for each address, or one for GET and one for POST where they differ; last, what reaches nobody."""
    nobody = []
    yield f"| Address | | {' | '.join(role.removeprefix('ELM ') for role in roles)} |"
    yield f"|---|---|{'---|' * len(roles)}"
    for address in addresses:
        name = address.removeprefix(f"{_ADMIN}{application}_")
        lines = defaultdict(list)
        for method, answers in reached[address].items():
            lines[" | ".join(", ".join(answers.get(role, ())) or "-" for role in roles)].append(method)
        for line, methods in lines.items():
            if any(part != "-" for part in line.split(" | ")):
                yield f"| `{name}` | {', '.join(methods)} | {line} |"
            else:
                nobody.append(f"`{name}`" if len(methods) > 1 else f"`{name}` ({methods[0]})")
    if nobody:
        yield f"\nNobody, whoever's the row is: {', '.join(nobody)}."
