"""Time stamps (RFC 3161): had once an hour, verified, kept beside the anchors; never what the signature waits for."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction

from audit_app import anchors, scheduled, tasks, timestamps, triggers
from audit_app.actions import Action
from audit_app.checkpoints import checkpoint_due, sign_now
from audit_app.models import Anchor, CheckpointTimestamp, ProvisioningLog
from audit_app.timestamps import TimestampError
from audit_app.verify import verify_log
from tests import tsa
from tests.factories import make_people, make_request
from tests.tsa import Authority, serving

pytestmark = pytest.mark.django_db


@pytest.fixture
def authority(tmp_path, settings):
    with serving(Authority(tmp_path)) as authority:
        settings.LOG_TSA_URL = authority.address
        settings.LOG_TSA_CERTIFICATES = str(authority.certificates)
        yield authority


def classes():
    return {(finding.classification, finding.is_informational) for finding in verify_log().findings}


def files():
    return sorted(path.name for path in settings.LOG_ANCHOR_FOLDER.rglob("*.tsr"))


def test_a_checkpoint_is_stamped_once_an_hour_and_the_stamp_stands_beside_the_anchor(clock, people, authority):
    (signed,) = sign_now()
    tasks.timestamp()

    stamp = CheckpointTimestamp.objects.get()
    assert (stamp.checkpoint, stamp.stamped_at, stamp.authority) == (signed, clock.at, authority.address)
    copy = settings.LOG_ANCHOR_FOLDER / anchors.name_of(signed, anchors.STAMP)
    assert copy.read_bytes() == bytes(stamp.reply)
    assert Anchor.objects.filter(name__endswith=".note").count() == Anchor.objects.filter(name__endswith=".tsr").count()
    assert verify_log().findings == []

    clock.advance(minutes=55)
    checkpoint_due()
    tasks.timestamp()
    assert authority.asked == 1
    clock.advance(minutes=6)
    checkpoint_due()
    tasks.timestamp()
    assert (authority.asked, len(files())) == (2, 2)
    assert verify_log().ok


def test_openssl_says_the_same(people, authority, tmp_path):
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("no openssl")
    (signed,) = sign_now()
    stamp = timestamps.stamp(signed)
    (tmp_path / "checkpoint.note").write_text(signed.note)
    (tmp_path / "checkpoint.tsr").write_bytes(bytes(stamp.reply))
    arguments = ["-data", "checkpoint.note", "-in", "checkpoint.tsr", "-CAfile", str(authority.certificates)]
    run = subprocess.run([program, "ts", "-verify", *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert "Verification: OK" in run.stdout + run.stderr


def test_without_an_authority_there_are_no_stamps_and_nothing_is_missing(clock, people):
    sign_now()
    clock.advance(days=1)
    tasks.timestamp()
    assert (CheckpointTimestamp.objects.count(), timestamps.pending_since(people.tenant.pk)) == (0, None)


def test_o5_an_authority_that_is_out_of_reach_for_a_day_stops_nothing_and_is_asked_again(
    clock, people, authority, settings, caplog
):
    """The stamp is pending meanwhile; one for the newest checkpoint then speaks for all before it."""
    settings.LOG_TSA_URL = "http://127.0.0.1:9/"
    others = make_people()
    for hour in range(0, 24, 4):
        clock.advance(hours=4)
        make_request(people=people)
        assert len(checkpoint_due()) == 2, hour
        tasks.timestamp()
    assert CheckpointTimestamp.objects.count() == 0
    assert caplog.text.count("checkpoint_not_timestamped") == 6  # once a turn, however many tenants wait
    first = clock.at - timedelta(hours=20)
    assert timestamps.pending_since(people.tenant.pk) == first
    assert verify_log().ok

    settings.LOG_TSA_URL = authority.address
    tasks.timestamp()
    assert authority.asked == 2
    assert {timestamps.pending_since(each.tenant.pk) for each in (people, others)} == {None}
    assert verify_log().ok


def of_something_else(authority):
    other = tsa.sequence(tsa.sequence(tsa.oid(tsa.SHA256)), tsa.octets(b"\x01" * 32))
    return lambda request: authority.stamp(request, imprint=other)


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (of_something_else, "Mismatch"),
        (lambda authority: lambda request: authority.stamp(request, nonce=tsa.integer(7)), "Nonce"),
        (lambda authority: authority.refuse, "refused \\(status 2\\)"),
        (lambda authority: lambda request: b"<html>", "no time stamp"),
        (lambda authority: lambda request: b"\x30" * 100_000, "too large"),
    ],
)
def test_what_is_no_stamp_of_the_checkpoint_is_not_taken(people, authority, lie, words):
    (signed,) = sign_now()
    authority.answer = lie(authority)
    with pytest.raises(TimestampError, match=words):
        timestamps.stamp(signed)
    assert CheckpointTimestamp.objects.count() == 0


def test_a_stranger_s_stamp_and_a_page_that_is_none_are_not_taken(people, authority, tmp_path):
    (signed,) = sign_now()
    authority.content_type = "text/html"
    with pytest.raises(TimestampError, match="no time-stamp authority"):
        timestamps.stamp(signed)
    authority.content_type = "application/timestamp-reply"
    (tmp_path / "another").mkdir()
    authority.answer = Authority(tmp_path / "another").stamp
    with pytest.raises(TimestampError, match="trusted"):
        timestamps.stamp(signed)


def test_a_stamp_is_asked_for_once_and_never_changed(people, authority):
    (signed,) = sign_now()
    first = timestamps.stamp(signed)
    assert (timestamps.stamp(signed), authority.asked) == (first, 1)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        CheckpointTimestamp.objects.update(authority="elsewhere")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        CheckpointTimestamp.objects.all().delete()


def alter(**columns):
    connection.check_constraints()
    triggers.drop()
    CheckpointTimestamp.objects.update(**columns)


def test_a_stamp_that_was_exchanged_edited_or_lost_is_named(clock, people, authority):
    (signed,) = sign_now()
    tasks.timestamp()
    stamp = CheckpointTimestamp.objects.get()
    copy = settings.LOG_ANCHOR_FOLDER / anchors.name_of(signed, anchors.STAMP)

    alter(stamped_at=clock.at - timedelta(days=1))
    assert classes() == {("MODIFIED", False)}
    alter(stamped_at=stamp.stamped_at, reply=authority.stamp(b"\x30\x24" + tsa.integer(1) + b"\x30\x1f" + b"\x00" * 31))
    assert classes() == {("MODIFIED", False), ("SPLIT_VIEW", False)}
    CheckpointTimestamp.objects.all().delete()
    assert classes() == {("DELETED", False)}
    copy.chmod(0o600)
    copy.write_bytes(b"nothing")
    assert classes() == {("MODIFIED", False)}
    copy.unlink()
    assert classes() == {("UNANCHORED_TAIL", False)}


def test_t2_a_signer_s_clock_that_runs_ahead_of_the_authority_s_is_worth_knowing(clock, people, authority):
    authority.now = lambda: clock.at - timedelta(minutes=5)
    sign_now()
    tasks.timestamp()
    (finding,) = verify_log().findings
    assert (finding.classification, finding.is_informational) == ("BACKDATED", True)
    assert "300 s before" in finding.detail


def test_a_host_without_the_certificates_says_that_it_cannot_tell(people, authority, settings):
    sign_now()
    tasks.timestamp()
    settings.LOG_TSA_CERTIFICATES = "/nowhere.pem"
    assert classes() == {("KEY_UNKNOWN", True)}
    alter(reply=b"forged")
    settings.LOG_TSA_CERTIFICATES = str(authority.certificates)
    assert ("MODIFIED", False) in classes()


def test_a_verification_of_what_is_new_looks_at_new_stamps_and_the_log_names_the_newest(clock, people, authority):
    sign_now()
    tasks.timestamp()
    make_request(people=people)
    sign_now()
    scheduled.verify(is_full=True)
    clock.advance(days=1, seconds=1)
    checkpoint_due()
    tasks.timestamp()
    alter(reply=b"forged")
    report, _ = scheduled.verify(is_full=False)
    assert [finding.classification for finding in report.defects].count("MODIFIED") == 1  # the older one is for tonight

    mentioned = ProvisioningLog.objects.filter(action=Action.CHECKPOINT_ANCHORED).latest("sequence")
    assert mentioned.action_details["timestamp"]["authority"] == authority.address


def test_a_store_that_does_not_take_a_stamp_gets_it_later(people, authority, monkeypatch, caplog):
    sign_now()
    with monkeypatch.context() as patch:
        patch.setattr(anchors.LocalDirectory, "keep", _refuse)
        tasks.timestamp()
    assert (files(), "checkpoint_not_anchored" in caplog.text) == ([], True)
    tasks.timestamp()
    assert (len(files()), authority.asked) == (1, 1)


def _refuse(store, name, content, until=None):
    raise anchors.AnchorError("no room")
