"""What this process has held as a secret never appears in its words: not in an error, not in a line of the log."""

from __future__ import annotations

import json
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

MASK = "***"
_SECRET_NAMES = re.compile(
    r"(?i)pass(word|phrase)|secret|token|authorization|cookie|api_?key|private_?key|assertion|csrf|connection_string"
)
# Names that only speak of one of these; their values are public
_PUBLIC_NAMES = frozenset({"secret_name", "lease_token", "secret_version", "token_file"})
_SHORTEST = 8  # a shorter text is no secret, and masking it would garble honest words
_MOST = 4_000  # forms of secrets; those that were held longest ago go first
_SPELT_ALIKE = re.compile(r"[A-Za-z0-9._~-]{16,}")  # in every notation, however deep one is quoted in another
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(.+?)-----END", re.DOTALL)

_held: OrderedDict[str, None] = OrderedDict()  # the latest last
_longest_first: tuple[str, ...] = ()  # replaced as a whole, so that threads never see it change while they read
_lock = threading.Lock()


def never_show(secret: str) -> None:
    """Remember a secret, also as it looks in JSON, in a URL, in Python's notation, on one line; a key by its lines."""
    global _longest_first  # one process, one memory
    lines = [line for block in _PRIVATE_KEY.findall(secret) for line in block.split()]
    forms = {form for text in (secret, *lines) for form in _forms(text) if len(form) >= _SHORTEST}
    with _lock:
        is_new = not forms <= _held.keys()
        for form in forms:
            _held[form] = None
            _held.move_to_end(form)
        while len(_held) > _MOST:
            _held.popitem(last=False)
        if is_new:
            _longest_first = tuple(sorted(_held, key=len, reverse=True))


def _forms(text: str) -> Iterator[str]:
    quoted = repr(text)[1:-1]
    yield from (text, " ".join(text.split()), quote(text, safe=""), quoted, _in_json(text), _in_json(quoted))
    both = quoted.replace("'", "\\'")  # where Python had to escape the quotes as well
    yield from (both, _in_json(both))
    if quoted != text and not _PRIVATE_KEY.search(text):  # whose other lines are a certificate, which is public
        yield from _SPELT_ALIKE.findall(text)


def _in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def without_secrets(text: str) -> str:
    """Return the text with every remembered secret masked, longer ones first."""
    for secret in _longest_first:
        text = text.replace(secret, MASK)
    return text


def mask_names(_logger: Any, _name: str, event: Any) -> Any:
    """Mask what a line of the log calls a secret, whether we hold it or not (a processor before the rendering)."""
    return {
        name: MASK if _SECRET_NAMES.search(name) and name not in _PUBLIC_NAMES else value
        for name, value in event.items()
    }


def mask_line(_logger: Any, _name: str, line: str) -> str:
    """Mask a rendered line of the log (the last processor of the handler's formatter)."""
    return without_secrets(line)


def _start_afresh() -> None:
    """After a fork: another thread of the parent may have held the lock."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_start_afresh)
