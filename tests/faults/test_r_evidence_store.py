"""R34 of the fault list: the blob exists, its policy is unlocked, storage's clock is behind."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest

from audit_app.anchors import BlobContainer
from audit_app.checkpoints import checkpoint_due, sign_now
from audit_app.models import Anchor
from audit_app.verify import verify_log
from microsoft_cloud.blob import ImmutabilityPolicy, PolicyMode
from microsoft_cloud.errors import ConflictError, PermanentError, TransientError
from tests.provisioning_app.reconciling import calls, our_cloud, with_one_clock

pytestmark = pytest.mark.simulated

CONTAINER, NAME, CONTENT = "evidence", "checkpoints/2026/000042.json", b'{"size": 42}'
PUT = {"host": "blob", "method": "PUT", "path": NAME}
EXISTS = {"status": 412, "headers": {"x-ms-error-code": "ConditionNotMet"}}


@pytest.fixture
def keep(world):
    with_one_clock(world)

    def keep(content=CONTENT, mode=PolicyMode.LOCKED):
        policy = ImmutabilityPolicy(world.clock.at + timedelta(days=365), mode)
        return our_cloud(world).blob().keep(CONTAINER, NAME, content, policy=policy)

    return keep


def stored(world):
    return our_cloud(world).blob().get(CONTAINER, NAME)


def writes(world):
    return [call for call in calls(world, NAME) if call["method"] == "PUT"]


@pytest.mark.parametrize("lost", [{"drop_after": True}, {**EXISTS, "after": True}])
def test_r34_a_name_that_is_taken_by_the_same_bytes_is_our_own_earlier_attempt(world, keep, lost):
    world.fault(**PUT, **lost)
    if "drop_after" in lost:
        with pytest.raises(TransientError) as failed:
            keep()
        assert failed.value.maybe_executed

    kept = keep()

    assert (kept.size, kept.policy.mode) == (len(CONTENT), PolicyMode.LOCKED)
    assert (stored(world), len(writes(world))) == (CONTENT, 2 if "drop_after" in lost else 1)


def test_r34_a_name_that_is_taken_by_other_bytes_is_refused_and_nothing_changes(world, keep):
    keep()
    with pytest.raises(ConflictError, match="other bytes") as failed:
        keep(b'{"size": 43}')
    assert failed.value.code == "OtherContent"
    assert stored(world) == CONTENT


def test_r34_a_policy_that_is_unlocked_is_no_protection(world, keep):
    keep(mode=PolicyMode.UNLOCKED)  # somebody was there before, and anybody with the right can remove it again
    with pytest.raises(PermanentError, match="does not confirm") as failed:
        keep()
    assert failed.value.code == "NotProtected"


def test_r34_a_storage_whose_clock_is_behind_is_refused_until_it_is_right(world, keep):
    behind = format_datetime(world.clock.at - timedelta(minutes=5), usegmt=True)
    world.fault(host="blob", method="HEAD", path=NAME, headers={"Date": behind})

    with pytest.raises(PermanentError, match="Correct the clock") as failed:
        keep()
    assert (failed.value.code, failed.value.maybe_executed) == ("ClocksDiffer", True)

    assert keep().size == len(CONTENT)
    assert len([call for call in writes(world) if call["status"] == 201]) == 1


def anchoring_in(world, monkeypatch, container="evidence"):
    store = BlobContainer(our_cloud(world).blob(), "https://account", container, timedelta(days=2196))
    monkeypatch.setattr("elm_project.log_stores.anchor_stores", lambda: [store])
    return store


def test_r34_checkpoints_are_anchored_and_called_worm_only_under_a_locked_policy(world, monkeypatch):
    with_one_clock(world)
    store = anchoring_in(world, monkeypatch)
    (signed,) = sign_now()
    (anchor,) = Anchor.objects.all()
    blob = our_cloud(world).blob().head("evidence", anchor.name)
    assert (anchor.is_worm, anchor.kept_until, anchor.place) == (True, blob.policy.until, store.place)
    assert (blob.policy.mode, store.read(anchor.name)) == (PolicyMode.LOCKED, signed.note.encode())
    assert verify_log().ok  # the anchor is read back from the container
    world.fault(host="blob", method="GET", path="checkpoints", status=404)
    assert {finding.classification for finding in verify_log().defects} == {"UNANCHORED_TAIL"}
    world.simulator.control("DELETE", "/faults")


def test_r34_a_container_that_protects_nothing_anchors_nothing(world, monkeypatch, caplog):
    with_one_clock(world)
    anchoring_in(world, monkeypatch)
    unlocked = {"headers": {"x-ms-immutability-policy-mode": "Unlocked"}}
    world.fault(host="blob", method="HEAD", path="checkpoints", **unlocked)
    assert len(checkpoint_due()) == 1
    assert (Anchor.objects.count(), "checkpoint_not_anchored" in caplog.text) == (0, True)
