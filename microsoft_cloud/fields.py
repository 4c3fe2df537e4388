"""Reading fields out of JSON that may lack them: absent, null and wrongly typed values become empty ones."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from .errors import PermanentError

ZERO_GUID = "00000000-0000-0000-0000-000000000000"
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")
_MICROSECONDS = re.compile(r"(\.\d{6})\d+")

Json = dict[str, Any]


def dig(data: Any, *path: str) -> Any:
    """Return what lies at the path, or None where the path ends early."""
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def text(data: Any, *path: str) -> str:
    """Return the text at the path, or ""."""
    value = dig(data, *path)
    return value if isinstance(value, str) else ""


def number(data: Any, *path: str) -> float:
    """Return the number at the path, or 0."""
    value = dig(data, *path)
    return float(value) if isinstance(value, int | float) else 0.0


def flag(data: Any, *path: str) -> bool:
    """Say whether the value at the path is true."""
    return dig(data, *path) is True


def objects(data: Any, *path: str) -> list[Json]:
    """Return the JSON objects of the list at the path."""
    value = dig(data, *path)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def moment(data: Any, *path: str) -> datetime | None:
    """Return the RFC 3339 time at the path in UTC (BAP writes seven fractional digits), or None."""
    try:
        found = datetime.fromisoformat(_MICROSECONDS.sub(r"\1", text(data, *path)))
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def http_date(value: str) -> datetime | None:
    """Return the time in a header (RFC 9110 §5.6.7) in UTC, or None."""
    try:
        found = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def last_segment(path: str) -> str:
    """Return what follows the last slash: the id in a resource path; "" for a path that has none."""
    return path.rpartition("/")[2]


def is_guid(value: str) -> bool:
    """Say whether the text is a GUID in its 36-character form."""
    return _GUID.fullmatch(value) is not None


def guid(value: str, what: str) -> str:
    """Return the value in lower case if it is a GUID.

    Raises:
        PermanentError: it is not (code ``InvalidIdentifier``), so no call is made.
    """
    if not is_guid(value):
        raise PermanentError(f"The {what} must be a GUID.", code="InvalidIdentifier")
    return value.lower()


def segment(value: str, what: str) -> str:
    """Return an id that is safe as one path segment: never empty, because ``…/environments/`` answers the list (§5.3).

    Raises:
        PermanentError: empty, or with characters that no Microsoft id has (code ``InvalidIdentifier``).
    """
    if not _IDENTIFIER.fullmatch(value):
        raise PermanentError(f"The {what} is empty or not an identifier.", code="InvalidIdentifier")
    return value


def quoted(value: str) -> str:
    """Return free text (a user principal name) as one URL path segment."""
    return quote(value, safe="@")


def odata_literal(value: str) -> str:
    """Return the text as an OData string literal."""
    return "'" + value.replace("'", "''") + "'"
