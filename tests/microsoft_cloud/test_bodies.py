"""Bodies of every kind and size, and bodies that never end."""

import gzip
import tracemalloc
import zlib

import pytest

from microsoft_cloud import pool
from microsoft_cloud.errors import ResponseTooLargeError, TransientError


@pytest.fixture
def session(cloud):
    return cloud.bap_session


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>all is well</html>",
        b'{"trunc',
        b"[1]",
        b'{"a": "\xff"}',
        b'{"a":' + b"[" * 100_000,
        "{}".encode("utf-16")[:3],
    ],
)
def test_r13_a_success_with_an_unreadable_body_is_a_typed_error(microsoft, session, body):
    microsoft.says(body=body)
    with pytest.raises(TransientError) as failed:
        session.write("POST", "/x").object()
    assert (failed.value.code, failed.value.maybe_executed) == ("UnreadableAnswer", True)
    microsoft.answers.clear()
    microsoft.says(body=body)
    answer = session.read("/x")
    with pytest.raises(TransientError) as failed:
        answer.object()
    assert not failed.value.maybe_executed


def test_r13_a_hundred_levels_are_no_problem(microsoft, session):
    microsoft.says(body=b'{"a":' * 100 + b"1" + b"}" * 100)
    assert "a" in session.read("/x").object()


def test_w10_r13_a_body_over_the_cap_stops_being_read(microsoft, session, monkeypatch):
    monkeypatch.setattr("microsoft_cloud.http.BODY_CAP", 1000)
    produced = []

    def endless():
        while True:
            produced.append(1)
            yield b"x" * 100

    microsoft.streams(endless)
    with pytest.raises(ResponseTooLargeError) as failed:
        session.read("/x", cap=1000)
    assert len(produced) == 11
    assert (failed.value.status, failed.value.maybe_executed) == (200, False)


def test_r13_a_gzip_bomb_is_counted_decompressed(microsoft, session):
    bomb = gzip.compress(b"\0" * 20_000_000)
    assert len(bomb) < 50_000
    microsoft.says(body=bomb, headers={"Content-Encoding": "gzip"})
    with pytest.raises(ResponseTooLargeError) as failed:
        session.write("POST", "/x")
    assert failed.value.maybe_executed


def test_w10_a_gzip_bomb_does_not_fill_the_memory(microsoft, session):
    microsoft.says(body=gzip.compress(b"\0" * 50_000_000), headers={"Content-Encoding": "gzip"})
    tracemalloc.start()
    try:
        with pytest.raises(ResponseTooLargeError):
            session.read("/x", cap=100_000)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_answer_is_read(microsoft, session, encoding, pack):
    microsoft.says(body=pack(b'{"a":1}'), headers={"Content-Encoding": encoding})
    assert session.read("/x").object() == {"a": 1}


def test_a_compressed_answer_without_a_body_is_empty(microsoft, session):
    microsoft.says(202, headers={"Content-Encoding": "gzip"})
    assert session.write("POST", "/x").body == b""


@pytest.mark.parametrize("body", [gzip.compress(b'{"a":1}')[:-4], b"not gzip at all"], ids=["cut short", "no gzip"])
def test_r13_a_damaged_compressed_answer_is_a_typed_error(microsoft, session, body):
    microsoft.says(body=body, headers={"Content-Encoding": "gzip"})
    with pytest.raises(TransientError) as failed:
        session.write("POST", "/x")
    assert failed.value.maybe_executed


def test_r28_a_body_that_trickles_runs_into_the_total_deadline(microsoft, session, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(pool, "monotonic", lambda: now[0])

    def trickle():
        while True:
            now[0] += 10
            yield b"x"

    microsoft.streams(trickle)
    with pytest.raises(TransientError) as failed:
        session.write("POST", "/x")
    assert (failed.value.code, failed.value.maybe_executed, now[0]) == ("ReadTimeout", True, 50)
