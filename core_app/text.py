"""What counts as text that a person wrote, and names in words."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import timedelta
from typing import Any, Final

from core_app.errors import InvalidInputError

MAX_TEXT: Final = 20_000  # characters that a person may write into one field

# Letters that render as nothing but are not in a "format" or "separator" category.
_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0\u034f")


def has_content(text: str) -> bool:
    """Say whether anything visible is left once white space, zero-width and control characters are ignored."""
    return any(unicodedata.category(char)[0] not in "CZ" and char not in _BLANK_LETTERS for char in text)


def unstorable_reason(text: str) -> str | None:
    """Return why PostgreSQL or the canonical log form cannot hold this text, or None when they can."""
    if "\x00" in text:
        return "contains a NUL character; remove it."
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "contains half of a surrogate pair, which is not valid Unicode; retype the text."
    return None


def clean(text: str) -> str:
    """Return what a person typed as it is stored and hashed: in Unicode normal form C, trimmed, with unix line ends."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def reason_given(text: str) -> str:
    """Return the reason that a person gave, as the log keeps it.

    Raises:
        InvalidInputError: it says nothing.
    """
    if not has_content(text):
        raise InvalidInputError([("reason", "Say why; the log keeps it.")])
    return clean(text)


def in_words(name: str) -> str:
    """Return a name of the specification as people write it: ``PendingApproval`` is "Pending approval"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()


def lasted(time: timedelta) -> str:
    """Return how long something took, as people say it: ``42 s``, ``3 min 5 s``, ``2 h 10 min``, ``4 days``."""
    seconds = max(0, round(time.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days >= 2:
        return f"{days} days"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"


def as_json(document: Any, **options: Any) -> str:
    """Return a document on one line, in ASCII: also DEL and what Unicode takes for a line end are escaped."""
    return json.dumps(document, **options).replace("\x7f", "\\u007f")
