"""Wake a worker once the transaction has committed.

A doorbell carries no work, only news: the database is the queue and a tick finds what a lost message did not announce.
Therefore ringing never fails the verb, is never retried and expires quickly.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import structlog
from celery import current_app
from django.db import transaction

log = structlog.get_logger(__name__)

EXPIRES_SECONDS = 60


def ring(task_name: str, *args: Any) -> None:
    """Send the task of that name after commit.

    Args:
        task_name: Dotted name, for example ``provisioning_app.tasks.dispatch``; by name, so that a lower app can wake
            an upper one.
        args: JSON-serialisable positional arguments, ids only.
    """
    transaction.on_commit(partial(_send, task_name, args), robust=True)


def _send(task_name: str, args: tuple[Any, ...]) -> None:
    try:
        current_app.send_task(task_name, args=args, retry=False, ignore_result=True, expires=EXPIRES_SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever a broker throws, the commit stands and the sweep will find the row
        log.warning("doorbell_not_heard", task=task_name, error=type(error).__name__)
