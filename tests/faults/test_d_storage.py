"""D6 of the fault list: the disk that evidence is exported to is full."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection

from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from audit_app.verify import verify_log
from evidence_app.services import NotExportedError, export_evidence
from requests_app.choices import State, Zone
from tests.factories import make_request

KILOBYTES = 32


@contextmanager
def small_volume(folder: Path) -> Iterator[str]:
    """Let a folder be a volume that is soon full and yield what people are told then.

    A file system of its own where it may be mounted (root on a machine or in a privileged container); elsewhere a
    limit on the size of files, which a database in a file of this process would meet as well.
    """
    if _mounted(folder):
        try:
            yield "the disk is full"
        finally:
            subprocess.run(["umount", folder], check=True)
        return
    if connection.vendor == "sqlite":
        pytest.skip("no volume may be mounted here; the same test runs on PostgreSQL with a limit on the size of files")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (KILOBYTES * 1024 // 4, before[1]))
    try:
        yield "larger than this system allows"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _mounted(folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={KILOBYTES}k", "tmpfs", folder]
    is_possible = os.geteuid() == 0 and shutil.which("mount") is not None
    return is_possible and subprocess.run(command, capture_output=True).returncode == 0


def test_d06_a_full_disk_fails_the_export_and_leaves_nothing_of_it(people, clock, tmp_path):
    for _ in range(5):
        make_request(State.COMPLETED, people=people, zone=Zone.ZONE_3)
    volume = tmp_path / "volume"
    volume.mkdir()

    def export(folder):
        return export_evidence(people.tenant.pk, "2026Q1", folder, by=people.auditor)

    with small_volume(volume) as told:
        with pytest.raises(NotExportedError, match=told):
            export(volume / "evidence")
        assert list(volume.iterdir()) == []  # neither a partial manifest nor a temporary folder
        used = shutil.disk_usage(volume)
        assert used.total > KILOBYTES * 1024 or used.free == used.total  # the space is given back

    failed = ProvisioningLog.objects.get(action=Action.EVIDENCE_EXPORTED)
    assert (failed.success, told in failed.error_message, failed.actor) == (False, True, people.auditor.upn)

    assert export(tmp_path / "evidence").verified  # elsewhere it succeeds
    assert verify_log().ok
