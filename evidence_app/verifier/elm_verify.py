"""Verify an ELM evidence bundle, or the proof of one entry, without ELM.

    python elm_verify.py bundle.zip --key-fingerprint SHA256

Needs Python 3.9 and the package ``cryptography``; no network, no database. The fingerprint (SHA-256 of the public key
in DER) has to reach you by another way than the bundle. Exit code: 0 verified, 1 findings, 2 cannot verify. Nothing is
written anew in order to be compared: the bytes that were hashed are in the log. One file, so that it is carried away.
Nothing is unpacked or written, nothing but what was given is read, and what cannot be a bundle is refused unread.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import stat
import sys
import zipfile
from base64 import b64decode
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SPKI_PREFIX = bytes.fromhex("302a300506032b6570032100")  # before an Ed25519 key in DER (RFC 8410)
VERSION_TAG = b"ELM-LOG-v1\x00"
PROOF_TAG = "c2sp.org/tlog-proof@v1"
MANIFEST, SIGNATURE, LOG, CHAINS = "manifest.json", "manifest.sig", "log.ndjson", "chains.ndjson"
NOTE, TREE, KEYS, STAMP = "checkpoint.note", "tree.ndjson", "keys.json", "checkpoint.tsr"
LATE = 15 * 60  # seconds: an entry that a checkpoint so much younger does not cover was passed over
MOST = 10_000_000  # bytes of one line, of a manifest or of a proof
MOST_BYTES = 32 * 2**30  # of a bundle, unpacked
MOST_TIMES = 100  # a file of more than MOST bytes may be that much larger than it is in its archive
MOST_FILES, MOST_LINES, MOST_KEYS, MOST_FINDINGS = 1000, 20_000_000, 1000, 10_000
# What a line must hold to be looked at
ENTRY = {"chain": str, "sequence": int, "entry_hash": str, "previous_hash": str, "canonical": str}
CHAIN = {"chain": str, "first_sequence": int, "first_previous_hash": str, "head_sequence": int, "head_hash": str}
NODE = {"level": int, "index": int, "hash": str}


class CannotVerifyError(Exception):
    """What was given is no bundle and no proof."""


class Findings:
    """What does not hold (class, entry, detail), and what is merely to be known."""

    def __init__(self) -> None:
        self.found: list[dict[str, str]] = []
        self.ok, self.entries = True, 0

    def add(self, kind: str, entry: str, detail: str, *, informational: bool = False) -> None:
        """Take a finding; an informational one changes no exit code."""
        if len(self.found) < MOST_FINDINGS:
            self.found.append({"class": kind, "entry": entry, "detail": detail})
        self.ok = self.ok and informational


def fingerprint(public: bytes) -> str:
    """Return what ``openssl pkey -pubin -outform DER | sha256sum`` says of a public key."""
    return hashlib.sha256(SPKI_PREFIX + public).hexdigest()


def unhex(text: Any) -> bytes:
    """Return the 32 bytes that hexadecimal text says, or nothing where it is none."""
    try:
        return bytes.fromhex(text) if len(text) == 64 else b""
    except (TypeError, ValueError):
        return b""


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Say whether an Ed25519 signature is this key's."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


# Keys


def trusted_keys(document: dict[str, Any], pinned: set[str]) -> set[bytes]:
    """Return the pinned keys and those that rotations, signed by both sides, connect with them."""
    told, rotations = document.get("keys", []), document.get("rotations", [])
    if not isinstance(told, list) or not isinstance(rotations, list) or len(told) + len(rotations) > MOST_KEYS:
        raise CannotVerifyError("The keys are no list of keys, or more than any installation ever had.")
    keys = {unhex(key) for key in told}
    links = [link for link in map(rotation, rotations) if link]
    known = {key for key in keys.union(*links) if fingerprint(key) in pinned}
    while True:
        further = {key for link in links if link & known for key in link} - known
        if not further:
            return known
        known |= further


def rotation(details: dict[str, str]) -> set[bytes]:
    """Return the old and the new key of a rotation that both have signed, else nothing."""
    try:
        old, new = b64decode(details["old_key"]), b64decode(details["new_key"])
        signatures = ((old, b64decode(details["old_signature"])), (new, b64decode(details["new_signature"])))
    except (KeyError, ValueError, TypeError):
        return set()
    statement = f"elm-key-rotation/v1\nold {fingerprint(old)}\nnew {fingerprint(new)}\n".encode()
    return {old, new} if all(is_signed(key, signature, statement) for key, signature in signatures) else set()


# Checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature) and trees (RFC 6962)


def opened(note: str, public: bytes) -> tuple[str, int, bytes, int] | None:
    """Return origin, size, root and time of a checkpoint that carries both signatures of the key, else None."""
    text, _, lines = note.rpartition("\n\n")
    body, signatures = text + "\n", {}
    try:
        origin, size, root = text.split("\n")
        for line in lines.splitlines():
            name, _, encoded = line[len("— ") :].rpartition(" ")
            content = b64decode(encoded) if name == origin else b""
            signatures[content[:4]] = content[4:]
        own, timed = (signatures.get(key_id(origin, kind, public), b"") for kind in (b"\x01", b"\x04"))
        seconds = int.from_bytes(timed[:8], "big")
        cosigned = f"cosignature/v1\ntime {seconds}\n{body}".encode()
        if is_signed(public, own, body.encode()) and is_signed(public, timed[8:], cosigned):
            return origin, int(size), b64decode(root), seconds
    except ValueError:
        pass
    return None


def key_id(name: str, kind: bytes, public: bytes) -> bytes:
    """Return the four bytes by which a signature line names its key."""
    return hashlib.sha256(name.encode() + b"\n" + kind + public).digest()[:4]


def leaf_hash(entry_hash: bytes) -> bytes:
    """Return the leaf of an entry (RFC 6962 §2.1)."""
    return hashlib.sha256(b"\x00" + entry_hash).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (RFC 6962 §2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(parts: list[tuple[int, int, bytes]], size: int, findings: Findings) -> bytes | None:
    """Return the root over perfect subtrees (first leaf, level, hash), or None when they leave or share a leaf."""
    stack: list[tuple[int, bytes]] = []
    at = 0
    for first, level, node in sorted(parts):
        if first != at:
            kind, what = ("DELETED", "neither shown nor covered") if first > at else ("FORKED", "there twice")
            findings.add(kind, f"tree#{min(first, at)}", f"Leaves {min(first, at)} to {max(first, at) - 1} are {what}.")
            return None
        at += 1 << level
        while stack and stack[-1][0] == level:
            node, level = node_hash(stack.pop()[1], node), level + 1
        stack.append((level, node))
    if at != size:
        findings.add("DELETED", f"tree#{at}", f"The bundle shows {at} leaves of {size}.")
        return None
    root = stack.pop()[1] if stack else hashlib.sha256(b"").digest()
    while stack:
        root = node_hash(stack.pop()[1], root)
    return root


def root_from_proof(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes | None:
    """Return the root that an inclusion proof leads to (RFC 9162 §2.1.3.2), or None."""
    node, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if node % 2 or node == last:
            root = node_hash(sibling, root)
            while node % 2 == 0 and node:
                node, last = node // 2, last // 2
        else:
            root = node_hash(root, sibling)
        node, last = node // 2, last // 2
    return None if last or not 0 <= index < size else root


# The bundle


class Bundle:
    """The files of a folder or a zip archive; refuses what no bundle has before anything of it is read."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir() and not path.is_file():
            raise CannotVerifyError(f"{path} is neither a file nor a folder.")
        try:
            self.archive = None if path.is_dir() else zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise CannotVerifyError(f"{path} is no bundle and no proof: {error}") from error
        self.path = path
        sizes = archived_sizes(self.archive, path) if self.archive else folder_sizes(path)
        if len(sizes) > MOST_FILES or sum(size for _, size in sizes) > MOST_BYTES:
            raise CannotVerifyError(f"{path} is larger than any bundle.")
        self.names = {name for name, _ in sizes}
        if len(sizes) != len(self.names):
            raise CannotVerifyError(f"{path} holds a file twice.")

    def open(self, name: str) -> IO[bytes]:
        return self.archive.open(name) if self.archive else (self.path / name).open("rb")

    def lines(self, name: str) -> Iterator[bytes]:
        if name in self.names:
            with self.open(name) as stream:
                while line := stream.readline(MOST):
                    yield line

    def content(self, name: str) -> bytes:
        if name not in self.names:
            return b""
        with self.open(name) as stream:
            content = stream.read(MOST + 1)
        if len(content) > MOST:
            raise CannotVerifyError(f"{name} is larger than in any bundle.")
        return content

    def document(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads(self.content(name) or b"{}")
        except (ValueError, RecursionError) as error:
            raise CannotVerifyError(f"{name} is no JSON: {error}") from error
        return found if isinstance(found, dict) else {}

    def documents(self, name: str, shape: dict[str, type], findings: Findings) -> Iterator[dict[str, Any]]:
        for number, line in enumerate(self.lines(name), 1):
            if number > MOST_LINES:
                raise CannotVerifyError(f"{name} has more lines than in any bundle.")
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if isinstance(row, dict) and all(isinstance(row.get(key), kind) for key, kind in shape.items()):
                yield row
            else:
                findings.add("MODIFIED", f"{name}:{number}", "The line cannot be read.")


def archived_sizes(archive: zipfile.ZipFile, path: Path) -> list[tuple[str, int]]:
    """Return names and sizes of an archive's files; none may lead elsewhere, or unpack to far more than it is."""
    items = archive.infolist()
    for item in items:
        if "/" in item.filename or "\\" in item.filename or stat.S_ISLNK(item.external_attr >> 16):
            raise CannotVerifyError(f"{item.filename!r} in {path} is a link or in a folder; a bundle has neither.")
        if item.flag_bits & 1:
            raise CannotVerifyError(f"{item.filename!r} in {path} is encrypted.")
        if item.file_size > max(MOST, MOST_TIMES * item.compress_size):
            raise CannotVerifyError(f"{item.filename!r} in {path} would unpack to far more than any bundle holds.")
    if sum(item.compress_size for item in items) > path.stat().st_size:
        raise CannotVerifyError(f"The files in {path} lie over each other.")
    return [(item.filename, item.file_size) for item in items]


def folder_sizes(path: Path) -> list[tuple[str, int]]:
    """Return names and sizes of a folder's files; it may hold nothing but files."""
    found = []
    for item in path.iterdir():
        facts = item.lstat()
        if not stat.S_ISREG(facts.st_mode):
            raise CannotVerifyError(f"{item.name!r} in {path} is a link or no file; a bundle holds files alone.")
        found.append((item.name, facts.st_size))
    return found


def verify_bundle(path: Path, pinned: set[str]) -> Findings:
    """Verify a folder or an archive."""
    findings, bundle = Findings(), Bundle(path)
    manifest, known = bundle.document(MANIFEST), set()
    if not manifest:
        raise CannotVerifyError(f"{path} has no {MANIFEST}.")
    require_manifest(manifest)
    known = trusted_keys(bundle.document(KEYS), pinned)
    if not known:
        findings.add("KEY_UNKNOWN", KEYS, "No key in the bundle has the fingerprint that was given, or is tied to it.")
    verify_files(bundle, manifest, known, findings)
    leaves = verify_entries(bundle, manifest, findings)
    verify_tree(bundle, manifest, known, leaves, findings)
    verify_stamp(bundle, findings)
    return findings


def require_manifest(manifest: dict[str, Any]) -> None:
    """Refuse a manifest that does not say whose entries of when these are, and which files there are."""
    try:
        said = [manifest["tenant"]["id"], *(facts["sha256"] for facts in manifest["files"].values())]
        moment(manifest["from"]), moment(manifest["until"])
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError, OSError) as error:
        raise CannotVerifyError(f"{MANIFEST} is no manifest of a bundle ({type(error).__name__}).") from error
    if not all(isinstance(text, str) for text in said):
        raise CannotVerifyError(f"{MANIFEST} is no manifest of a bundle.")


def verify_files(bundle: Bundle, manifest: dict[str, Any], known: set[bytes], findings: Findings) -> None:
    """The manifest against its signature, every file against the manifest."""
    said = f"elm-evidence/v1\n{hashlib.sha256(bundle.content(MANIFEST)).hexdigest()}\n".encode()
    signature = bundle.content(SIGNATURE)
    if not signature:
        findings.add("KEY_UNKNOWN", MANIFEST, "Nobody has signed the manifest.")
    elif known and not any(is_signed(key, signature, said) for key in known):
        findings.add("MODIFIED", MANIFEST, "The manifest is not the one that was signed.")
    listed = manifest["files"]
    for name in sorted(set(listed) - bundle.names):
        findings.add("DELETED", name, "The file is missing.")
    for name in sorted(bundle.names - set(listed) - {MANIFEST, SIGNATURE}):
        findings.add("INSERTED", name, "The manifest does not know of this file.")
    for name in sorted(set(listed) & bundle.names):
        digest = hashlib.sha256()
        for line in bundle.lines(name):
            digest.update(line)
        if digest.hexdigest() != listed[name]["sha256"]:
            findings.add("MODIFIED", name, "The file does not have the SHA-256 that the manifest names.")


def verify_entries(bundle: Bundle, manifest: dict[str, Any], findings: Findings) -> dict[int | None, list[Any]]:
    """Every entry against its hash, its chain, tenant and period; return (leaf, seconds, where) by leaf index."""
    chains = {row["chain"]: row for row in bundle.documents(CHAINS, CHAIN, findings)}
    reached: dict[Any, tuple[int, str]] = {}
    leaves: dict[int | None, list[Any]] = defaultdict(list)
    for row in bundle.documents(LOG, ENTRY, findings):
        findings.entries += 1
        where = f"{row['chain']}#{row['sequence']}"
        sealed = opened_entry(row, where, findings)
        leaf, index = leaf_hash(unhex(row["entry_hash"])), row.get("index")
        leaves[index if isinstance(index, int) else None].append((leaf, sealed.get("timestamp", 0) / 1e6, where))
        if sealed and sealed.get("tenant") != manifest["tenant"]["id"]:
            findings.add("MOVED", where, "The entry is another tenant's.")
        elif sealed and not moment(manifest["from"]) <= sealed["timestamp"] / 1e6 < moment(manifest["until"]):
            findings.add("INSERTED", where, "The entry is not of this period.")
        verify_link(row, where, chains, reached, findings)
    for chain, row in chains.items():
        last, _ = reached.get(chain, (0, ""))
        if last < row["head_sequence"]:
            findings.add("TRUNCATED", f"{chain}#{last + 1}", f"Entries up to {row['head_sequence']} are missing.")
    return leaves


def opened_entry(row: dict[str, Any], where: str, findings: Findings) -> dict[str, Any]:
    """Return what was hashed, if it has its hash and its place; {} otherwise."""
    try:
        content = b64decode(row["canonical"], validate=True)
        sealed = json.loads(content[len(VERSION_TAG) :])
        is_entry = 0 <= sealed["timestamp"] < 2**63 and isinstance(sealed["timestamp"], int)
    except (KeyError, ValueError, TypeError, RecursionError):
        content, sealed, is_entry = b"", {}, False
    if hashlib.sha256(content).hexdigest() != row["entry_hash"] or not content.startswith(VERSION_TAG) or not is_entry:
        findings.add("MODIFIED", where, "The bytes do not have the hash, or are no entry.")
        return {}
    wrong = [name for name in ("chain", "sequence", "previous_hash") if sealed.get(name) != row.get(name)]
    if wrong:
        kind = "MOVED" if "chain" in wrong else "MODIFIED"
        findings.add(kind, where, f"Beside the bytes stands another {', '.join(wrong)} than in them.")
    return dict(sealed)


def verify_link(
    row: dict[str, Any], where: str, chains: dict[Any, Any], reached: dict[Any, Any], found: Findings
) -> None:
    """An entry against the one before it and against its chain's line."""
    chain, sequence = row["chain"], row["sequence"]
    begin = chains.get(chain)
    if begin is None:
        found.add("INSERTED", where, f"{CHAINS} knows of no such chain.")
        return
    last, last_hash = reached.get(chain, (begin["first_sequence"] - 1, begin["first_previous_hash"]))
    if sequence == last:
        found.add("FORKED", where, "Two entries have this place in the chain.")
    elif sequence < last:
        found.add("REORDERED", where, f"The entry comes after number {last}.")
    elif sequence > last + 1:
        found.add("DELETED", where, f"Entries {last + 1} to {sequence - 1} are missing.")
    elif row["previous_hash"] != last_hash:
        found.add("MODIFIED", where, "The entry does not follow the one before it.")
    if sequence == begin["head_sequence"] and row["entry_hash"] != begin["head_hash"]:
        found.add("MODIFIED", where, f"{CHAINS} names another entry at this place.")
    elif sequence > begin["head_sequence"]:
        found.add("INSERTED", where, f"{CHAINS} ends with number {begin['head_sequence']}.")
    reached[chain] = max((sequence, row["entry_hash"]), (last, last_hash))


def verify_tree(
    bundle: Bundle, manifest: dict[str, Any], known: set[bytes], leaves: dict[Any, list[Any]], findings: Findings
) -> None:
    """The entries, with what the bundle does not show of the tree, against the signed root."""
    note = bundle.content(NOTE).decode("utf-8", "replace")
    heads = [head for head in (opened(note, key) for key in known) if head]
    if not heads:
        if not note:
            findings.add("UNANCHORED_TAIL", NOTE, f"No checkpoint covers the {findings.entries} entries.")
        elif known:
            findings.add("MODIFIED", NOTE, "The checkpoint is not one that a trusted key has signed.")
        return
    origin, size, root, signed_at = heads[0]
    if origin.split("/")[1:2] != [manifest["tenant"]["id"]]:
        findings.add("MOVED", NOTE, "The checkpoint is another tenant's.")
    inside = {index for index in leaves if index is not None and 0 <= index < size}
    tail = [item for index in leaves.keys() - inside for item in leaves[index]]
    parts = [(index, 0, leaf) for index in inside for leaf, _, _ in leaves[index]]
    for node in bundle.documents(TREE, NODE, findings):
        level, index = node["level"], node["index"]
        if 0 <= level < 64 and 0 <= index < 2**63:  # before it is shifted
            parts.append((index << level, level, unhex(node["hash"])))
        else:
            findings.add("MODIFIED", TREE, "It names a place that no tree has.")
    reached = root_of(parts, size, findings)
    if reached is not None and reached != root:
        findings.add("MODIFIED", f"tree#0..{size - 1}", "The entries do not lead to the root that was signed.")
    verify_tail(tail, signed_at, findings)


def verify_tail(tail: list[Any], signed_at: int, findings: Findings) -> None:
    """Entries that no checkpoint covers may only be young."""
    late = [where for _, at, where in tail if at and at < signed_at - LATE]
    if late:
        findings.add("UNANCHORED_TAIL", late[0], f"{len(late)} entries were passed over by a much younger checkpoint.")
    elif tail:
        detail = f"{len(tail)} entries are younger than the checkpoint of {spoken(signed_at)}."
        findings.add("UNANCHORED_TAIL", tail[0][2], detail, informational=True)


def verify_stamp(bundle: Bundle, findings: Findings) -> None:
    """The time stamp (RFC 3161) must be of this checkpoint; whether its authority gave it is for OpenSSL to say."""
    stamp = bundle.content(STAMP)
    if stamp and hashlib.sha256(bundle.content(NOTE)).digest() not in stamp:
        findings.add("MODIFIED", STAMP, "The time stamp is of another checkpoint.")
    elif stamp:
        detail = f"To verify its authority: openssl ts -verify -data {NOTE} -in {STAMP} -CAfile <its certificates>"
        findings.add("KEY_UNKNOWN", STAMP, detail, informational=True)


# One entry


def verify_proof(text: str, pinned: set[str], tell: Callable[[str], Any]) -> Findings:
    """Verify a proof of one entry (C2SP tlog-proof), whose extra data are the entry's bytes and the keys."""
    findings, (head, _, note) = Findings(), text.partition("\n\n")
    try:
        _, extra, index, *path = head.split("\n")
        told = json.loads(b64decode(extra.split(" ")[1]))
        content, number = b64decode(told["canonical"]), int(index.split(" ")[1])
        proof = [b64decode(step) for step in path]
        known = trusted_keys(told, pinned)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CannotVerifyError(f"The proof cannot be read: {error}") from error
    findings.entries = 1
    heads = [opening for opening in (opened(note, key) for key in known) if opening]
    if not known:
        findings.add("KEY_UNKNOWN", f"leaf {number}", "No key has the fingerprint that was given, or is tied to it.")
    elif not heads:
        findings.add("MODIFIED", f"leaf {number}", "The checkpoint is not one that a trusted key has signed.")
    elif root_from_proof(leaf_hash(hashlib.sha256(content).digest()), number, heads[0][1], proof) != heads[0][2]:
        findings.add("MODIFIED", f"leaf {number}", "The entry and its proof do not lead to the root that was signed.")
    else:
        tell(f"Entry {number} of {heads[0][1]} in {heads[0][0]}, signed for at {spoken(heads[0][3])}:")
        tell(content[len(VERSION_TAG) :].decode())
    return findings


def verify(path: Path, pinned: set[str], tell: Callable[[str], Any]) -> Findings:
    """Verify whatever it is."""
    begin = b""
    if path.is_file():
        with path.open("rb") as stream:
            begin = stream.read(MOST)
    is_proof = begin.startswith(PROOF_TAG.encode())
    return verify_proof(begin.decode(), pinned, tell) if is_proof else verify_bundle(path, pinned)


def moment(text: str) -> float:
    """Return an ISO time as seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


def spoken(seconds: int) -> str:
    """Return a time for people."""
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"  # noqa: UP017 - Python 3.9


def plain(text: str) -> str:
    """Return text that moves no cursor and begins no line: what it says may have been written to deceive."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def main(arguments: list[str] | None = None) -> int:
    """Run the program; return its exit code."""
    parser = argparse.ArgumentParser(description="Verify an ELM evidence bundle, or the proof of one entry.")
    parser.add_argument("path", type=Path, help="bundle.zip, the bundle's folder, or a .tlog-proof")
    parser.add_argument(
        "--key-fingerprint", action="append", required=True, help="SHA-256 of a trusted key; repeatable"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    pinned = {text.lower().replace(":", "") for text in options.key_fingerprint}
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    tell = (lambda _text: None) if options.json else (lambda text: print(plain(text)))
    try:
        findings = verify(options.path, pinned, tell)
    except (CannotVerifyError, OSError) as error:
        print(f"Cannot verify: {plain(str(error))}", file=sys.stderr)
        return 2
    except Exception as error:  # noqa: BLE001 - it may be made to break us: whatever happens, nothing was verified
        print(f"Cannot verify: what was given is malformed ({plain(repr(error))}).", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps({"entries": findings.entries, "ok": findings.ok, "findings": findings.found}))
    else:
        for found in findings.found:
            print(plain(f"{found['class']:16} {found['entry']}  {found['detail']}"))
        print(f"{findings.entries} entries: {'verified' if findings.ok else 'NOT verified'}.")
    return 0 if findings.ok else 1


if __name__ == "__main__":
    sys.exit(main())
