"""Checkpoints: signed when the log grew and when it is idle, by a key that is kept, rotated, missing."""

from __future__ import annotations

import re
import runpy
import shutil
from io import StringIO
from uuid import uuid4

import pytest
from celery.app.routes import MapRoute
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.urls import reverse

from audit_app import keys, scheduled, tree, triggers, witness
from audit_app.actions import Action
from audit_app.actors import SYSTEM
from audit_app.anchors import AnchorError, LocalDirectory
from audit_app.checkpoints import checkpoint_due, rotate_key, sign_now
from audit_app.log import record
from audit_app.merkle import leaf_hash, root_from_proof
from audit_app.models import Anchor, ChainHead, LogTree, ProvisioningLog, TreeLeaf, VerificationRun
from audit_app.notes import BadNoteError, fingerprint, opened, public_bytes
from audit_app.verify import verify_log
from audit_app.witness import SignerRefusedError
from elm_project.log_stores import KeyFile
from requests_app import services
from requests_app.choices import State
from tests.factories import make_people, make_request
from tests.screens import client_of

pytestmark = pytest.mark.django_db


def command(name, *arguments):
    out, err = StringIO(), StringIO()
    try:
        call_command(name, *arguments, stdout=out, stderr=err)
    except SystemExit as ended:
        return ended.code, out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_a_checkpoint_is_signed_over_every_entry_in_the_order_of_their_chains(clock, people):
    make_request(State.REJECTED, people=people)
    (signed,) = sign_now()
    head = opened(signed.note, bytes.fromhex(signed.public_key))
    leaves = list(TreeLeaf.objects.order_by("index"))
    assert (head.size, head.root.hex()) == (len(leaves), signed.root) == (ProvisioningLog.objects.count(), signed.root)
    places = {leaf.entry: leaf.index for leaf in leaves}
    for entry in ProvisioningLog.objects.all():
        assert bytes(TreeLeaf.objects.get(pk=entry.pk).leaf_hash) == leaf_hash(entry.entry_hash)
        after = ProvisioningLog.objects.filter(chain=entry.chain, sequence=entry.sequence + 1).first()
        assert after is None or places[after.pk] > places[entry.pk]
    assert not ChainHead.objects.exclude(sequence=0).filter(sequenced=0).exists()


def test_a_log_is_signed_for_when_it_grew_and_every_five_minutes_when_not(clock, people):
    assert [signed.size for signed in checkpoint_due()] == [ProvisioningLog.objects.count()]
    assert checkpoint_due() == []
    make_request(people=people)
    (grown,) = checkpoint_due()
    clock.advance(minutes=4)
    assert checkpoint_due() == []
    clock.advance(seconds=45)
    (beat,) = checkpoint_due()
    assert (beat.size, beat.root) == (grown.size, grown.root)
    assert opened(beat.note, bytes.fromhex(beat.public_key)).signed_at > grown.signed_at


def test_a_checkpoint_opens_for_no_other_key_and_no_other_text(people):
    (signed,) = sign_now()
    key = bytes.fromhex(signed.public_key)
    with pytest.raises(BadNoteError):
        opened(signed.note, public_bytes(Ed25519PrivateKey.generate()))
    origin, size, *_ = signed.note.split("\n")
    for wrong in (signed.note.replace(size, f"0{size}", 1), signed.note.replace(origin, f"{origin}0"), "", "x\n\ny\n"):
        with pytest.raises(BadNoteError):
            opened(wrong, key)
    only_one_line = signed.note.rpartition("— ")[0]
    with pytest.raises(BadNoteError):
        opened(only_one_line, key)


def test_what_was_signed_is_remembered_outside_the_database(people):
    (signed,) = sign_now()
    memory = witness.recall(people.tenant.pk)
    assert (memory.edge.size, memory.edge.root().hex(), memory.incarnation) == (signed.size, signed.root, 1)
    LogTree.objects.update(size=0, edge=b"")
    with pytest.raises(SignerRefusedError, match="accept_restore"):
        sign_now()


def test_a_host_without_memory_goes_on_only_from_what_its_own_key_signed(people):
    sign_now()
    memory = settings.LOG_SIGNER_FOLDER / f"{people.tenant.pk}.json"
    memory.unlink()
    assert sign_now()
    memory.unlink()
    settings.LOG_SIGNING_KEY_FILE.write_bytes(keys.pem_of(Ed25519PrivateKey.generate()))
    with pytest.raises(SignerRefusedError, match="not one of its key"):
        sign_now()
    assert "KEY_UNKNOWN" in {finding.classification for finding in verify_log().defects}


def test_a_host_that_only_knows_a_fingerprint_verifies_what_that_key_has_signed(people, monkeypatch):
    """It has no key and the log tells of no rotation: the checkpoints name the key that the fingerprint is of."""
    sign_now()
    pinned = fingerprint(public_bytes(keys.signing_key()))
    settings.LOG_SIGNING_KEY_FILE.unlink()
    monkeypatch.setattr(settings, "PRODUCTION", True)
    monkeypatch.setattr(settings, "LOG_KEY_FINGERPRINTS", [pinned])
    report = verify_log()
    assert (report.ok, report.findings) == (True, [])
    monkeypatch.setattr(settings, "LOG_KEY_FINGERPRINTS", [])
    assert {finding.classification for finding in verify_log().defects} == {"KEY_UNKNOWN"}


def test_o04_a_rotation_is_logged_by_both_keys_and_old_checkpoints_still_hold(people):
    sign_now()
    old = keys.signing_key()
    code, out, _ = command("rotate_signing_key", "--as", people.governance_lead.upn)
    new = keys.signing_key()
    assert (code, fingerprint(public_bytes(new)) in out) == (0, True)
    assert public_bytes(old) != public_bytes(new)
    sign_now()
    entry = ProvisioningLog.objects.get(action=Action.SIGNING_KEY_ROTATED)
    assert (entry.actor, entry.chain) == (people.governance_lead.upn, people.tenant.log_chain().key)
    assert keys.trusted([entry.action_details]) == {public_bytes(old), public_bytes(new)}
    assert verify_log().ok
    half = {**entry.action_details, "new_signature": entry.action_details["old_signature"]}
    assert keys.trusted([half]) == {public_bytes(new)}
    assert command("rotate_signing_key", "--as", people.operator.upn)[0] == 2
    assert command("rotate_signing_key", "--as", "nobody@contoso.example")[0] == 2


def test_a_rotation_that_ends_halfway_keeps_the_old_key_and_everything_it_signed(people, monkeypatch):
    """Killed, or refused by the store, between the log and the key: nothing is tied to a key that nobody has."""
    sign_now()
    old = keys.signing_key()

    def killed(store, pem):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(KeyFile, "store", killed)
        with pytest.raises(KeyboardInterrupt):
            rotate_key()
    monkeypatch.setattr(KeyFile, "_draft", _no_room)
    code, _, err = command("rotate_signing_key", "--as", people.governance_lead.upn)

    assert (code, "cannot be written" in err) == (2, True)
    assert public_bytes(keys.signing_key()) == public_bytes(old)
    entries = ProvisioningLog.objects.filter(action=Action.SIGNING_KEY_ROTATED).order_by("sequence")
    assert [entry.success for entry in entries] == [True, True, False]
    assert sign_now()
    assert verify_log().ok


def _no_room(store, pem):
    raise OSError(28, "No space left on device")


def test_o04_without_a_key_the_log_goes_on_and_there_is_an_alarm(people, caplog, monkeypatch):
    monkeypatch.setattr(settings, "PRODUCTION", True)
    assert checkpoint_due() == []
    assert "signing_key_unavailable" in caplog.text
    make_request(people=people)
    assert command("sign_log")[0] == 2
    settings.LOG_SIGNING_KEY_FILE.parent.mkdir(parents=True)
    settings.LOG_SIGNING_KEY_FILE.write_text("no key")
    assert "no unencrypted PEM" in command("sign_log")[2]


def test_the_key_of_an_embedded_installation_is_made_once_for_its_owner_alone(tmp_path):
    store = KeyFile(tmp_path / "keys" / "key.pem", may_be_made=True)
    assert store.load() == store.load()
    assert store.path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in store.path.parent.iterdir()] == ["key.pem"]


def test_a_host_whose_key_is_in_a_vault_it_cannot_sign_in_to_has_no_key(settings):
    settings.LOG_SIGNING_KEY_SECRET = "https://vault.example/secrets/log"
    settings.WORKLOAD_SECRET_FILE = ""
    assert keys.store().is_here()
    with pytest.raises(keys.KeyUnavailableError, match="ELM_WORKLOAD_SECRET_FILE"):
        keys.signing_key()
    with pytest.raises(keys.KeyUnavailableError, match="did not take"):
        keys.store().store(b"")


def test_a_command_signs_and_tells_the_fingerprint(people):
    code, out, _ = command("sign_log")
    assert (code, fingerprint(public_bytes(keys.signing_key())) in out) == (0, True)
    assert f"elm/{people.tenant.pk}/1\n" in out
    LogTree.objects.update(incarnation=2)
    assert command("sign_log")[0] == 1


def test_a_restore_is_accepted_by_a_governance_lead_with_a_reason(people):
    sign_now()
    named = ("--as", people.governance_lead.upn, "--reason", "The disk was lost.")
    code, out, _ = command("accept_restore", *named)
    assert (code, "incarnation 2" in out) == (0, True)
    details = ProvisioningLog.objects.get(action=Action.INCARNATION_STARTED).action_details
    assert (details["incarnation"], details["before"]["incarnation"], details["reason"]) == (2, 1, "The disk was lost.")
    assert [signed.incarnation for signed in sign_now()] == [2]
    for wrong in (["--as", people.auditor.upn, "--reason", "x"], [*named[:3], " "], [*named, "--tenant", "Elsewhere"]):
        assert command("accept_restore", *wrong)[0] == 2


def test_anchors_are_written_once_and_never_replaced(clock, people, tmp_path):
    (signed,) = sign_now()
    (anchor,) = Anchor.objects.all()
    file = settings.LOG_ANCHOR_FOLDER / anchor.name
    assert (file.read_text(), file.stat().st_mode & 0o222, anchor.is_worm) == (signed.note, 0, False)
    sign_now()
    assert Anchor.objects.count() == 1  # nothing new
    store = LocalDirectory(settings.LOG_ANCHOR_FOLDER)
    store.keep(anchor.name, signed.note.encode())
    with pytest.raises(AnchorError, match="other bytes"):
        store.keep(anchor.name, b"other")
    assert file.read_text() == signed.note


def test_an_anchor_that_cannot_be_written_is_an_alarm_and_the_log_is_signed_all_the_same(people, caplog):
    settings.LOG_ANCHOR_FOLDER.parent.mkdir(parents=True, exist_ok=True)
    settings.LOG_ANCHOR_FOLDER.write_text("a file is in the way")
    assert len(checkpoint_due()) == 1
    assert "checkpoint_not_anchored" in caplog.text


def test_the_log_names_its_newest_anchor_once_a_day(clock, people):
    sign_now()
    mentions = ProvisioningLog.objects.filter(action=Action.CHECKPOINT_ANCHORED)
    for hours, expected in ((23, 0), (2, 1), (1, 1), (24, 2)):
        clock.advance(hours=hours)
        checkpoint_due()
        assert mentions.count() == expected
    assert mentions.last().action_details["name"] in set(Anchor.objects.values_list("name", flat=True))
    assert verify_log().ok


def test_what_is_new_is_verified_from_where_the_last_result_ended(people):
    make_request(State.REJECTED, people=people)
    sign_now()
    report, first = scheduled.verify(is_full=True)
    assert (report.entries, first.ok) == (ProvisioningLog.objects.count(), True)
    make_request(people=people)
    size = ProvisioningLog.objects.count()
    new = size - first.entries
    report, run = scheduled.verify(is_full=False)
    assert (report.ok, report.entries) == (True, new)
    sign_now()
    report, run = scheduled.verify(is_full=False)
    part = run.coverage[str(people.tenant.pk)]
    assert (report.entries, part["verified_to"], part["of"]) == (new, size, size)
    assert part["all_verified_at"] == first.coverage[str(people.tenant.pk)]["all_verified_at"]
    code, out, _ = command("verify_log", "--incremental")
    assert (code, f"{size} of {size} leaves verified" in out) == (0, True)
    assert VerificationRun.objects.count() == 4


def gone_with_its_tree(people, rejected):
    """The restored database has never heard of the tenant's log; the host that signs has."""
    other = uuid4()
    shutil.copyfile(
        settings.LOG_SIGNER_FOLDER / f"{people.tenant.pk}.json", settings.LOG_SIGNER_FOLDER / f"{other}.json"
    )
    return "TRUNCATED", f"tree:{other}#0"


def cut_short(people, rejected):
    head = ChainHead.objects.get(chain=rejected.log_chain().key)
    ProvisioningLog._base_manager.filter(chain=head.chain, sequence=head.sequence)._raw_delete("default")
    return "TRUNCATED", f"{head.chain}#{head.sequence}"


def goes_beyond_its_head(people, rejected):
    heads = ChainHead.objects.filter(chain=rejected.log_chain().key)
    before = ProvisioningLog.objects.get(chain=rejected.log_chain().key, sequence=heads.get().sequence - 1)
    heads.update(sequence=before.sequence, sequenced=before.sequence, entry_hash=before.entry_hash)
    return "INSERTED", f"{before.chain}#{before.sequence}"


def head_names_another(people, rejected):
    head = ChainHead.objects.get(chain=rejected.log_chain().key)
    ChainHead.objects.filter(pk=head.pk).update(entry_hash="f" * 64)
    return "MODIFIED", f"{head.chain}#{head.sequence}"


def release_its_hold_in_silence(people, rejected):
    services.place_hold(rejected.pk, by=people.compliance_officer, matter="SEC-1", reason="Asked for.")
    rejected.legal_holds.all()._raw_delete("default")
    return "STATE_MISMATCH", f"request:{rejected.pk}"


@pytest.mark.parametrize(
    "attack",
    [gone_with_its_tree, cut_short, goes_beyond_its_head, head_names_another, release_its_hold_in_silence],
)
def test_also_the_verification_of_what_is_new_sees(people, attack):
    rejected = make_request(State.REJECTED, people=people)
    sign_now()
    assert scheduled.verify(is_full=True)[1].ok
    connection.check_constraints()  # no trigger is dropped while a foreign key waits to be checked
    triggers.drop()
    expected = attack(people, rejected)
    report, _ = scheduled.verify(is_full=False)
    assert {(finding.classification, finding.entry) for finding in report.defects} == {expected}


def test_what_is_new_goes_on_from_a_verification_of_everything_that_ended_after_others_began(clock, people):
    sign_now()
    scheduled.verify(is_full=True)
    clock.advance(minutes=20)
    _, began_later = scheduled.verify(is_full=False)
    clock.advance(minutes=-5)
    _, full = scheduled.verify(is_full=True)
    clock.advance(minutes=10)
    _, run = scheduled.verify(is_full=False)
    tenant = str(people.tenant.pk)
    assert began_later.started_at > full.started_at
    assert run.coverage[tenant]["all_verified_at"] == full.coverage[tenant]["all_verified_at"]
    assert run.coverage[tenant]["all_verified_at"] == full.started_at.isoformat()


@pytest.mark.parametrize(
    ("queues", "expected"),
    [
        ({}, ("celery", "celery", "celery")),
        ({"ELM_LOG_SIGNER_QUEUE": "log"}, ("log", "log", "log")),
        ({"ELM_LOG_SIGNER_QUEUE": "log", "ELM_LOG_VERIFIER_QUEUE": "verification"}, ("log", "verification", "log")),
        ({"ELM_LOG_SIGNER_QUEUE": "log", "ELM_LOG_EVIDENCE_QUEUE": "evidence"}, ("log", "log", "evidence")),
    ],
)
def test_what_takes_long_can_have_a_queue_of_its_own(monkeypatch, queues, expected):
    for name, queue in queues.items():
        monkeypatch.setenv(name, queue)
    route = MapRoute(runpy.run_path(str(settings.BASE_DIR / "elm_project/log_settings.py"))["CELERY_TASK_ROUTES"])
    tasks = ("audit_app.tasks.checkpoint", "audit_app.tasks.verify_all", "evidence_app.tasks.store")
    assert tuple(route(task)["queue"] for task in tasks) == expected
    assert route("audit_app.tasks.verify_new") == route("audit_app.tasks.verify_all")
    assert route("evidence_app.tasks.export") == route("evidence_app.tasks.store")


def test_every_queue_of_the_log_has_its_worker_in_compose():
    compose = (settings.BASE_DIR / "compose.yaml").read_text()
    named = re.findall(r"ELM_LOG_\w+_QUEUE: (\w+)", compose)
    assert sorted(named) == sorted(re.findall(r"worker --queues (\w+)", compose))
    verifier = compose.partition("  verifier:")[2].partition("  beat:")[0]
    assert "KEY_FILE" not in verifier
    assert "elm-key" not in verifier


def test_a_finding_is_an_alarm_and_nothing_behind_it_counts_as_verified(people, caplog):
    make_request(people=people)
    scheduled.verify(is_full=False)
    sign_now()
    LogTree.objects.update(size=1, edge=b"\x00" * 32)
    report, run = scheduled.verify(is_full=False)
    assert (report.ok, run.ok) == (False, False)
    assert "log_does_not_verify" in caplog.text
    assert str(people.tenant.pk) not in run.coverage


def test_whoever_sees_an_entry_gets_its_proof_and_nobody_else(people):
    entry = make_request(State.REJECTED, people=people).log_entries.get(sequence=2)
    page = reverse("log-proof", args=[entry.pk])
    assert page == f"/log/{entry.pk}/proof"
    auditor = client_of(people.auditor)
    assert auditor.get(page).status_code == 409  # nobody has signed yet
    sign_now()
    answer = auditor.get(page)
    assert (answer.status_code, answer.content.startswith(b"c2sp.org/tlog-proof@v1\n")) == (200, True)
    assert client_of(people.requester).get(page).status_code == 200
    stranger = make_people()
    assert client_of(stranger.auditor).get(page).status_code == 404
    assert auditor.post(page).status_code == 405
    assert page in auditor.get(reverse("admin:audit_app_provisioninglog_change", args=[entry.pk])).content.decode()


def test_a_proof_spans_tiles(people):
    """Beyond 256 leaves the root of a whole tile takes the place of its leaves."""
    for number in range(300):
        record(Action.PREFLIGHT_CHECKED, on=people.tenant, by=SYSTEM, details={"number": number})
    (signed,) = sign_now()
    for index in (3, 255, 256, 299):
        leaf = TreeLeaf.objects.get(index=index)
        proof = tree.proof_of(leaf, signed.size)
        assert root_from_proof(bytes(leaf.leaf_hash), index, signed.size, proof).hex() == signed.root
