"""A16 and A18 of the fault list: edited bundles and proofs before the program that an examiner takes home."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import zipfile
from base64 import b64decode, b64encode
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit_app import keys
from audit_app.models import ProvisioningLog
from audit_app.notes import TreeHead, fingerprint, opened, public_bytes, sign
from evidence_app.proofs import proof_text
from evidence_app.verifier import elm_verify
from tests.faults import tampered
from tests.faults.tampered import Built

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]


@pytest.fixture
def bundle(built: Built, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built.folder / f"bundle-{built.tenant}", tmp_path / "bundle"))


@pytest.fixture
def pinned(built: Built) -> str:
    with tampered.host_at(built.folder / "host"):
        return fingerprint(public_bytes(keys.signing_key()))


def verified(path: Path, *pins: str) -> tuple[int, set[str], list[dict[str, str]]]:
    """Run the verifier; return its exit code, the classes it names, and all that it says."""
    out = StringIO()
    with redirect_stdout(out):
        arguments = [part for pin in pins for part in ("--key-fingerprint", pin)]
        code = elm_verify.main([str(path), "--json", *arguments])
    findings = json.loads(out.getvalue())["findings"] if code != 2 else []
    return code, {finding["class"] for finding in findings}, findings


def edit(file: Path, change) -> None:
    """Change the lines of a file."""
    file.write_text("".join(f"{line}\n" for line in change(file.read_text().splitlines())))


def in_line(number, change):
    """Return what changes the JSON of one line."""

    def changed(lines):
        row = json.loads(lines[number])
        change(row)
        return [*lines[:number], json.dumps(row, sort_keys=True, separators=(",", ":")), *lines[number + 1 :]]

    return changed


def recount(bundle: Path) -> None:
    """Put the right hashes into the manifest, as a careful forger would."""
    file = bundle / "manifest.json"
    manifest = json.loads(file.read_text())
    for name, facts in manifest["files"].items():
        facts["sha256"] = hashlib.sha256((bundle / name).read_bytes()).hexdigest()
    file.write_text(json.dumps(manifest))


def another_actor(row):
    row["canonical"] = b64encode(b64decode(row["canonical"]).replace(b"contoso", b"fabrikam")).decode()


def another_actor_hashed_anew(row):
    another_actor(row)
    row["entry_hash"] = hashlib.sha256(b64decode(row["canonical"])).hexdigest()


def test_a16_an_untouched_bundle_is_verified(bundle, pinned):
    assert verified(bundle, pinned) == (0, set(), [])
    assert verified(bundle, ":".join(pinned[at : at + 2] for at in range(0, 64, 2)).upper())[0] == 0


EDITS = {
    "a line dropped": (lambda lines: [*lines[:4], *lines[5:]], "DELETED"),
    "the last line dropped": (lambda lines: lines[:-1], "TRUNCATED"),
    "a cell edited": (in_line(4, another_actor), "MODIFIED"),
    "a cell edited and hashed anew": (in_line(4, another_actor_hashed_anew), "MODIFIED"),
    "two lines exchanged": (lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]], "REORDERED"),
    "a line twice": (lambda lines: [*lines[:4], lines[3], *lines[4:]], "FORKED"),
    "another place in the tree": (in_line(4, lambda row: row.update(index=row["index"] + 1)), "DELETED"),
    "on another chain": (in_line(4, lambda row: row.update(chain="request:other")), "MOVED"),
    "no JSON": (lambda lines: [*lines[:4], "nonsense", *lines[5:]], "MODIFIED"),
}


@pytest.mark.parametrize("is_careful", [False, True], ids=["", "with the manifest"])
@pytest.mark.parametrize("name", EDITS)
def test_a16_an_edited_log_is_named(bundle, pinned, name, is_careful):
    change, expected = EDITS[name]
    edit(bundle / "log.ndjson", change)
    if is_careful:
        recount(bundle)
    code, classes, findings = verified(bundle, pinned)
    assert (code, expected in classes) == (1, True)
    named = {finding["entry"] for finding in findings if finding["class"] == "MODIFIED"}
    assert ("manifest.json" if is_careful else "log.ndjson") in named


def test_a16_two_exports_spliced_are_named(built, bundle, pinned):
    (other,) = [path for path in built.folder.glob("bundle-*") if path.name != f"bundle-{built.tenant}"]
    theirs = (other / "log.ndjson").read_text().splitlines()
    edit(bundle / "log.ndjson", lambda lines: lines + theirs)
    edit(bundle / "chains.ndjson", lambda lines: lines + (other / "chains.ndjson").read_text().splitlines())
    recount(bundle)
    assert {"MOVED", "FORKED"} <= verified(bundle, pinned)[1]


@pytest.mark.parametrize(
    "file", ["requests.ndjson", "chains.ndjson", "tree.ndjson", "checkpoint.note", "elm_verify.py"]
)
@pytest.mark.parametrize("is_gone", [False, True])
def test_a16_every_file_is_under_the_signature(bundle, pinned, file, is_gone):
    path = bundle / file
    path.unlink() if is_gone else path.write_bytes(path.read_bytes() + b"\n")
    code, _, findings = verified(bundle, pinned)
    kinds = {finding["class"] for finding in findings if finding["entry"] == file}
    assert (code, kinds & {"DELETED" if is_gone else "MODIFIED"} != set()) == (1, True)


def test_a16_a_manifest_without_its_signature_and_a_file_too_many_are_named(bundle, pinned):
    (bundle / "manifest.sig").unlink()
    (bundle / "more.txt").write_text("x")
    assert verified(bundle, pinned)[1] == {"KEY_UNKNOWN", "INSERTED"}
    (bundle / "manifest.json").unlink()
    assert verified(bundle, pinned)[0] == 2
    assert verified(bundle / "nowhere.zip", pinned)[0] == 2


def test_a18_a_replaced_key_is_unknown(bundle, pinned):
    """Everything in the bundle is signed anew with a key of the forger's own."""
    forger = Ed25519PrivateKey.generate()
    with_old = json.loads((bundle / "keys.json").read_text())
    head = opened((bundle / "checkpoint.note").read_text(), bytes.fromhex(with_old["keys"][0]))
    (bundle / "checkpoint.note").write_text(sign(forger, TreeHead(head.origin, head.size, head.root, head.signed_at)))
    (bundle / "keys.json").write_text(json.dumps({"keys": [public_bytes(forger).hex()], "rotations": []}))
    recount(bundle)
    digest = hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()
    (bundle / "manifest.sig").write_bytes(forger.sign(f"elm-evidence/v1\n{digest}\n".encode()))

    assert verified(bundle, pinned)[:2] == (1, {"KEY_UNKNOWN"})
    assert verified(bundle, fingerprint(public_bytes(forger)))[0] == 0, "the fingerprint is all that tells them apart"


@pytest.fixture
def proof(built: Built, django_db_blocker, tmp_path: Path) -> Path:
    with django_db_blocker.unblock(), built.copied(tmp_path):
        text = proof_text(ProvisioningLog.objects.get(chain=built.chain, sequence=4))
    file = tmp_path / "entry.tlog-proof"
    file.write_text(text)
    return file


def test_a16_a_proof_shows_one_entry_and_an_edited_one_does_not(proof, pinned):
    assert verified(proof, pinned) == (0, set(), [])
    assert verified(proof, "0" * 64)[1] == {"KEY_UNKNOWN"}
    lines = proof.read_text().split("\n")
    told = json.loads(b64decode(lines[1].removeprefix("extra ")))
    another_actor(told)
    for number, forged in (
        (1, f"extra {b64encode(json.dumps(told).encode()).decode()}"),
        (2, "index 5"),
        (3, lines[4]),
    ):
        proof.write_text("\n".join([*lines[:number], forged, *lines[number + 1 :]]))
        assert verified(proof, pinned)[:2] == (1, {"MODIFIED"})
    proof.write_text(lines[0])
    assert verified(proof, pinned)[0] == 2


def test_a16_the_verifier_needs_the_standard_library_and_cryptography_alone(bundle, pinned, tmp_path):
    """From the bundle itself, as an archive, in a process in which nothing else can be imported at all."""
    archive = tmp_path / "bundle.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in sorted(bundle.iterdir()):
            packed.write(file, file.name)
    program = (
        "import runpy, sys\n"
        "sys.path = [path for path in sys.path if not path.endswith('site-packages')] + [sys.argv.pop(1)]\n"
        "sys.argv.pop(0)\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    arguments = [str(bundle / "elm_verify.py"), str(archive), "--key-fingerprint", pinned]
    run = subprocess.run(
        [sys.executable, "-I", "-c", program, str(cryptography_alone(tmp_path / "packages")), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (run.returncode, "verified." in run.stdout) == (0, True), run.stderr


def cryptography_alone(folder: Path) -> Path:
    """Return a folder of packages as pip makes it for ``cryptography``: nothing else can be imported from it."""
    folder.mkdir()
    for name in ("cryptography", "cffi", "_cffi_backend"):
        found = importlib.util.find_spec(name)
        place = Path(found.origin).parent if found.submodule_search_locations else Path(found.origin)
        (folder / place.name).symlink_to(place)
    return folder


def test_a16_the_verifier_is_of_the_grammar_that_it_promises():
    """Python 3.9 reads it, which examiners still have."""
    ast.parse(Path(elm_verify.__file__).read_text(), feature_version=(3, 9))
