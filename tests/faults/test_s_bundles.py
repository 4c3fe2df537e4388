"""S17 of the fault list: whoever hands a bundle over may have made it to break the verifier."""

from __future__ import annotations

import hashlib
import os
import struct
import time
import tracemalloc
import zipfile
from base64 import b64encode

import pytest

from evidence_app.verifier import elm_verify
from tests.faults.test_a_bundles import bundle, edit, in_line, pinned, recount, verified  # noqa: F401 - fixtures

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]
DEEP = b'{"a":' + b"[" * 200_000
NODE = '{"index":%s,"level":%s,"hash":"%s"}'
LINK = 0o120777 << 16


@pytest.fixture
def archive(bundle, tmp_path):  # noqa: F811 - the fixture
    """Return what packs the bundle, lets somebody at the open archive, and returns the file."""

    def pack(tamper=lambda _archive: None):
        with zipfile.ZipFile(tmp_path / "bundle.zip", "w", zipfile.ZIP_DEFLATED) as packed:
            for file in sorted(bundle.iterdir()):
                packed.write(file, file.name)
            tamper(packed)
        return tmp_path / "bundle.zip"

    return pack


def link(packed):
    info = zipfile.ZipInfo("passwd")
    info.external_attr = LINK
    packed.writestr(info, "/etc/passwd")


def claimed(packed):
    packed.infolist()[0].file_size = 10 * 2**30


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (lambda packed: packed.writestr("../evil.py", "x"), "in a folder"),
        (lambda packed: packed.writestr("/etc/evil", "x"), "in a folder"),
        (lambda packed: packed.writestr("..\\evil.py", "x"), "in a folder"),
        (link, "link"),
        (lambda packed: packed.writestr("log.ndjson", "x"), "twice"),
        (lambda packed: packed.writestr("bomb", bytes(2 * elm_verify.MOST)), "would unpack"),
        (claimed, "would unpack"),
    ],
    ids=["up", "absolute", "backslash", "link", "twice", "bomb", "10 GB"],
)
def test_s17_a_hostile_archive_is_refused_unread(archive, pinned, capsys, tamper, words):  # noqa: F811
    assert verified(archive(), pinned) == (0, set(), [])
    hostile = archive(tamper)
    around = set(hostile.parent.iterdir())
    tracemalloc.start()
    try:
        assert verified(hostile, pinned)[0] == 2
        assert tracemalloc.get_traced_memory()[1] < 4 * elm_verify.MOST
    finally:
        tracemalloc.stop()
    assert set(hostile.parent.iterdir()) == around
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def flags(content):
    at = content.index(b"PK\x01\x02")
    return content[: at + 8] + struct.pack("<H", 1) + content[at + 10 :]


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-30],
        lambda content: content[:60] + b"\xff" * 200 + content[260:],  # within the first deflated file
        flags,
        lambda content: content.replace(b"\x08\x00", b"\x63\x00"),  # a way of packing that nobody knows
        lambda _content: b"PK\x05\x06" + b"\xff" * 18,
        lambda _content: b"",
        lambda _content: elm_verify.PROOF_TAG.encode() + b"\nextra " + b64encode(DEEP) + b"\nindex 1\n\nnote",
        lambda _content: elm_verify.PROOF_TAG.encode() + b"\xff\xfe",
    ],
    ids=["cut", "spoilt", "encrypted", "method", "directory", "empty", "deep proof", "proof of no text"],
)
def test_s17_a_broken_archive_or_proof_is_no_traceback(archive, pinned, capsys, change):  # noqa: F811
    file = archive()
    file.write_bytes(change(file.read_bytes()))
    assert verified(file, pinned)[0] == 2
    assert capsys.readouterr().err.startswith("Cannot verify: ")


@pytest.mark.parametrize("kind", ["link", "device", "pipe", "folder", "nowhere"])
def test_s17_a_folder_may_hold_nothing_but_files(bundle, pinned, capsys, tmp_path, kind):  # noqa: F811
    (tmp_path / "secret").write_text("of somebody else")
    if kind == "pipe":
        os.mkfifo(bundle / "more")  # whose reader would wait for ever
    elif kind == "folder":
        (bundle / "more").mkdir()
    else:
        target = {"link": tmp_path / "secret", "device": "/dev/zero", "nowhere": tmp_path / "nowhere"}[kind]
        (bundle / "more").symlink_to(target)
    assert verified(bundle, pinned)[0] == 2
    assert "link or no file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["manifest.json", "keys.json"])
@pytest.mark.parametrize("content", [DEEP, b'{"\xff":1}', b'{"keys":7,"rotations":{}}', b"[" + b" " * elm_verify.MOST])
def test_s17_a_document_that_is_none_cannot_be_verified(bundle, pinned, capsys, name, content):  # noqa: F811
    (bundle / name).write_bytes(content)
    assert verified(bundle, pinned)[0] == 2
    assert "malformed" not in capsys.readouterr().err, "it is foreseen"


def sealed_as(content):
    def change(row):
        sealed = elm_verify.VERSION_TAG + content
        row.update(canonical=b64encode(sealed).decode(), entry_hash=hashlib.sha256(sealed).hexdigest())

    return change


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("log.ndjson", in_line(4, sealed_as(b"[1]"))),
        ("log.ndjson", in_line(4, sealed_as(DEEP))),
        ("log.ndjson", in_line(4, sealed_as(b'{"timestamp":1e999}'))),
        ("log.ndjson", in_line(4, sealed_as(b'{"timestamp":%s}' % (b"9" * 4000)))),
        ("log.ndjson", in_line(4, lambda row: row.update(entry_hash="g" * 64))),
        ("log.ndjson", in_line(4, lambda row: row.update(sequence=None))),
        ("log.ndjson", in_line(4, lambda row: row.update(index=[1]))),
        ("log.ndjson", in_line(4, lambda row: row.update(chain="\ud800\x1b[2J\n0 entries: verified."))),
        ("log.ndjson", lambda lines: [*lines, "", "[]", "7", DEEP.decode()]),
        ("chains.ndjson", in_line(0, lambda row: row.update(head_sequence={}))),
        ("chains.ndjson", lambda lines: ["{}", *lines]),
        ("tree.ndjson", lambda lines: [*lines, NODE % ("0", "1" + "0" * 10, "f" * 64)]),
        ("tree.ndjson", lambda lines: [*lines, NODE % ("1" * 900, "1", "f" * 64)]),
        ("tree.ndjson", lambda lines: [*lines, NODE % ("0", "1", "no hash")]),
    ],
)
def test_s17_a_hostile_line_is_a_finding(bundle, pinned, capsys, file, change):  # noqa: F811
    edit(bundle / file, change)
    recount(bundle)
    began = time.perf_counter()
    code, classes, _ = verified(bundle, pinned)
    assert (code, "MODIFIED" in classes) == (1, True)
    assert elm_verify.main([str(bundle), "--key-fingerprint", pinned]) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\n0 entries" not in out
    assert time.perf_counter() - began < 5


def test_s17_lines_that_are_none_fill_no_memory(bundle, pinned):  # noqa: F811
    with (bundle / "log.ndjson").open("a") as stream:
        stream.write("\n" * (3 * elm_verify.MOST_FINDINGS))
    code, _, findings = verified(bundle, pinned)
    assert (code, len(findings)) == (1, elm_verify.MOST_FINDINGS)
