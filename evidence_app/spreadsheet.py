"""The one way a CSV file is written: a rendering for people, in which no text can become a formula.

A CSV file is never the evidence: what was recorded stands unchanged in the file that it renders. Numbers and dates
are ours and stay as they are; text is what somebody typed.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

ENCODING: Final = "utf-8-sig"  # with the byte order mark, without which spreadsheets read another alphabet
RULE: Final = (
    "Every cell is quoted. A text that a spreadsheet could take for a formula has an apostrophe in front: one that "
    "begins, after byte order marks, spaces and invisible characters, with = + - @ (also full-width) or an "
    "apostrophe, or that begins with a tab, a line end or a NUL. Taking one leading apostrophe away gives the text "
    "as it was recorded."
)
_FORMULA: Final = frozenset("=+-@'")
_CONTROL: Final = ("\t", "\r", "\n", "\x00")


def safe_cell(value: Any) -> str:
    """Return what stands in a cell for a value, by ``RULE``."""
    if value is None:
        return ""
    text = str(value)
    return f"'{text}" if isinstance(value, str) and could_be_a_formula(text) else text


def could_be_a_formula(text: str) -> bool:
    """Say whether a spreadsheet might run a text instead of showing it."""
    if text[:1].isascii() and text[:1].isalnum():
        return False  # as nearly every text begins; the rest is for the others
    if text.startswith(_CONTROL):
        return True
    first = next((char for char in text if not _is_dropped(char)), "")
    return first != "" and unicodedata.normalize("NFKC", first)[0] in _FORMULA


def _is_dropped(char: str) -> bool:
    """Say whether a reader may drop a character before it looks at the first one of a cell."""
    return char.isspace() or unicodedata.category(char) in ("Cc", "Cf")


def line(cells: Sequence[Any]) -> bytes:
    """Return one line of a CSV file (RFC 4180), all cells quoted."""
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL).writerow([safe_cell(cell) for cell in cells])
    return written.getvalue().encode()


def head(columns: Sequence[str]) -> bytes:
    """Return the first line of a CSV file, with the byte order mark."""
    return "\ufeff".encode() + line(columns)


def read(file: Path) -> list[dict[str, str]]:
    """Return the rows of a table of ours that is kept as CSV, by the names in its head."""
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
