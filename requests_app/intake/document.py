"""From bytes to one JSON object: bounded, strict, and with the path of everything that is wrong with it."""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop

from core_app.errors import InvalidInputError
from core_app.text import unstorable_reason

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 20
MAX_DIGITS: Final = 15  # what every JSON reader keeps exact
_MOST_PROBLEMS = 100
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}")

Document = dict[str, Any]


class TooLargeError(InvalidInputError):
    """The payload is larger than ``MAX_BYTES`` (HTTP 413)."""

    def __init__(self) -> None:
        super().__init__(
            [
                (
                    "$",
                    _("is larger than %(limit)s KiB; a payload of the agent has about two.")
                    % {"limit": MAX_BYTES // 1024},
                )
            ]
        )


class ByteStream(Protocol):
    """A file, standard input, or the body of a web request."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes."""


def read_bounded(stream: ByteStream) -> bytes:
    """Return all bytes, having read no more than the limit and one.

    Raises:
        TooLargeError: there is more.
    """
    content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise TooLargeError
    return content


def read_file(name: str) -> bytes:
    """Return the bytes of a file, or of standard input when it is called ``-``.

    Raises:
        TooLargeError: it is larger than a payload can be.
        InvalidInputError: it cannot be read.
    """
    if name == "-":
        return read_bounded(sys.stdin.buffer)
    try:
        with Path(name).open("rb") as file:
            return read_bounded(file)
    except OSError as error:
        raise _unreadable(_("cannot be read: %(reason)s.") % {"reason": error.strerror}) from error


def parse(content: bytes) -> Document:
    """Return the JSON object in a payload.

    Raises:
        InvalidInputError: not UTF-8, not JSON, not an object, or, by path: names given twice, numbers that are no
            numbers or lose digits, text that cannot be stored, too deep a nesting.
    """
    if len(content) > MAX_BYTES:
        raise TooLargeError
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(_("is not valid UTF-8 (byte %(byte)s); send it as UTF-8.") % {"byte": error.start}) from error
    if not text.strip():
        raise _unreadable(_("is empty; send one JSON object."))
    try:
        found = json.loads(
            text, object_pairs_hook=_Object, parse_int=_whole, parse_float=_fraction, parse_constant=_Wrong.constant
        )
    except json.JSONDecodeError as error:
        raise _unreadable(
            _("is not JSON: %(message)s (line %(line)s, column %(column)s).")
            % {"message": error.msg, "line": error.lineno, "column": error.colno}
        ) from error
    except RecursionError as error:
        raise _unreadable(_("is nested more than %(most)s levels deep.") % {"most": MAX_DEPTH}) from error
    if problems := list(islice(_problems(found, "$"), _MOST_PROBLEMS)):
        raise InvalidInputError(problems)
    if not isinstance(found, dict):
        raise _unreadable(_("must be one JSON object, not %(kind)s.") % {"kind": kind_of(found)})
    return found


def digest(document: Document) -> str:
    """Return the SHA-256 of the content, whatever its spacing and the order of its names."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def kind_of(value: Any) -> str:
    """Return what a JSON value is, in words."""
    for kinds, word in _KINDS:
        if isinstance(value, kinds):
            return _(word)
    return "null"


_KINDS: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (bool, noop("true or false")),
    (str, noop("text")),
    ((int, float), noop("a number")),
    (list, noop("a list")),
    (dict, noop("an object")),
)


@dataclass(frozen=True, slots=True)
class _Wrong:
    """Stands where a value cannot be used, until the walk over the document tells its path."""

    reason: str

    @classmethod
    def constant(cls, name: str) -> _Wrong:
        return cls(_("%(name)s is not a JSON number.") % {"name": name})


class _Object(dict[str, Any]):
    """A JSON object that remembers which names were given more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeated = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]


def _whole(digits: str) -> int | _Wrong:
    return (
        int(digits)
        if len(digits.lstrip("-")) <= MAX_DIGITS
        else _Wrong(_("has more than %(most)s digits.") % {"most": MAX_DIGITS})
    )


def _fraction(digits: str) -> float | _Wrong:
    number = float(digits)
    return number if math.isfinite(number) else _Wrong(_("is too large a number."))


def _problems(value: Any, path: str, depth: int = 1) -> Iterator[tuple[str, str]]:
    if isinstance(value, _Wrong):
        yield path, value.reason
    elif isinstance(value, str) and (reason := unstorable_reason(value)):
        yield path, reason
    elif isinstance(value, _Object | list) and depth > MAX_DEPTH:
        yield path, _("is nested more than %(most)s levels deep.") % {"most": MAX_DEPTH}
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _problems(item, f"{path}[{index}]", depth + 1)
    elif isinstance(value, _Object):
        yield from _problems_of_names(value, path)
        for name, item in value.items():
            yield from _problems(item, _below(path, name), depth + 1)


def _problems_of_names(value: _Object, path: str) -> Iterator[tuple[str, str]]:
    for name in value.repeated:
        yield _below(path, name), _("is given more than once; give it once.")
    for name in value:
        if reason := unstorable_reason(name):
            yield _below(path, name), _("the name %(reason)s") % {"reason": reason}


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if _PLAIN_NAME.fullmatch(name) else f"{path}[{json.dumps(name[:60])}]"


def _unreadable(reason: str) -> InvalidInputError:
    return InvalidInputError([("$", reason)])
