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
        super().__init__([("$", f"is larger than {MAX_BYTES // 1024} KiB; a payload of the agent has about two.")])


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
        raise _unreadable(f"cannot be read: {error.strerror}.") from error


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
        raise _unreadable(f"is not valid UTF-8 (byte {error.start}); send it as UTF-8.") from error
    if not text.strip():
        raise _unreadable("is empty; send one JSON object.")
    try:
        found = json.loads(
            text, object_pairs_hook=_Object, parse_int=_whole, parse_float=_fraction, parse_constant=_Wrong.constant
        )
    except json.JSONDecodeError as error:
        raise _unreadable(f"is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from error
    except RecursionError as error:
        raise _unreadable(f"is nested more than {MAX_DEPTH} levels deep.") from error
    if problems := list(islice(_problems(found, "$"), _MOST_PROBLEMS)):
        raise InvalidInputError(problems)
    if not isinstance(found, dict):
        raise _unreadable(f"must be one JSON object, not {kind_of(found)}.")
    return found


def digest(document: Document) -> str:
    """Return the SHA-256 of the content, whatever its spacing and the order of its names."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def kind_of(value: Any) -> str:
    """Return what a JSON value is, in words."""
    for kinds, word in _KINDS:
        if isinstance(value, kinds):
            return word
    return "null"


_KINDS: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (bool, "true or false"),
    (str, "text"),
    ((int, float), "a number"),
    (list, "a list"),
    (dict, "an object"),
)


@dataclass(frozen=True, slots=True)
class _Wrong:
    """Stands where a value cannot be used, until the walk over the document tells its path."""

    reason: str

    @classmethod
    def constant(cls, name: str) -> _Wrong:
        return cls(f"{name} is not a JSON number.")


class _Object(dict[str, Any]):
    """A JSON object that remembers which names were given more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeated = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]


def _whole(digits: str) -> int | _Wrong:
    return int(digits) if len(digits.lstrip("-")) <= MAX_DIGITS else _Wrong(f"has more than {MAX_DIGITS} digits.")


def _fraction(digits: str) -> float | _Wrong:
    number = float(digits)
    return number if math.isfinite(number) else _Wrong("is too large a number.")


def _problems(value: Any, path: str, depth: int = 1) -> Iterator[tuple[str, str]]:
    if isinstance(value, _Wrong):
        yield path, value.reason
    elif isinstance(value, str) and (reason := unstorable_reason(value)):
        yield path, reason
    elif isinstance(value, _Object | list) and depth > MAX_DEPTH:
        yield path, f"is nested more than {MAX_DEPTH} levels deep."
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _problems(item, f"{path}[{index}]", depth + 1)
    elif isinstance(value, _Object):
        yield from _problems_of_names(value, path)
        for name, item in value.items():
            yield from _problems(item, _below(path, name), depth + 1)


def _problems_of_names(value: _Object, path: str) -> Iterator[tuple[str, str]]:
    for name in value.repeated:
        yield _below(path, name), "is given more than once; give it once."
    for name in value:
        if reason := unstorable_reason(name):
            yield _below(path, name), f"the name {reason}"


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if _PLAIN_NAME.fullmatch(name) else f"{path}[{json.dumps(name[:60])}]"


def _unreadable(reason: str) -> InvalidInputError:
    return InvalidInputError([("$", reason)])
