"""What was called, in order, with every secret and token redacted (contract §19.4)."""

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from simulator.clock import parse_time

KEPT = 100_000
_REDACTED = "[redacted]"
_BODY_LIMIT = 4_000
_SECRET_FIELDS = re.compile(
    r'("(?:value|secretText|access_token|refresh_token|id_token|client_secret|client_assertion|password|key)"\s*:\s*)'
    r'"(?:[^"\\]|\\.)*("|$)'
)
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
_CODE = re.compile(r"([?&]code=)[^&]+")
_SECRET_FORM_FIELDS = frozenset(
    {"client_secret", "client_assertion", "password", "refresh_token", "assertion", "code", "code_verifier"}
)
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "set-cookie"})
_FORM = "application/x-www-form-urlencoded"


@dataclass
class Entry:
    """One call as it came and as it was answered."""

    seq: int
    time: str
    host: str
    method: str
    url: str
    tenant: str
    principal: str
    request_headers: dict[str, str]
    request_body: str
    status: int = 0  # 0: the connection was dropped
    response_headers: dict[str, str] = field(default_factory=dict)
    response_body: str = ""
    fault: str = ""
    processed: bool = False  # the service acted on it, whatever the caller got to see


class Journal:
    """The last calls, oldest first."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._count = 0

    @property
    def last(self) -> int:
        """The sequence number of the newest entry."""
        return self._count

    def open(self, entry: Entry, body: bytes, headers: Mapping[str, str]) -> Entry:
        """Add a call before it is processed, so that a dropped one is seen too."""
        self._count += 1
        entry.seq = self._count
        form = headers.get("content-type", "").startswith(_FORM)
        entry.request_body = _without_form_secrets(body) if form else redact(_text(body))
        entry.request_headers = {
            name: _REDACTED if name in _SECRET_HEADERS else redact(value) for name, value in headers.items()
        }
        entry.url = redact(entry.url)
        self._entries.append(entry)
        return entry

    def close(self, entry: Entry, status: int, headers: Mapping[str, str], body: bytes) -> None:
        entry.status = status
        entry.response_headers = {
            name: _REDACTED if name.lower() in _SECRET_HEADERS else redact(_CODE.sub(rf"\1{_REDACTED}", value))
            for name, value in headers.items()
        }
        entry.response_body = redact(_text(body))

    def find(self, filters: Mapping[str, str]) -> dict[str, Any]:
        """Return the entries that meet every filter.

        host (a service or host:port), method, tenant, status, path (a regular expression),
        since (a sequence number or a time), limit.
        """
        text, limit = filters.get("since", "0"), int(filters.get("limit", "0"))
        since = int(text) if text.isdigit() else parse_time(text)
        path = re.compile(filters.get("path", ""), re.IGNORECASE)
        wanted = {name: filters[name] for name in ("tenant", "status", "method") if name in filters}
        host = filters.get("host", "")
        found = [
            asdict(entry)
            for entry in self._entries
            if _is_after(entry, since)
            and (host in ("", entry.host) or f"//{host}/" in entry.url)
            and path.search(entry.url)
            and all(str(getattr(entry, name)).lower() == value.lower() for name, value in wanted.items())
        ]
        return {"entries": found[-limit:] if limit else found, "next": self._count}

    def clear(self) -> None:
        """Forget the entries; sequence numbers go on."""
        self._entries.clear()


def _is_after(entry: Entry, since: int | datetime) -> bool:
    return entry.seq > since if isinstance(since, int) else parse_time(entry.time) > since


def redact(text: str) -> str:
    """Replace tokens and the values of secret members."""
    return _JWT.sub(_REDACTED, _SECRET_FIELDS.sub(rf'\1"{_REDACTED}"', text))


def _without_form_secrets(body: bytes) -> str:
    pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    return urlencode(
        [(name, _REDACTED if name in _SECRET_FORM_FIELDS else value) for name, value in pairs], safe="[]/:"
    )


def _text(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return f"[{len(body)} bytes]"
    return text if len(text) <= _BODY_LIMIT else f"{redact(text)[:_BODY_LIMIT]}… [{len(body)} bytes]"
