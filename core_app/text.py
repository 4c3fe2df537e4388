"""What counts as text that a person wrote, and names in words."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import timedelta
from typing import Any, Final

from django.utils.translation import gettext as _

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
        return _("contains a NUL character; remove it.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return _("contains half of a surrogate pair, which is not valid Unicode; retype the text.")
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
        raise InvalidInputError([("reason", _("Say why; the log keeps it."))])
    return clean(text)


def in_words(name: str) -> str:
    """Return a name of the specification as people write it: ``PendingApproval`` is "Pending approval"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()


def spoken(name: str) -> str:
    """Return a name of the specification as people write it, in the language at work."""
    return _(in_words(name))


def lasted(time: timedelta) -> str:
    """Return how long something took, as people say it: ``42 s``, ``3 min 5 s``, ``2 h 10 min``, ``4 days``."""
    seconds = max(0, round(time.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days >= 2:
        return _("%(days)s days") % {"days": days}
    if hours:
        return _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": minutes % 60}
    if minutes:
        return _("%(minutes)s min %(seconds)s s") % {"minutes": minutes, "seconds": seconds % 60}
    return _("%(seconds)s s") % {"seconds": seconds}


def as_json(document: Any, **options: Any) -> str:
    """Return a document on one line, in ASCII: also DEL and what Unicode takes for a line end are escaped."""
    return json.dumps(document, **options).replace("\x7f", "\\u007f")
