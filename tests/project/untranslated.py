"""Finds the words in templates that no translation reaches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from django.template.base import Lexer, TokenType

_MARKED = re.compile(r"\x00")
_READ_ALOUD = re.compile(r"""\b(?:aria-label|title|placeholder|alt|data-label)="([^"]*)\"""")
_UNREAD = re.compile(r"<(script|style)\b.*?</\1>|<svg\b.*?</svg>|<!--.*?-->", re.DOTALL)
_ICON = re.compile(r"(<span class=\"[^\"]*material-symbols-outlined[^>]*>)[^<]*(</span>)", re.DOTALL)
_TAG = re.compile(r"""<(?:[^>"']|"[^"]*"|'[^']*')*>""", re.DOTALL)
_LITERAL = re.compile(r"""(_\()?"([^"]*)\"""")
_WORD = re.compile(r"[^\W\d_]{2,}")
_NAMES = re.compile(r"\bUTC\b|&\w+;")


def words_of_template(path: Path) -> Iterator[str]:
    """Yield what a template says without translating it: texts, read-aloud attributes, literals handed on."""
    left, inside = [], False
    for token in Lexer(path.read_text()).tokenize():
        if token.token_type == TokenType.BLOCK:
            name = token.contents.split()[0]
            inside = name in ("blocktranslate", "blocktrans", "comment") or (inside and not name.startswith("end"))
            yield from () if name in _NO_WORDS else _literals(token.contents)
            left.append("\x00")
        elif token.token_type == TokenType.VAR:
            yield from _literals(token.contents)
            left.append("\x00")
        elif token.token_type == TokenType.TEXT and not inside:
            left.append(token.contents)
    yield from _texts("".join(left))


_NO_WORDS = {
    "translate",
    "trans",
    "blocktranslate",
    "blocktrans",
    "url",
    "load",
    "extends",
    "block",
    "static",
    "cycle",
    "if",
    "elif",
}
_CODES = re.compile(r"^[a-z0-9_./:#%\\ -]*$|^[HiYmdsc:\\ -]+$|^[a-z0-9_/.-]+\.html$|^unfold/|text-|^:\"?\d")


def _literals(contents: str) -> Iterator[str]:
    for translated, said in _LITERAL.findall(contents):
        if not translated and _WORD.search(said) and not _CODES.search(said):
            yield said


def _texts(page: str) -> Iterator[str]:
    page = _ICON.sub(r"\1\2", _UNREAD.sub("", page))
    said = _READ_ALOUD.findall(page) + _TAG.split(page)
    for text in said:
        for part in _MARKED.split(text):
            if _WORD.search(_NAMES.sub("", part)):
                yield " ".join(part.split())
