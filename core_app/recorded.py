"""What is kept is English, whoever caused it in whatever language; screens say it in the language at work.

A sentence that is recorded is marked with ``gettext_noop`` where it is made, so that a catalogue has it. Its values are
in it by the time that it is shown; ``shown`` finds them again by holding the sentence against the catalogue's.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from functools import lru_cache
from gettext import NullTranslations
from typing import Any, Final

from django.utils import translation
from django.utils.functional import lazy
from django.utils.translation import gettext, trans_real

_PLACEHOLDER: Final = re.compile(r"%\((\w+)\)[sr]")
_LEAST_WORDS: Final = 8  # characters of its own that tell a sentence from any other


def as_recorded() -> AbstractContextManager[None]:
    """Let everything within be said as it is recorded: in English, by no catalogue."""
    return translation.override(None)


def _said(sentence: str, values: dict[str, Any]) -> str:
    return gettext(sentence) % values if values else gettext(sentence)


_lazily_said = lazy(_said, str)


def told(sentence: str, **values: Any) -> str:
    """Return a sentence that is in the language at work whenever it is read; ``recorded`` has it as the log keeps it.

    Args:
        sentence: Marked with ``gettext_noop``.
        values: Of its placeholders.
    """
    return _lazily_said(sentence, values)


def recorded(said: object) -> str:
    """Return what was told, such as why a verb refused, as it is recorded."""
    with as_recorded():
        return str(said)


def shown(text: str) -> str:
    """Return what was recorded in the language at work, and what no catalogue knows as it was recorded."""
    if not text:
        return text
    said = gettext(text)
    return said if said != text else _filled(text)


def _filled(text: str) -> str:
    """Return a recorded sentence with values in it, translated; the most particular sentence that fits is taken."""
    for pattern, sentence in _sentences(trans_real.catalog()):
        if found := pattern.fullmatch(text):
            return gettext(sentence) % {name: shown(value) for name, value in found.groupdict().items()}
    return text


@lru_cache(maxsize=4)
def _sentences(catalogue: NullTranslations) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return the sentences of a catalogue that have values, those with the most words of their own first."""
    known = {each for each in getattr(catalogue, "_catalog", {}).keys() if isinstance(each, str)}  # noqa: SIM118
    own = {each: len(_PLACEHOLDER.sub("", each)) for each in known if _PLACEHOLDER.search(each) and "\x04" not in each}
    ordered = sorted((each for each, size in own.items() if size >= _LEAST_WORDS), key=lambda each: (-own[each], each))
    return tuple((_pattern(each), each) for each in ordered)


def _pattern(sentence: str) -> re.Pattern[str]:
    """Return what a sentence looks like once its values are in it."""
    seen: set[str] = set()
    pattern = ""
    for index, part in enumerate(_PLACEHOLDER.split(sentence)):
        if index % 2 == 0:
            pattern += re.escape(part.replace("%%", "%"))
        else:
            pattern += f"(?P={part})" if part in seen else f"(?P<{part}>.+?)"
            seen.add(part)
    return re.compile(pattern, re.DOTALL)
