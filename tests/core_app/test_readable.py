"""Stored JSON as people read it."""

from __future__ import annotations

import pytest

from core_app.admin import readable


@pytest.mark.parametrize("nothing", [None, "", {}, [], ()])
def test_nothing_is_a_dash(nothing: object) -> None:
    assert readable(nothing) == "-"


def test_a_mapping_has_a_row_for_each_key_in_words() -> None:
    page = readable({"content_hash": "ab", "stage": 2, "allow_developer": False})
    assert ">Content hash</th>" in page
    assert ">2</td>" in page
    assert ">Allow developer</th>" in page
    assert ">no</td>" in page


def test_alike_records_have_columns_and_an_empty_column_is_left_out() -> None:
    page = readable(
        [{"setting": "tenant", "before": "", "after": "x"}, {"setting": "name", "before": "", "after": "y"}]
    )
    assert page.count("<tr>") == 3
    assert ">Setting</th>" in page
    assert "Before" not in page


def test_other_lists_have_a_line_for_each_item() -> None:
    assert readable(["a", "b"]) == "<div>a</div><div>b</div>"


@pytest.mark.parametrize("value", ["<script>", ["<script>"], {"<script>": "x"}, {"x": "<script>"}, [{"x": "<script>"}]])
def test_markup_is_escaped(value: object) -> None:
    assert "<script>" not in f"{readable({'outer': value})}"
