"""Every address, every role, every kind of row: the matrix grows by itself with the addresses that there are."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest
from django.template import engines
from django.template.response import SimpleTemplateResponse
from django.test import Client
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver

from accounts_app.models import User
from accounts_app.scope import scope_of
from accounts_app.services import roles_of
from core_app.admin import HistoryAdmin
from requests_app.visibility import shared_with
from tests.project.access_table import (
    DONE,
    EXPORTED,
    FORMS,
    NO_SUCH_METHOD,
    NOT_FOUND,
    OF_ROLES,
    OK,
    OTHERS,
    OUTSIDE_THE_ADMIN,
    REFUSED,
    SIGN_IN,
    TABLES,
    TOO_EARLY,
    VERBS,
    WHO,
    may_add,
    may_view,
    of_role,
    of_row,
)
from tests.project.access_world import FOREIGN_TENANT, KINDS, MISSING, OWN, SAME_UNIT, World, history_of, make_world
from tests.screens import client_of

pytestmark = pytest.mark.sqlite  # what is asked is the code's, not the database's

SCREENS: dict[str, type[Model]] = {model._meta.label_lower: model for model in admin.site._registry}
APPS = sorted({label.partition(".")[0] for label in SCREENS})
APP_LIST = "app_list"
_ARGUMENT = re.compile(r"<[^>]+>|\(\[\^/\]\+\)|\(\?P<(\w+)>[^)]*\)")


@dataclass(frozen=True, slots=True)
class Address:
    """One entry of the URLconf.

    Attributes:
        pattern: With its arguments still open.
        name: With its namespace.
        table: Of which table its rows are; empty when it is about none.
        view: What of the table it shows or does.
    """

    pattern: str
    name: str
    table: str = ""
    view: str = ""

    @property
    def has_row(self) -> bool:
        return bool(self.table) and self.view not in (*_OF_A_LIST, APP_LIST) and not self.is_form

    @property
    def is_form(self) -> bool:
        return f"{self.table.replace('.', '_')}_{self.view}" in FORMS

    def at(self, row: Model | None, key: object) -> str:
        """Return the path for a row, or for a key that no row has."""
        version = history_of(row).pk if row is not None and self.view == "simple_history" else uuid4()
        arguments = iter((key, version))
        filled = _ARGUMENT.sub(lambda found: str(next(arguments)), self.pattern)
        return "/" + filled.replace("^", "").replace("$", "")


def addresses() -> Iterator[Address]:
    """Yield every address there is."""
    yield from _below(get_resolver(), "", "")


def _below(resolver: URLResolver, prefix: str, space: str) -> Iterator[Address]:
    for entry in resolver.url_patterns:
        pattern = prefix + str(entry.pattern)
        if getattr(entry, "name", "") == APP_LIST:
            yield from (Address(f"admin/{app}/", f"{space}{APP_LIST}", app, APP_LIST) for app in APPS)
        elif isinstance(entry, URLPattern):
            yield _address(pattern, f"{space}{entry.name or ''}")
        else:
            yield from _below(entry, pattern, f"{space}{entry.namespace}:" if entry.namespace else space)


def _address(pattern: str, name: str) -> Address:
    if name in OUTSIDE_THE_ADMIN:
        return Address(pattern, name, *OUTSIDE_THE_ADMIN[name])
    for label in SCREENS:
        start = f"admin:{label.replace('.', '_')}_"
        if name.startswith(start) or pattern.startswith(f"admin/{label.replace('.', '/')}/"):
            return Address(pattern, name, label, name.removeprefix(start) if name.startswith(start) else "redirect")
    return Address(pattern, name)


ADDRESSES = tuple(addresses())
METHODS = ("get", "post")
NO_SESSION = "Without a session"
_OF_A_LIST = {
    "changelist": may_view,
    "add": may_add,
    "export": lambda who, _table: of_role(who) in EXPORTED,
}


def expected(address: Address, who: str, kind: str, method: str) -> str:
    """Return the answer that the table of roles asks for.

    Raises:
        KeyError: nobody has said who gets what there.
    """
    table, view, is_post = address.table, address.view, method == "post"
    if not table:
        answer = OTHERS[address.name][2 + is_post]
        return REFUSED if answer == OK and of_role(who) not in OF_ROLES.get(address.name, of_role(who)) else answer
    if view in _OF_A_LIST:
        return OK if _OF_A_LIST[view](who, table) else REFUSED
    if address.is_form:
        roles, *answers = FORMS[f"{table.replace('.', '_')}_{view}"]
        return answers[is_post] if of_role(who) in roles else REFUSED
    if view == APP_LIST:
        return OK if any(may_view(who, label) for label in TABLES if label.startswith(f"{table}.")) else NOT_FOUND
    if view == "redirect":
        return DONE
    if view == "simple_history" and is_post:
        return REFUSED
    if view in ("proof", "progress") and is_post:
        return NO_SUCH_METHOD
    return of_row(who, table, kind, then=_to_who_sees_it(address, who, kind, is_post=is_post))


def _to_who_sees_it(address: Address, who: str, kind: str, *, is_post: bool) -> str:
    table, view = address.table, address.view
    if view == "history":
        return OK if _has_history(table) else NOT_FOUND
    if view == "delete":
        return REFUSED
    if view == "proof":
        return TOO_EARLY
    if view == "progress":  # a part of the page, for whoever sees the page
        return OK
    if view in ("change", "simple_history"):
        return REFUSED if is_post else OK
    verb = VERBS[f"{table.replace('.', '_')}_{view}"]
    done = (DONE if is_post and not verb.is_page else OK) if of_role(who) in verb.may(kind) else REFUSED
    return done if is_post or verb.is_offered else REFUSED


def _has_history(table: str) -> bool:
    return isinstance(admin.site._registry[SCREENS[table]], HistoryAdmin)


class Known:
    """A person whose permissions and scope are read once: nothing changes them here, and they are most of the work."""

    people: ClassVar[dict[Any, Known]] = {}

    def __init__(self, user: User) -> None:
        self.user, self.scope, self.shared = user, scope_of(user), shared_with(user.pk)


class Unpainted:
    """Leaves the templates out: that every page can be painted is tested where it is looked at."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        known = Known.people.get(request.user.pk)
        if known:
            request.user, request.elm_scope, request.elm_shared = known.user, known.scope, known.shared

    def process_template_response(self, request: HttpRequest, response: Any) -> Any:
        return SimpleTemplateResponse(engines["django"].from_string(""), status=response.status_code)


@pytest.fixture
def unpainted(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "django")
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.Unpainted"]
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"


def test_every_address_has_an_expected_answer() -> None:
    nobody_said = []
    for address in ADDRESSES:
        try:
            [expected(address, who, OWN, method) for who in WHO for method in METHODS]
        except KeyError:
            nobody_said.append(address)

    assert not nobody_said, "Say who gets what there, in tests/project/access_table.py."
    assert {address.view for address in ADDRESSES} >= {"changelist", "add", "change", "delete", "history"}
    assert len(ADDRESSES) >= 200


@pytest.mark.usefixtures("db", "unpainted")
def test_addresses_answer_every_role_as_the_table_of_roles_says() -> None:
    """Each role at each address; the kind of row takes turns, so that each kind meets each address and each role."""
    cells = list(_asked(make_world(), in_turn=True))

    assert _wrong(cells) == ""
    assert {(cell.address, cell.kind, cell.method) for cell in cells if cell.kind} >= {
        (address.name, kind, method)
        for address in ADDRESSES
        if address.has_row and address.view != "redirect"
        for kind in (SAME_UNIT, FOREIGN_TENANT, MISSING)
        for method in METHODS
    }


@pytest.mark.assurance
@pytest.mark.usefixtures("db", "unpainted")
def test_every_address_answers_every_role_for_every_row_as_the_table_of_roles_says() -> None:
    cells = list(_asked(make_world(), in_turn=False))

    assert _wrong(cells) == ""
    _leave_to_the_report(cells)


def _wrong(cells: list[Cell]) -> str:
    return "\n".join(str(cell) for cell in cells if cell.found != cell.wanted)


@dataclass(frozen=True, slots=True)
class Cell:
    """One question and its answer."""

    address: str
    who: str
    kind: str
    method: str
    wanted: str
    found: str


def _asked(world: World, *, in_turn: bool) -> Iterator[Cell]:
    for turn, who in enumerate(WHO):
        client = client_of(world.looking[who])
        Known.people[world.looking[who].pk] = Known(world.looking[who])
        for place, address in enumerate(ADDRESSES):
            questions = [(*row, method) for row in _rows(world, who, address) for method in METHODS]
            for kind, row, key, method in _its_turn(questions, turn, place) if in_turn else questions:
                wanted, path = expected(address, who, kind, method), address.at(row, key)
                said = filled_in(world, address, row) if method == "post" else None
                yield Cell(address.name, who, kind, method, wanted, answer(client, path, said))
    yield from _without_session(world)


def _its_turn(questions: list[Any], turn: int, place: int) -> list[Any]:
    """Return one of them, for the first role two, so that all turns ask the ten that there are of a row."""
    turns = (turn, len(WHO)) if turn == 0 else (turn,)
    return [questions[(each + place) % len(questions)] for each in turns]


def _without_session(world: World) -> Iterator[Cell]:
    client = Client()
    for address in ADDRESSES:
        _, row, key = next(iter(_rows(world, WHO[0], address)))
        for method in METHODS:
            wanted = OTHERS[address.name][METHODS.index(method)] if address.name in OTHERS else SIGN_IN
            found = answer(client, address.at(row, key), {} if method == "post" else None)
            yield Cell(address.name, NO_SESSION, "", method, wanted, found)


def _rows(world: World, who: str, address: Address) -> Iterator[tuple[str, Model | None, object]]:
    """Yield the rows that an address is asked for: their kind, the row, the key in the path."""
    if not address.has_row or address.view == "redirect":
        yield "", None, uuid4()
        return
    verb = VERBS.get(f"{address.table.replace('.', '_')}_{address.view}")
    for kind in KINDS:
        row = world.row(who, SCREENS[address.table], kind, verb.standing if verb else "")
        assert row is not None or kind not in (SAME_UNIT, FOREIGN_TENANT), address
        if row is not None or kind == MISSING:
            yield kind, row, row.pk if row is not None else uuid4()


def answer(client: Client, path: str, said: dict[str, str] | None) -> str:
    """Return what came back to a GET, or to a POST of what is said; what was done is undone."""
    signed_in = deepcopy(client.cookies)
    with undone():
        response = client.get(path) if said is None else client.post(path, said)
    client.cookies = signed_in
    if response.status_code == 302 and response["Location"].startswith("/admin/login/"):
        return SIGN_IN
    return str(response.status_code)


@contextmanager
def undone() -> Iterator[None]:
    """Undo whatever is stored meanwhile."""
    block = transaction.atomic()
    block._from_testcase = True  # as Django's own test case does, so that a durable block is the outermost one
    with block:
        yield
        transaction.set_rollback(True)


def filled_in(world: World, address: Address, row: Model | None) -> dict[str, str]:
    """Return a dialog, filled in as it has to be."""
    screen = admin.site._registry[SCREENS[address.table]] if address.has_row else None
    dialog = getattr(getattr(screen, address.view, None), "dialog", None)
    if dialog is None:
        return {}
    fields = dialog["form_class"].base_fields
    return {"_form_submitted": "on", **{name: _said(world, name, field, row) for name, field in fields.items()}}


def _said(world: World, name: str, field: forms.Field, row: Model | None) -> str:
    if name == "content_hash":
        return getattr(row, "content_hash", "")
    if name == "person":
        return world.home.approver.upn
    if name == "reader":
        return str(world.home.second_approver.pk)
    if name == "hold":
        return str(row.legal_holds.get().pk) if row is not None else ""
    if name == "lost":
        return next((each.key for each in roles_of(row)), "") if isinstance(row, User) else ""
    if isinstance(field, forms.UUIDField):
        return str(uuid4())
    if isinstance(field, forms.ChoiceField):
        return str(list(field.choices)[-1][0])
    return "An examiner asked for it."


def _leave_to_the_report(cells: list[Cell]) -> None:
    """Leave the matrix to the assurance report."""
    file = os.environ.get("ELM_ASSURANCE_FIGURES")
    if file:
        with Path(file).open("a") as stream:
            stream.writelines(json.dumps(asdict(cell)) + "\n" for cell in cells)
