"""From bytes to one JSON object: what cannot be read is said with its path."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from core_app.errors import InvalidInputError
from requests_app.intake.document import MAX_BYTES, MAX_DEPTH, TooLargeError, digest, parse, read_bounded, read_file


def problems_of(content: bytes) -> dict[str, str]:
    with pytest.raises(InvalidInputError) as refused:
        parse(content)
    return dict(refused.value.problems)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe{\x00}\x00", "is not valid UTF-8 (byte 0)"),
        (b'{"a": "\xe9"}', "is not valid UTF-8 (byte 7)"),
        (b'{"a": 1,}', "is not JSON: "),
        (b'{"a": 1}\n{"b": 2}', "is not JSON: Extra data (line 2, column 1)"),
        (b"{'a': 1}", "is not JSON: "),
        (b"[]", "must be one JSON object, not a list"),
        (b"null", "must be one JSON object, not null"),
        (b'"text"', "must be one JSON object, not text"),
        (b"true", "must be one JSON object, not true or false"),
        (b"5", "must be one JSON object, not a number"),
        (b"NaN", "NaN is not a JSON number"),
        (b"[" * 100_000, f"nested more than {MAX_DEPTH} levels"),
        (b'{"a":' * 100_000, f"nested more than {MAX_DEPTH} levels"),
    ],
)
def test_what_is_no_json_object_is_explained(content: bytes, sentence: str) -> None:
    assert sentence in problems_of(content)["$"]


@pytest.mark.parametrize(
    ("text", "path", "sentence"),
    [
        ('{"a": 1, "b": 2, "a": 1}', "$.a", "given more than once"),
        ('{"a": {"b": [{"c": 1, "c": 2}]}}', "$.a.b[0].c", "given more than once"),
        ('{"a": NaN}', "$.a", "NaN is not a JSON number"),
        ('{"a": [0, -Infinity]}', "$.a[1]", "-Infinity is not a JSON number"),
        ('{"a": 1e400}', "$.a", "too large a number"),
        ('{"a": 1234567890123456}', "$.a", "more than 15 digits"),
        ('{"a": "x\\u0000y"}', "$.a", "NUL"),
        ('{"a": "\\ud83d"}', "$.a", "surrogate"),
        ('{"a\\u0000": 1}', '$["a\\u0000"]', "the name contains a NUL"),
        ('{"\\ud83d": 1}', '$["\\ud83d"]', "the name contains half"),
        ('{"odd name": NaN}', '$["odd name"]', "NaN"),
    ],
)
def test_what_cannot_be_used_inside_is_named_by_its_path(text: str, path: str, sentence: str) -> None:
    assert sentence in problems_of(text.encode())[path]


def test_every_problem_is_listed() -> None:
    assert set(problems_of(b'{"a": NaN, "b": {"c": 1, "c": 1}, "d": ["\\u0000"]}')) == {"$.a", "$.b.c", "$.d[0]"}


def test_a_flood_of_problems_is_cut() -> None:
    assert len(problems_of(json.dumps({"a": [float("nan")] * 5000}).encode())) == 100


@pytest.mark.parametrize(("depth", "is_fine"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False)])
def test_nesting_is_bounded(depth: int, is_fine: bool) -> None:
    content = ('{"a":' * depth + "1" + "}" * depth).encode()
    if is_fine:
        assert parse(content)["a"]
    else:
        assert "nested more than" in problems_of(content)["$" + ".a" * MAX_DEPTH]


def test_a_byte_order_mark_is_forgiven() -> None:
    assert parse(b'\xef\xbb\xbf{"a": 1.5}') == {"a": 1.5}


def test_a_payload_of_the_limit_is_read_and_one_byte_more_is_not() -> None:
    longest = b'{"a": "' + b"x" * (MAX_BYTES - 9) + b'"}'
    assert len(longest) == MAX_BYTES
    assert len(parse(read_bounded(io.BytesIO(longest)))["a"]) == MAX_BYTES - 9
    with pytest.raises(TooLargeError, match="larger than 1024 KiB"):
        parse(longest + b" ")
    with pytest.raises(TooLargeError):
        read_bounded(io.BytesIO(longest + b" "))


def test_ten_megabytes_are_refused_without_reading_them() -> None:
    stream = io.BytesIO(b" " * 10_000_000)
    with pytest.raises(TooLargeError):
        read_bounded(stream)
    assert stream.tell() == MAX_BYTES + 1


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot be read: No such file"):
        read_file(str(tmp_path / "missing.json"))
    with pytest.raises(InvalidInputError, match="cannot be read: Is a directory"):
        read_file(str(tmp_path))


json_values = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-(10**14), 10**14)
    | some.text(some.characters(exclude_categories=["Cs"])),
    lambda inside: some.lists(inside, max_size=3) | some.dictionaries(some.text("abc", min_size=1), inside, max_size=3),
    max_leaves=10,
).filter(lambda value: "\\u0000" not in json.dumps(value))


@given(some.dictionaries(some.text("abcdef", min_size=1), json_values, max_size=4))
def test_any_clean_object_is_read_as_it_is_and_spacing_and_order_do_not_change_its_digest(
    value: dict[str, object],
) -> None:
    found = parse(json.dumps(value).encode())
    assert found == value
    reordered = json.dumps(dict(reversed(value.items())), indent=2, ensure_ascii=False).encode()
    assert digest(parse(reordered)) == digest(found)


def test_another_value_is_another_digest() -> None:
    assert digest({"a": 1}) != digest({"a": "1"}) != digest({"b": 1}) != digest({"a": True})


@given(some.binary(max_size=200))
def test_no_bytes_break_it(content: bytes) -> None:
    with suppress(InvalidInputError):
        assert isinstance(parse(content), dict)
