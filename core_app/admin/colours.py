"""Colours of badges, found by the word that a badge shows, whatever language it is shown in."""

from __future__ import annotations

from django.utils.translation import gettext


class Coloured(dict[str, str]):
    """Word → colour; a word is found in English and in the language at work."""

    def __contains__(self, word: object) -> bool:
        return super().__contains__(word) or self._english(word) is not None

    def __missing__(self, word: str) -> str:
        english = self._english(word)
        if english is None:
            raise KeyError(word)
        return self[english]

    def _english(self, word: object) -> str | None:
        return next((known for known in self if gettext(known) == word), None)
