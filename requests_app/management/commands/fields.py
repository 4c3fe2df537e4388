"""``manage.py fields``: who reads and writes which field; ``--markdown`` is the page docs/fields.md."""

from __future__ import annotations

from typing import Any, Final

from django.core.management.base import BaseCommand, CommandParser

from accounts_app.roles import Role
from requests_app.choices import State
from requests_app.fields import COLUMNS, LOG_COLUMNS, NEW, Access, Column, log_rule, rule

_PAGE: Final = """\
# Fields

Written by `make docs` from [`requests_app/fields.py`](../requests_app/fields.py); do not edit.

A cell counts for the rows that the role may see: a requester their own requests, any other role the requests of the
units or the tenant that it was granted. A row that one may not see is not found (404); of a row that one may see, every
field can be read. **r** is read. **w** is write: the role says what the field holds, by the form, the intake or a
button, in the states named; *new* is the making of the draft. What nobody writes only follows from what people and the
automation do; the second table says from what. ELM Admin is the automation.

The form and the intake ignore every other field, the verbs of a draft refuse it by name.

## Who may do what

{matrix}

## Where the content comes from

{origins}

## The provisioning log

Nobody changes or deletes a field of an entry; database triggers see to it. **c** is create: with the entry, once.

{log}
"""


class Command(BaseCommand):
    help = "Show which role may read and write which field of a request, in which states, and the same for the log."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--markdown", action="store_true", help="print the page docs/fields.md")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(_page() if options["markdown"] else "\n".join(_lines()))


def _lines() -> list[str]:
    return [f"{column.name:24} {role:22} {_cell(column.name, role)}" for column in COLUMNS for role in Role] + [
        f"{name:24} {role:22} {_log_cell(name, role)}" for name in LOG_COLUMNS for role in Role
    ]


def _page() -> str:
    roles = [role.removeprefix("ELM ") for role in Role]
    return _PAGE.format(
        matrix=_table(
            ["Field", *roles],
            [[f"`{column.name}`", *(_cell(column.name, role) for role in Role)] for column in COLUMNS],
        ),
        origins=_table(["Field", "Specification", "Content comes from"], [_origin(column) for column in COLUMNS]),
        log=_table(
            ["Field", "Specification", *roles],
            [
                [f"`{name}`", _code(seed), *(_log_cell(name, role) for role in Role)]
                for name, seed in LOG_COLUMNS.items()
            ],
        ),
    )


def _cell(name: str, role: Role) -> str:
    states = [state for state in (NEW, *State) if Access.WRITE in rule(name, role, state)]
    written = ", ".join("new" if state is NEW else state.label for state in states)
    return f"r, w: {written}" if written else "r"


def _log_cell(name: str, role: Role) -> str:
    return ", ".join(access[0] for access in Access if access in log_rule(name, role))


def _origin(column: Column) -> list[str]:
    return [f"`{column.name}`", _code(column.seed), column.origin.words]


def _code(seed: str) -> str:
    return f"`{seed}`" if seed else "ours"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
