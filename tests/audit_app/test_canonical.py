"""The exact bytes that are hashed, against vectors that any other implementation can use too."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_app import canonical
from audit_app.chain import Entry, seal
from audit_app.merkle import leaf_hash
from audit_app.models import ProvisioningLog

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["encoded"], ids=lambda vector: vector["about"])
def test_a_value_has_the_bytes_and_the_hash_of_the_vector(vector: dict[str, Any]) -> None:
    content = canonical.encode(vector["value"])
    assert content.hex() == vector["bytes"]
    assert canonical.digest(content) == vector["sha256"]
    assert canonical.decode(content) == vector["value"]


@pytest.mark.parametrize("vector", VECTORS["entries"], ids=lambda vector: vector["about"])
def test_a_whole_entry_has_the_bytes_the_hash_and_the_leaf_of_the_vector(vector: dict[str, Any]) -> None:
    """From the columns as they are stored: whoever builds another verifier has to get the same bytes."""
    value = vector["value"]
    assert set(value) == set(Entry.__annotations__)
    request = value["environment_request"]
    row = ProvisioningLog(
        **{name: value[name] for name in value.keys() - {"id", "tenant", "environment_request", "timestamp"}},
        id=UUID(value["id"]),
        tenant_id=UUID(value["tenant"]),
        environment_request_id=UUID(request) if request else None,
        timestamp=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value["timestamp"]),
    )
    content, entry_hash = seal(row)
    assert (content.hex(), entry_hash) == (vector["bytes"], vector["sha256"])
    assert leaf_hash(entry_hash).hex() == vector["leaf"]


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: vector["about"])
def test_a_value_without_canonical_form_is_refused_by_path(vector: dict[str, Any]) -> None:
    with pytest.raises(canonical.NotCanonicalError) as caught:
        canonical.encode(json.loads(vector["json"]))
    assert str(caught.value) == vector["error"]


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({"a": float("nan")}, "$.a: float is not allowed"),
        ({"a": {1: 2}}, "$.a: a name that is not text"),
        ({"a": b"bytes"}, "$.a: bytes is not allowed"),
        ({"a": {"b", "c"}}, "$.a: set is not allowed"),
    ],
)
def test_what_json_does_not_know_is_refused(value: dict[str, Any], error: str) -> None:
    with pytest.raises(canonical.NotCanonicalError) as caught:
        canonical.encode(value)
    assert str(caught.value) == error


def test_a_tuple_is_written_like_a_list() -> None:
    assert canonical.encode({"a": (1, 2)}) == canonical.encode({"a": [1, 2]})


@pytest.mark.parametrize("content", [b"{}", b"ELM-LOG-v2\x00{}", b"ELM-LOG-v1\x00[]", b"ELM-LOG-v1\x00{", b""])
def test_bytes_that_are_not_ours_are_not_read(content: bytes) -> None:
    with pytest.raises(canonical.NotCanonicalError):
        canonical.decode(content)


def test_bytes_that_are_not_utf_8_are_not_read() -> None:
    with pytest.raises(canonical.NotCanonicalError):
        canonical.decode(canonical.VERSION_TAG + b'{"a":"\xff"}')


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")).filter(
    lambda value: unicodedata.is_normalized("NFC", value)
)
plain = st.none() | st.booleans() | st.integers(-canonical.MAX_INTEGER, canonical.MAX_INTEGER) | text
values = st.dictionaries(
    text, st.recursive(plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4))
)


@given(values)
def test_every_allowed_value_comes_back_and_always_has_the_same_bytes(value: dict[str, Any]) -> None:
    content = canonical.encode(value)
    assert canonical.decode(content) == value
    assert canonical.encode(dict(reversed(value.items()))) == content
    assert canonical.digest(content) == hashlib.sha256(content).hexdigest()
