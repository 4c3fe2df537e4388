"""What a page asks for several times is read once, and by the next page anew."""

from __future__ import annotations

from itertools import count

from core_app.read_once import once, reading_once


def test_outside_a_page_everything_is_read_anew():
    reads = count(1)
    assert [once("name", lambda: next(reads)) for _ in range(3)] == [1, 2, 3]


def test_a_page_reads_each_thing_once_also_when_it_is_nothing():
    reads = count(1)
    with reading_once():
        assert [once("name", lambda: next(reads)) for _ in range(3)] == [1, 1, 1]
        assert once("another", lambda: next(reads)) == 2
        with reading_once():
            assert once("name", lambda: next(reads)) == 1
        assert [once("nothing", lambda: next(reads) and None) for _ in range(2)] == [None, None]
        assert next(reads) == 4
    with reading_once():
        assert once("name", lambda: next(reads)) == 5
