"""R34 and R16 of the fault list: the blob exists, its policy is unlocked; the vault with the signing key refuses."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection, transaction

from audit_app import keys
from audit_app.actions import Action
from audit_app.actors import SYSTEM
from audit_app.anchors import BlobContainer
from audit_app.checkpoints import checkpoint_due, rotate_key, sign_now
from audit_app.keys import KeyUnavailableError
from audit_app.log import record
from audit_app.merkle import CompactRange
from audit_app.models import Anchor, ChainHead, Checkpoint, LogTree, ProvisioningLog, TreeLeaf
from audit_app.notes import fingerprint, public_bytes
from audit_app.verify import verify_log
from evidence_app import archive
from evidence_app.models import EvidenceCopy
from evidence_app.quarters import quarter_named
from evidence_app.retention import plus_years
from microsoft_cloud.blob import ImmutabilityPolicy, PolicyMode
from microsoft_cloud.errors import ConflictError, PermanentError, TransientError
from tests.faults.tampered import classes, plant_leaves, rewrite, sign_again, sql, unguarded
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
    world.fault(host="blob", method="GET", path=anchor.name, status=404)
    assert {finding.classification for finding in verify_log().defects} == {"UNANCHORED_TAIL"}
    world.simulator.control("DELETE", "/faults")


@pytest.fixture
def forgotten(world, monkeypatch, settings):
    """A log anchored in a container alone; whoever attacks it sees to it that nothing else knows of that."""
    with_one_clock(world)
    anchoring_in(world, monkeypatch)
    sign_now()
    with transaction.atomic():
        record(Action.PREFLIGHT_CHECKED, on=world.people.tenant, by=SYSTEM)
    sign_now()
    assert (Anchor.objects.count(), verify_log().ok) == (2, True)
    with transaction.atomic():
        connection.check_constraints()
        unguarded()
        yield world.people.tenant
        transaction.set_rollback(True)


def forget(tenant, settings):
    sql("DELETE FROM audit_app_anchor")
    (settings.LOG_SIGNER_FOLDER / f"{tenant.pk}.json").unlink()


def test_a12_a_container_says_itself_which_anchors_it_has_and_so_that_another_history_was_signed(forgotten, settings):
    rewrite(forgotten.log_chain().key, 1, to_tail=True, actor="somebody.else@contoso.example")
    plant_leaves()
    sign_again()
    forget(forgotten, settings)
    assert classes() == {"SPLIT_VIEW"}


def test_a05_a_container_says_itself_that_more_was_signed_for(forgotten, settings):
    """The last entry is gone, and everything in the database that knew of it."""
    cut_off_last(forgotten)
    forget(forgotten, settings)
    assert classes() == {"TRUNCATED"}


def cut_off_last(tenant):
    """Delete a tenant's last entry, its leaf and what was signed over it; set head and tree back."""
    chain = tenant.log_chain().key
    last = ProvisioningLog.objects.filter(chain=chain).last()
    before = ProvisioningLog.objects.get(chain=chain, sequence=last.sequence - 1)
    edge, size = CompactRange(), TreeLeaf.objects.count() - 1
    for leaf in TreeLeaf.objects.order_by("index")[:size]:
        edge.append(bytes(leaf.leaf_hash))
    TreeLeaf.objects.filter(entry=last.pk).delete()
    sql("DELETE FROM audit_app_anchor")
    Checkpoint.objects.filter(size__gt=size).delete()
    ProvisioningLog._base_manager.filter(pk=last.pk)._raw_delete("default")
    LogTree.objects.update(size=size, edge=edge.to_bytes())
    ChainHead.objects.filter(chain=chain).update(
        sequence=before.sequence, sequenced=before.sequence, entry_hash=before.entry_hash
    )


def test_a17_a_container_that_does_not_list_what_it_has_is_named(world, forgotten):
    world.fault(host="blob", method="GET", path="evidence", status=403, count=0)
    found = verify_log().findings
    assert {(one.classification, one.is_informational) for one in found} == {("UNANCHORED_TAIL", True)}
    assert all("did not list" in one.detail for one in found)
    world.simulator.control("DELETE", "/faults")


def test_r34_a_container_that_protects_nothing_anchors_nothing(world, monkeypatch, caplog):
    with_one_clock(world)
    anchoring_in(world, monkeypatch)
    unlocked = {"headers": {"x-ms-immutability-policy-mode": "Unlocked"}}
    world.fault(host="blob", method="HEAD", path="checkpoints", **unlocked)
    assert len(checkpoint_due()) == 1
    assert (Anchor.objects.count(), "checkpoint_not_anchored" in caplog.text) == (0, True)
    world.simulator.control("DELETE", "/faults")
    sign_now()  # the next checkpoint tries again
    assert Anchor.objects.get().is_worm


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
