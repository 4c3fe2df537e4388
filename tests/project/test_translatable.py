"""Every word that people see passes through gettext, and a translator's catalogue has it."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import astuple
from pathlib import Path
from typing import Any, Final

import django
import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.messages import get_messages
from django.core.management import call_command
from django.db.models import Model
from django.test import override_settings
from django.urls import reverse
from django.utils import formats, timezone, translation

from accounts_app.roles import Role
from accounts_app.services import settings_of
from elm_project.help import DOCS, rendered_title
from provisioning_app.models import ProvisioningRun
from requests_app.guided.steps import STEPS
from requests_app.models import EnvironmentRequest
from requests_app.staging import staged_plan
from tests.project.access_table import DONE, OK, VERBS, Verb
from tests.project.access_world import OWN, SAME_UNIT, World, make_world
from tests.project.marking import Marking, left_of, marked, texts_of  # noqa: F401 - a fixture
from tests.project.test_access_matrix import ADDRESSES, SCREENS, Address, expected, filled_in, undone
from tests.project.untranslated import words_of_template
from tests.screens import LIST, client_of, page_of

pytestmark = pytest.mark.sqlite  # what is said is the code's, not the database's

TEMPLATES: Final = settings.BASE_DIR / "templates"
# A rendering for people within an evidence package: a record, in the language of the records
RECORDS: Final = {"evidence_app/package_file.html"}
# Spelt the same in every language
NAMES: Final = {
    "utc",
    "ndjson",
    "csv",
    "sha-256",
    "oscal",
    "upn",
    "elm-log-v1\x00",
    *(str(role).lower() for role in Role),
}
PAGES_OF_HELP: Final = [rendered_title(str(path.relative_to(DOCS))) for path in DOCS.rglob("*.md")]  # in English
OURS: Final = [config for config in apps.get_app_configs() if config.name.endswith("_app")]
REQUESTS: Final = EnvironmentRequest._meta.label_lower
NOT_SCREENS: Final = {
    "delete",
    "redirect",
    "app_list",
    "admin:autocomplete",
    "admin:jsi18n",
    "admin:view_on_site",
    "admin:",
}


def test_no_template_says_anything_that_is_not_translated() -> None:
    found = {
        str(path.relative_to(TEMPLATES)): list(words_of_template(path)) for path in sorted(TEMPLATES.rglob("*.html"))
    }
    assert {path: words for path, words in found.items() if words and path not in RECORDS} == {}


@pytest.mark.parametrize("language", ["en-us", "de", "fr-ch", "ja"])
def test_times_are_iso_and_say_utc_in_every_language(language: str) -> None:
    with translation.override(language):
        said = formats.date_format(timezone.now(), "DATETIME_FORMAT")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", said)


def test_every_word_on_the_screens_is_translated_or_data(
    db: None,
    marked: Marking,  # noqa: F811 - a fixture
    catalogue: set[str],
) -> None:
    world = make_world()
    walk = Walk(world)
    walk.everywhere()
    for who in Role:
        walk.look(who, "/admin/")
        walk.look(who, reverse(LIST))
    draft = page_of(world.requests[Role.REQUESTER, "draft"], "guided")
    for step in STEPS:
        walk.look(Role.REQUESTER, f"{draft}?step={step.key}")
        with undone():
            walk.look(Role.REQUESTER, f"{draft}?step={step.key}", {})  # nothing is filled in
    walk.look(Role.AUDITOR, page_of(world.home.tenant, "questions") + "?question=who_approved")

    failed = world.requests[SAME_UNIT, "failed"]
    page = walk.look(Role.OPERATOR, page_of(failed)).content.decode()
    assert "activeFieldsetTab: 'provisioning'" in page, "the tab on which something happens is open"
    assert page_of(ProvisioningRun.objects.get(request=failed)) in page.partition('id="panel-provisioning"')[2]

    known = data() | NAMES | set(left_of(" | ".join(PAGES_OF_HELP)))
    assert {phrase: where for text, where in walk.read.items() for phrase in left_of(text) if phrase not in known} == {}
    assert {table for table, rows in walk.listed.items() if not rows} == set()
    assert {text for text in marked.asked - catalogue if not set(left_of(text)) <= known} == set()


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What our command asks a translator for, and what the catalogues of packages have."""
    if not shutil.which("xgettext"):
        pytest.skip("GNU gettext, with which catalogues are made, is not installed")
    tree = tmp_path_factory.mktemp("tree")
    for package in (*settings.BASE_DIR.glob("*_app"), settings.BASE_DIR / "elm_project", TEMPLATES):
        shutil.copytree(package, tree / package.name, ignore=shutil.ignore_patterns("migrations", "static"))
    with chdir(tree), override_settings(LOCALE_PATHS=[tree / "locale"]):
        call_command("makemessages", locale=["de"], verbosity=0)
    folders = [Path(django.__file__).parent / "conf", *(Path(config.path) for config in apps.get_app_configs())]
    packages = (
        folder / "locale" / language / "LC_MESSAGES/django.po" for folder in folders for language in ("en", "de")
    )
    made = tree / "locale/de/LC_MESSAGES/django.po"
    return {text for file in (made, *packages) if file.exists() for text in _asked_in(file.read_text())}


def _asked_in(catalogue: str) -> Iterator[str]:
    for found in re.finditer(r'^msgid ((?:"[^\n]*"\n?)+)', catalogue, re.MULTILINE):
        yield "".join(ast.literal_eval(line) for line in found[1].splitlines())


class Walk:
    """Goes to every address as somebody who may, and keeps what is read there.

    Attributes:
        read: Each text, and where it stands.
        listed: How many rows the list of a table shows.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.read: dict[str, str] = {}
        self.listed: dict[str, int] = {}
        self._clients = {who: client_of(world.looking[who]) for who in Role}

    def everywhere(self) -> None:
        """Open every address, and press every button; what is pressed is undone."""
        screens = [each for each in ADDRESSES if _is_screen(each)]
        for address in (each for each in screens if "history" not in each.view or each.table == REQUESTS):
            self._ask(address, "get")
        for address in (each for each in screens if each.is_form or _verb(each)):
            with undone():
                self._ask(address, "post")

    def look(self, who: str, path: str, said: dict[str, str] | None = None) -> Any:
        """Open an address, or send a form to it; read the page and the messages."""
        client = self._clients[who]
        response: Any = client.get(path) if said is None else client.post(path, said)
        told = [str(message) for message in get_messages(response.wsgi_request)]
        is_page = response.get("Content-Type", "").startswith("text/html")
        texts = texts_of(response.content.decode()) if is_page else []
        self.read |= dict.fromkeys([*texts, *told], f"{who} {path}{'' if said is None else ' (sent)'}")
        return response

    def _ask(self, address: Address, method: str) -> None:
        found = next(self._who_may(address, method), None)
        if found is None:
            return
        who, row = found
        said = filled_in(self.world, address, row) if method == "post" else None
        response = self.look(who, address.at(row, row.pk if row else ""), said)
        if address.view == "changelist":
            self.listed[address.table] = response.context_data["cl"].result_count

    def _who_may(self, address: Address, method: str) -> Iterator[tuple[Role, Model | None]]:
        verb = _verb(address) or Verb()
        for kind in (OWN, SAME_UNIT) if address.has_row else ("",):
            for who in reversed(Role):  # an auditor, who sees most, comes first
                row = self.world.row(who, SCREENS[address.table], kind, verb.standing) if address.has_row else None
                is_there = row is not None or not address.has_row
                if is_there and expected(address, who, kind, method) in (OK, DONE):
                    yield who, row


def _is_screen(address: Address) -> bool:
    space, _colon, name = address.name.rpartition(":")
    return space != "api" and (address.view or name) not in NOT_SCREENS


def _verb(address: Address) -> Verb | None:
    return VERBS.get(f"{address.table.replace('.', '_')}_{address.view}")


def data() -> set[str]:
    """Return every phrase that rows of ours hold, and how they are called."""
    kept: set[str] = set()
    for model in (model for config in OURS for model in config.get_models()):
        for row in model._base_manager.all():
            kept.add(str(row))
            kept.update(text for field in model._meta.concrete_fields for text in _texts(getattr(row, field.attname)))
    for request in EnvironmentRequest.objects.all():  # what a decision's hash binds to is shown as it was hashed
        settings_now = settings_of(request.tenant)
        kept |= {text for zone in settings_now.baselines.values() for text in map(str, astuple(zone))}
        kept |= {f"{value}" for _setting, value in staged_plan(request, settings_now)}
    return {phrase for text in kept for phrase in left_of(text)}


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a field's value; of stored JSON also the keys, which are the vocabulary of the records."""
    if isinstance(value, dict):
        value = [*(key.replace("_", " ") for key in value), *value.values()]
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    else:
        yield str(value)
