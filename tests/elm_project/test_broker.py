"""The embedded broker: a reader sees all of a message or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection
from kombu.simple import SimpleQueue

from elm_project.broker import Channel


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("queue", "processed", "control"):
        (tmp_path / name).mkdir()
    return tmp_path / "queue"


@pytest.fixture
def connection(folder: Path) -> Iterator[Connection]:
    options = {
        "data_folder_in": str(folder),
        "data_folder_out": str(folder),
        "processed_folder": str(folder.parent / "processed"),
        "control_folder": str(folder.parent / "control"),
    }
    with Connection("filesystem://localhost", transport_options=options) as opened:
        yield opened


@pytest.fixture
def queue(connection: Connection, tmp_path: Path) -> Iterator[SimpleQueue]:
    with connection.SimpleQueue(tmp_path.name) as opened:  # a name of its own: kombu remembers bindings per process
        yield opened


def test_the_filesystem_transport_is_ours(connection: Connection) -> None:
    assert isinstance(connection.channel(), Channel)


def test_messages_arrive_in_the_order_they_were_sent(queue: SimpleQueue) -> None:
    for number in range(5):
        queue.put({"number": number})
    assert [queue.get(timeout=5).payload["number"] for _ in range(5)] == list(range(5))


def test_a_message_appears_under_its_name_only_when_it_is_complete(
    queue: SimpleQueue, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    original = Path.write_text

    def write_and_look(path: Path, text: str) -> int:
        written = original(path, text)
        seen.append([name.name for name in folder.glob("*.msg")])
        return written

    monkeypatch.setattr(Path, "write_text", write_and_look)
    queue.put({"number": 1})
    assert seen == [[]]
    (message,) = folder.glob("*.msg")
    assert json.loads(message.read_text())["body"]


def test_a_draft_of_somebody_else_is_nobodys_message(queue: SimpleQueue, folder: Path) -> None:
    (folder / ".5f6d0c1e").touch()
    queue.put({"number": 1})
    assert queue.get(timeout=5).payload == {"number": 1}
    with pytest.raises(queue.Empty):
        queue.get(timeout=0.2)
