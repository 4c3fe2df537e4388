"""What counts as text that a person wrote, and names in words."""

from __future__ import annotations

import re
import unicodedata

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


def in_words(name: str) -> str:
    """Return a name of the specification as people write it: ``PendingApproval`` is "Pending approval"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()
