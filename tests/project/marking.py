"""A language that puts every translated text into brackets, and what is left of a page outside of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, Final

import pytest
from django.utils import translation

_MARKED: Final = re.compile(r"⟦[^⟦⟧]*⟧")
_ADDRESS: Final = re.compile(r"https?://\S+")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?( UTC|\+00:00)?")
_SIGNS: Final = re.compile(r"[|⟦⟧·,;:()„“”→…{}\[\]\n]")
_WORDS: Final = re.compile(r"[A-Za-z]{2,}")


class Marking:
    """Stands where Django looks texts up.

    Attributes:
        asked: Every text that was looked up; a plural by its singular.
    """

    def __init__(self, real: Any) -> None:
        self._real = real
        self.asked: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def gettext(self, message: str) -> str:
        self.asked.add(str(message))
        return f"⟦{message}⟧"

    def pgettext(self, context: str, message: str) -> str:
        return f"⟦{message}⟧"  # only packages say texts in a context

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        self.asked.add(str(singular))
        return f"⟦{singular if number == 1 else plural}⟧"

    def npgettext(self, context: str, singular: str, plural: str, number: int) -> str:
        return f"⟦{singular if number == 1 else plural}⟧"


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> Marking:
    marking = Marking(translation._trans)
    monkeypatch.setattr(translation, "_trans", marking)
    return marking


class _Visible(HTMLParser):
    """The texts of a page that people read or are read aloud, and that are not said to be in another language."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._unread: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        icon = "material-symbols-outlined" in (given.get("class") or "")
        of_no_language = tag in ("script", "style", "svg", "template", "noscript", "kbd", "code")
        in_another = "lang" in given and tag != "html"
        if of_no_language or in_another or icon or (self._unread and tag == self._unread[-1]):
            self._unread.append(tag)
        if not self._unread:
            self.texts += [given[name] or "" for name in ("aria-label", "title", "placeholder", "alt") if name in given]

    def handle_endtag(self, tag: str) -> None:
        if self._unread and tag == self._unread[-1]:
            self._unread.pop()

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.texts.append(data)


def texts_of(page: str) -> list[str]:
    """Return what is read on a page."""
    reader = _Visible()
    reader.feed(page)
    return reader.texts


def left_of(text: str) -> Iterator[str]:
    """Yield the phrases of a text that were not translated, without times and signs."""
    text = _TIME.sub(" | ", _ADDRESS.sub(" | ", " ".join(text.split())))
    while _MARKED.search(text):
        text = _MARKED.sub(" | ", text)
    for part in _SIGNS.split(text):
        phrase = part.strip(" .-\"'%#=/>✓0123456789")
        if _WORDS.search(phrase):
            yield phrase.lower()
