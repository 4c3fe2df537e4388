"""D7 to D11 of the fault list: a database that forgot, one that was restored, one that waits, one that is behind."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.db.models import F
from structlog.testing import capture_logs

from accounts_app.models import Tenant
from audit_app import horizon, keys
from audit_app.actions import Action
from audit_app.actors import SYSTEM, person
from audit_app.checkpoints import accept_restore, checkpoint, checkpoint_due, sign_now
from audit_app.log import record
from audit_app.models import ChainHead, LogTree, ProvisioningLog, TreeLeaf
from audit_app.verify import verify_log
from core_app import clock as core_clock
from elm_project import checks
from elm_project.backups import database_in_use
from provisioning_app import services
from requests_app.choices import State, Zone
from tests.factories import decide, make_people, make_request
from tests.faults.clusters import OWNER, WAIT_SECONDS, Cluster, connected
from tests.faults.invariants import check_tenant
from tests.faults.remote import completed, stands_at
from tests.faults.sessions import in_background
from tests.faults.tampered import database_at, found
from tests.microsoft import World, WorldMaker


@pytest.fixture
def own_database(db, tmp_path) -> Iterator[None]:
    """A database that others do not share and that commits, so that it can be copied and put back."""
    empty, copy = (sqlite3.connect(file) for file in (connection.settings_dict["NAME"], tmp_path / "own.sqlite3"))
    with closing(empty), closing(copy):
        empty.backup(copy)
    with database_at(tmp_path / "own.sqlite3"):
        yield


@pytest.fixture
def forgetful(own_database, simulator, clock, settings, tmp_path) -> World:
    """A tenant on both sides, in simulated time; its log is going to be another incarnation."""
    return WorldMaker(simulator, clock, settings, tmp_path)()


@contextmanager
def forgotten() -> Iterator[None]:
    """Put a backup from before the block back after it: Microsoft, the signer and the anchors do not know of that."""
    file = Path(connection.settings_dict["NAME"])
    with tempfile.TemporaryDirectory() as folder:
        backup = database_in_use().back_up(Path(folder))
        yield
        connection.close()
        for left in file.parent.glob(f"{file.name}-*"):  # the write-ahead log is the lost database's
            left.unlink()
        shutil.copyfile(backup.file, file)


def resumed(world: World, reason: str) -> None:
    lead, operator = world.people.governance_lead, world.people.operator
    accept_restore(world.people.tenant.pk, by=person(lead), reason=reason)
    services.resume(world.people.tenant.pk, by=operator, reason=reason)


@pytest.mark.sqlite  # whose one file is put aside and put back; D9 restores PostgreSQL
@pytest.mark.simulated
def test_d07_a_failover_that_lost_the_last_entries_is_named_and_nothing_is_created_twice(forgetful, caplog):
    world = forgetful
    request = world.approved(Zone.ZONE_3)
    sign_now()
    before = LogTree.objects.get().size
    with forgotten():
        world.run_until_settled(stop=stands_at(request, "managed"))
        sign_now()
        lost = LogTree.objects.get().size - before
    assert (len(world.environments), lost > 0) == (1, True)

    assert checkpoint_due() == []
    assert "checkpoint_refused" in caplog.text
    (finding,) = [one for one in verify_log().defects if one.classification == "TRUNCATED"]
    assert finding.entry == f"tree:{world.people.tenant.pk}#{before}"
    assert f"The last {lost} of {before + lost} entries are gone" in finding.detail
    services.halt_where_the_log_is_refused()
    world.run_until_settled()
    assert (world.halted, len(world.environments)) == (True, 1)

    resumed(world, "The replica lacked the last second.")
    world.run_until_settled()
    sign_now()

    assert completed(world, request)
    check_tenant(world)
    report = verify_log()
    assert report.ok, report.defects
    assert "INCARNATION_CHANGE" in {finding.classification for finding in report.findings}
    entry = ProvisioningLog.objects.get(action=Action.INCARNATION_STARTED)
    assert entry.action_details["before"]["size"] == before + lost


@pytest.mark.sqlite  # whose one file is put aside and put back; D9 restores PostgreSQL
@pytest.mark.simulated
def test_d08_after_yesterdays_dump_nothing_is_dispatched_before_somebody_accepts_it(forgetful):
    world = forgetful
    request = world.approved(Zone.ZONE_2)
    with forgotten():
        world.clock.advance(hours=20)
        make_request(State.REJECTED, people=world.people, zone=Zone.ZONE_2)
        sign_now()

    with capture_logs() as lines:
        assert checkpoint_due() == []
        services.halt_where_the_log_is_refused()
        services.halt_where_the_log_is_refused()
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["checkpoint_refused"]
    tenant = Tenant.objects.get(pk=world.people.tenant.pk)
    assert "accept it with manage.py accept_restore" in tenant.halted_reason
    halted = ProvisioningLog.objects.get(action=Action.TENANT_HALTED)
    assert (halted.success, halted.error_message) == (False, tenant.halted_reason)
    world.run_until_settled()
    request.refresh_from_db()
    assert (request.state, world.environments) == (State.APPROVED, [])

    services.resume(tenant.pk, by=world.people.operator, reason="Looks fine to me.")
    services.halt_where_the_log_is_refused()
    assert world.halted  # as long as nobody has accepted it
    resumed(world, "Yesterday's dump: the disk was lost.")
    checkpoint_due()
    services.halt_where_the_log_is_refused()
    world.run_until_settled()
    assert (world.halted, completed(world, request)) == (False, True)


def signed(people) -> None:
    """Sign for one tenant alone: other tests have left theirs, which other keys have signed."""
    checkpoint(people.tenant.pk, keys.signing_key())


@contextmanager
def another_cluster() -> Iterator[Cluster]:
    """Yield a server that was made a moment ago: it counts its transactions from the beginning."""
    with tempfile.TemporaryDirectory(prefix="elm-restored-", ignore_cleanup_errors=True) as folder:
        other = Cluster(Path(folder))
        other.initialise()
        other.start()
        try:
            with other.admin("postgres") as session:
                session.execute("CREATE DATABASE elm")
            yield other
        finally:
            other.stop("immediate")


TRANSACTIONS = "SELECT pg_current_xact_id()::text::bigint"
USED_UP = "DO $$ BEGIN FOR i IN 1..5000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"


def test_d09_after_a_restore_on_a_new_server_the_sequencing_goes_on_by_index(cluster: Cluster, tmp_path):
    """Transactions are counted anew there: what was written after the restore has smaller numbers than before it."""
    with connected(cluster.url(OWNER)):
        people = make_people()
        with cluster.admin() as session:
            session.execute(USED_UP)
        make_request(State.REJECTED, people=people, zone=Zone.ZONE_2)
        signed(people)
        size = LogTree.objects.get(tenant=people.tenant).size
        before = cluster.ask(TRANSACTIONS)
        backup = database_in_use().back_up(tmp_path)
    with another_cluster() as other, connected(other.url(OWNER)), database_in_use().restored(backup, tmp_path):
        name = connections["restored"].settings_dict["NAME"]
        with connected(other.url(OWNER, database=name)):
            make_request(State.REJECTED, people=people, zone=Zone.ZONE_2)
            signed(people)
            assert other.ask(TRANSACTIONS) < before
            indices = TreeLeaf.objects.filter(tenant=people.tenant).order_by("index")
            assert list(indices.values_list("index", flat=True)) == list(range(indices.count()))
            assert indices.count() == ProvisioningLog.objects.filter(tenant=people.tenant).count() > size
            assert found(verify_log(people.tenant.pk)) == set()


def test_d10_a_transaction_that_stays_open_holds_up_its_own_chain_alone_and_an_alarm_is_raised(cluster: Cluster):
    """It has written its entry and commits late: after others were signed for, its entry is a leaf like any other."""
    with connected(cluster.url(OWNER)):
        people = make_people()
        held, other = make_request(people=people), make_request(people=people)
        signed(people)
        now, written, may_commit = datetime.now(UTC), Event(), Event()

        def write_and_stay_open() -> None:
            with transaction.atomic():
                record(Action.REMINDER_SENT, on=held, by=SYSTEM)
                written.set()
                assert may_commit.wait(WAIT_SECONDS)

        with cluster.admin() as session, capture_logs() as lines:
            session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            session.execute("SELECT count(*) FROM audit_app_provisioninglog")  # pins the horizon of old rows
            late = in_background(write_and_stay_open)
            assert written.wait(WAIT_SECONDS)
            with core_clock.using(lambda: now):
                horizon.watch()
            with transaction.atomic():
                record(Action.REMINDER_SENT, on=other, by=SYSTEM)
            signed(people)
            assert (waiting(people), found(verify_log(people.tenant.pk))) == (set(), set())
            size = LogTree.objects.get(tenant=people.tenant).size
            for seconds, alarms in ((59, []), (61, [61]), (1800, [61, 1800])):
                with core_clock.using(lambda seconds=seconds: now + timedelta(seconds=seconds)):
                    horizon.watch()
                events = [line for line in lines if line["event"] == "transaction_open_for_long"]
                assert [line["seconds"] for line in events] == alarms
            may_commit.set()
            late.result(WAIT_SECONDS)
        assert waiting(people) == {held.log_chain().key}
        signed(people)
        indices = TreeLeaf.objects.filter(tenant=people.tenant).order_by("index").values_list("index", flat=True)
        assert list(indices) == list(range(size + 1))  # nothing was passed over
        assert TreeLeaf.objects.get(tenant=people.tenant, index=size).entry == held.log_entries.last().pk
        assert (waiting(people), found(verify_log(people.tenant.pk))) == (set(), set())


def waiting(people) -> set[str]:
    """Return the chains of which entries are not in the tree."""
    heads = ChainHead.objects.filter(tenant=people.tenant, sequence__gt=F("sequenced"))
    return set(heads.values_list("chain", flat=True))


@contextmanager
def replica_of(cluster: Cluster) -> Iterator[Cluster]:
    """Yield a replica of a cluster that is ten seconds behind."""
    with tempfile.TemporaryDirectory(prefix="elm-replica-", ignore_cleanup_errors=True) as folder:
        replica = Cluster(Path(folder))
        connection.close()
        cluster.stop()
        subprocess.run(["cp", "-a", cluster.data, replica.data], check=True)
        cluster.start()
        (replica.data / "standby.signal").touch()
        with (replica.data / "postgresql.conf").open("a") as configuration:
            configuration.write(f"primary_conninfo = 'host=127.0.0.1 port={cluster.port} user={OWNER}'\n")
            configuration.write("recovery_min_apply_delay = 10s\n")
        replica.start()
        try:
            yield replica
        finally:
            replica.stop("immediate")


def test_d11_a_replica_that_is_behind_is_refused_and_decides_nothing(cluster: Cluster, pending):
    request, people = pending
    with replica_of(cluster) as replica:
        assert checks.what_is_decided_on_is_the_latest(databases=["default"]) == []
        decide(request, people.approver)
        with connected(replica.url()):
            (error,) = checks.what_is_decided_on_is_the_latest(databases=["default"])
            assert error.id == "elm.E010"
            request.refresh_from_db()
            assert request.state == State.PENDING_APPROVAL  # it does not know yet
            with pytest.raises(DatabaseError, match="read-only"):
                decide(request, people.second_approver)
    request.refresh_from_db()
    assert (request.state, request.log_entries.filter(action=Action.APPROVED).count()) == (State.APPROVED, 1)
