"""What counts as text, and what can be stored."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core_app.text import clean, has_content, lasted, unstorable_reason


@pytest.mark.parametrize("text", ["", " ", "\t\n", "\u200b", "\u2060\ufeff", "\u115f\u3164", "\x07"])
def test_nothing_visible_is_no_content(text):
    assert not has_content(text)


@pytest.mark.parametrize("text", ["a", " a ", "\u200bz", "1", "。", "👍"])
def test_anything_visible_is_content(text):
    assert has_content(text)


def test_nul_and_half_surrogates_are_named():
    assert "NUL" in unstorable_reason("a\x00b")
    assert "surrogate" in unstorable_reason("\ud800")
    assert unstorable_reason("naïve 👍") is None


def test_typed_text_is_normalised_once_at_the_door():
    assert clean(" e\u0301\r\nx\ry ") == "\u00e9\nx\ny"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 s"),
        (59.4, "59 s"),
        (185, "3 min 5 s"),
        (7800, "2 h 10 min"),
        (100_000, "27 h 46 min"),
        (172_800, "2 days"),
    ],
)
def test_a_time_in_words(seconds, words):
    assert lasted(timedelta(seconds=seconds)) == words
