"""Every word that people see passes through gettext: in templates, and on the screens as they are rendered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import astuple
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.urls import reverse
from django.utils import translation

from accounts_app.roles import Role
from accounts_app.services import settings_of
from audit_app.actions import Action, ActorType
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from requests_app.staging import staged_plan
from tests.factories import People, make_people, make_request
from tests.project.untranslated import words_of_template
from tests.screens import LIST, client_of, page_of

TEMPLATES = Path(settings.BASE_DIR) / "templates" if hasattr(settings, "BASE_DIR") else Path("templates")
# A rendering for people within an evidence package: a record, in the language of the records
ROLES = ("requester", "approver", "governance_lead", "operator", "auditor")
RECORDS = {"evidence_app/package_file.html"}


def test_no_template_says_anything_that_is_not_translated() -> None:
    found = {
        str(path.relative_to(TEMPLATES)): list(words_of_template(path)) for path in sorted(TEMPLATES.rglob("*.html"))
    }
    assert {path: words for path, words in found.items() if words and path not in RECORDS} == {}


MARKED = re.compile(r"⟦[^⟦⟧]*⟧")
ADDRESS = re.compile(r"https?://\S+")
TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?( UTC|\+00:00)?")
SIGNS = re.compile(r"[|⟦⟧·,;:()„“”→…{}\[\]]")
WORDS = re.compile(r"[A-Za-z]{2,}")
NAMES = ("UTC", "NDJSON", "CSV", "SHA-256", "OSCAL", "UPN", "ELM-LOG-v1\x00")


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A language that puts every translated text into brackets."""
    real = translation._trans

    class Marking:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def gettext(self, message: str) -> str:
            return f"⟦{message}⟧"

        def pgettext(self, context: str, message: str) -> str:
            return f"⟦{message}⟧"

        def ngettext(self, singular: str, plural: str, number: int) -> str:
            return f"⟦{singular if number == 1 else plural}⟧"

        def npgettext(self, context: str, singular: str, plural: str, number: int) -> str:
            return self.ngettext(singular, plural, number)

    monkeypatch.setattr(translation, "_trans", Marking())


class Visible(HTMLParser):
    """The texts of a page that people read or are read aloud."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._unread: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        icon = "material-symbols-outlined" in (given.get("class") or "")
        if (
            tag in ("script", "style", "svg", "template", "noscript", "kbd", "code")
            or icon
            or (self._unread and tag == self._unread[-1])
        ):
            self._unread.append(tag)
        self.texts += [given[name] or "" for name in ("aria-label", "title", "placeholder", "alt") if name in given]

    def handle_endtag(self, tag: str) -> None:
        if self._unread and tag == self._unread[-1]:
            self._unread.pop()

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.texts.append(data)


def unmarked(text: str) -> str:
    """Return what is left of a text without what was translated, and without times and signs."""
    text = TIME.sub(" ", ADDRESS.sub(" | ", " ".join(text.split())))
    while MARKED.search(text):
        text = MARKED.sub(" | ", text)
    return text


def said(page: str) -> Iterator[str]:
    """Yield the words of a page that are not translated: data, or forgotten."""
    reader = Visible()
    reader.feed(page)
    for text in reader.texts:
        for part in SIGNS.split(unmarked(text)):
            words = part.strip(" .-\"'%#=/>")
            if WORDS.search(words):
                yield words


def data() -> str:
    """Return all text that the database holds, how rows are called, and what is spelt the same in every language."""
    kept = {*(str(each.label) for each in (*Action, *ActorType, *State)), *(str(role) for role in Role), *NAMES}
    for model in apps.get_models():
        for row in model._base_manager.all():
            kept |= {str(row), *(str(getattr(row, field.attname)) for field in model._meta.concrete_fields)}
    for request in EnvironmentRequest.objects.all():  # what a decision's hash binds to is shown as it was hashed
        settings_now = settings_of(request.tenant)
        kept |= {text for zone in settings_now.baselines.values() for text in map(str, astuple(zone))}
        kept |= {f"{value}" for _setting, value in staged_plan(request, settings_now)}
    return SIGNS.sub(" ", TIME.sub(" ", " | ".join(kept)))


@pytest.fixture
def people(db: None) -> People:
    people = make_people()
    for stage in (State.DRAFT, State.PENDING_APPROVAL, State.REJECTED, State.FAILED, State.COMPLETED):
        make_request(stage, people=people, zone=Zone.ZONE_3)
    return people


def test_every_word_on_the_screens_is_translated_or_data(people: People, marked: None) -> None:
    found: dict[str, set[str]] = {}
    clients = {name: client_of(getattr(people, name)) for name in ROLES}

    def look(name: str, address: str) -> None:
        page = clients[name].get(address)
        for words in said(page.content.decode()):
            found.setdefault(words, set()).add(f"{name} {address}")

    for name in clients:
        look(name, "/admin/")
        look(name, reverse(LIST))
        for request in EnvironmentRequest.objects.all():
            look(name, page_of(request))
    for model in admin.site._registry:
        look("auditor", reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"))
        for row in model._base_manager.all()[:1]:
            look("auditor", page_of(row))
    known = data()
    forgotten = {words: where for words, where in found.items() if words.lower() not in known.lower()}
    assert forgotten == {}
