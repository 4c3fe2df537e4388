"""R34 and R16 of the fault list: the blob exists, its policy is unlocked; the vault with the signing key refuses."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit_app import keys
from audit_app.anchors import BlobContainer
from audit_app.checkpoints import checkpoint_due, rotate_key, sign_now
from audit_app.keys import KeyUnavailableError
from audit_app.models import Anchor
from audit_app.notes import fingerprint, public_bytes
from audit_app.verify import verify_log
from evidence_app import archive
from evidence_app.models import EvidenceCopy
from evidence_app.quarters import quarter_named
from evidence_app.retention import plus_years
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


def signing_with_the_vault(world, settings):
    """Let the log's key be a secret of the vault, which the workload may set as well: it rotates here."""
    key = Ed25519PrivateKey.generate()
    settings.LOG_SIGNING_KEY_SECRET = f"{world.simulator.ready['endpoints']['key_vault']}/secrets/log-key"
    settings.WORKLOAD_TENANT_ID = str(world.tenant_id)
    document = {
        "id": str(world.tenant_id),
        "key_vault_secrets": {"log-key": keys.pem_of(key).decode()},
        "key_vault_officers": [settings.WORKLOAD_CLIENT_ID],
    }
    world.simulator.control("POST", "/seed", {"tenants": [document]})
    return key


def test_r16_the_log_is_signed_with_a_key_that_the_vault_alone_keeps(world, settings, signer, caplog):
    with_one_clock(world)
    key = signing_with_the_vault(world, settings)

    (signed,) = sign_now()
    told = rotate_key()
    (after,) = sign_now()

    assert signed.public_key == public_bytes(key).hex()
    assert fingerprint(bytes.fromhex(after.public_key)) == told
    assert verify_log().ok
    assert not (signer / "log_key.pem").exists()

    world.fault(host="key_vault", method="GET", path="secrets/log-key", status=403)
    assert (checkpoint_due(), "signing_key_unavailable" in caplog.text) == ([], True)  # nothing else signs instead
    world.simulator.control("DELETE", "/faults")
    world.fault(host="key_vault", method="PUT", path="secrets/log-key", status=403)
    with pytest.raises(KeyUnavailableError, match="did not take"):
        rotate_key()
    world.simulator.control("DELETE", "/faults")
    (again,) = sign_now()
    assert again.public_key == after.public_key


@pytest.fixture
def quarter(world, monkeypatch):
    """A quarter that has ended, and a container that keeps checkpoints for a month."""
    with_one_clock(world)
    container = BlobContainer(our_cloud(world).blob(), "https://account", "evidence", timedelta(days=30))
    monkeypatch.setattr("elm_project.log_stores.anchor_stores", lambda: [container])
    return quarter_named("2026Q1", world.clock.at)


def test_r34_evidence_is_worm_for_as_long_as_the_longest_retention_and_written_once(world, quarter):
    (copy,) = archive.store_quarter(world.people.tenant, quarter)

    assert (copy.is_worm, copy.kept_until) == (True, plus_years(quarter.end, 6))
    blob = our_cloud(world).blob().head("evidence", copy.name)
    assert (blob.policy.mode, blob.policy.until, blob.size) == (PolicyMode.LOCKED, copy.kept_until, copy.size)
    assert archive.store_quarter(world.people.tenant, quarter) == []
    assert len([call for call in calls(world, copy.name) if call["method"] == "PUT"]) == 1
    assert [wrong for _, wrong in archive.verify_copies()] == [""]


def test_r34_evidence_that_the_store_does_not_protect_counts_as_not_stored(world, quarter):
    unlocked = {"headers": {"x-ms-immutability-policy-mode": "Unlocked"}}
    world.fault(host="blob", method="HEAD", path="evidence/evidence", count=0, **unlocked)
    with pytest.raises(archive.NotStoredError, match="does not confirm"):
        archive.store_quarter(world.people.tenant, quarter)
    assert EvidenceCopy.objects.count() == 0
