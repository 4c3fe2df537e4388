"""A catalogue of another language, made from everything that the program marks: each text in brackets."""

from __future__ import annotations

import ast
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings as configured

LANGUAGE = "de"
SAYS = frozenset({"_", "gettext", "gettext_lazy", "noop", "gettext_noop", "ngettext", "ngettext_lazy", "pgettext"})
_HEADER = "Content-Type: text/plain; charset=utf-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n"


def product_files() -> list[Path]:
    """Return the program's own modules: those of the applications and of the project."""
    root = Path(configured.BASE_DIR)
    found = [path for folder in (*root.glob("*_app"), root / "elm_project") for path in folder.rglob("*.py")]
    return sorted(path for path in found if "migrations" not in path.parts)


def says(call: ast.AST) -> bool:
    """Say whether this hands a text to gettext."""
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in SAYS


def _marked() -> Iterator[tuple[str, ...]]:
    for path in product_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if says(node):
                words = tuple(
                    each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)
                )
                if words:
                    yield words if node.func.id != "pgettext" else ("\x04".join(words),)


def in_brackets(sentence: str) -> str:
    """Return how the other language says it."""
    return f"⟦{sentence.rpartition(chr(4))[2]}⟧"


@cache
def catalogue() -> bytes:
    """Return the compiled catalogue, in the form of ``msgfmt``."""
    said = {"\0".join(words): "\0".join(map(in_brackets, words)) for words in _marked()} | {"": _HEADER}
    keys = sorted(key.encode() for key in said)
    texts = [said[key.decode()].encode() for key in keys]
    tables, at = b"", 28 + 16 * len(keys)
    for text in (*keys, *texts):
        tables += struct.pack("<2I", len(text), at)
        at += len(text) + 1
    head = struct.pack("<7I", 0x950412DE, 0, len(keys), 28, 28 + 8 * len(keys), 0, 0)
    return head + tables + b"".join(text + b"\0" for text in (*keys, *texts))


@pytest.fixture
def other_language(tmp_path: Path, settings: object) -> str:
    """A language whose catalogue this installation has; activate it to speak it."""
    folder = tmp_path / "locale" / LANGUAGE / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.mo").write_bytes(catalogue())
    settings.LOCALE_PATHS = [tmp_path / "locale"]  # type: ignore[attr-defined]
    return LANGUAGE
