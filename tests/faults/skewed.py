"""A worker on a host whose clock is wrong: our time is the system's, moved by ``ELM_TEST_CLOCK_SECONDS``."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from unittest.mock import patch
from uuid import UUID

from core_app import clock
from provisioning_app import services
from provisioning_app.choices import LIVE_STATUSES
from provisioning_app.models import ProvisioningRun


@contextmanager
def clock_is_off(by: timedelta) -> Iterator[None]:
    """Let the clock of this host be wrong inside the block; nothing is injected, so the database is asked as ever."""

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + by

    with patch.object(clock, "datetime", Wrong):
        assert abs(clock.now() - datetime.now(UTC) - by) < timedelta(seconds=5)
        yield


def work(tenant_id: str) -> None:
    """Take up what is due, as a tick does once a second, until nothing is live any more."""
    live = ProvisioningRun.objects.filter(tenant=tenant_id, status__in=LIVE_STATUSES)
    with clock_is_off(timedelta(seconds=float(os.environ["ELM_TEST_CLOCK_SECONDS"]))):
        services.dispatch(UUID(tenant_id))
        while live.exists():
            for run_id in services.due_runs():
                services.advance(run_id)
            time.sleep(0.1)
