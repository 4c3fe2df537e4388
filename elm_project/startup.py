"""Web, worker and beat refuse to start in production while ``check --deploy`` finds an error.

They end with code 3, which tells gunicorn not to try again; whoever started them reads one line of the log for each
problem. What the database cannot be asked is a problem too: nothing unproved is taken for safe.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NoReturn

import structlog
from celery import signals
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags
from django.db import connections

log = structlog.get_logger(__name__)

EXIT_CODE: Final = 3  # gunicorn's "worker failed to boot": it ends instead of starting another
_EVERY_DATABASE: Final = ["default"]


def connect() -> None:
    """Let Celery's worker and beat ask before they take up work."""
    signals.worker_init.connect(_refuse_unsafe_worker, dispatch_uid="safe worker")
    signals.beat_init.connect(_refuse_unsafe_beat, dispatch_uid="safe beat")


def refuse_when_unsafe(process: str) -> None:
    """End this process when the installation is a production one and unsafe.

    Args:
        process: What would have started: web, worker or beat.

    Raises:
        SystemExit: with code 3, after a line of the log for each problem.
    """
    if not settings.PRODUCTION:
        return
    try:
        found = list(problems())
    finally:
        connections.close_all()  # the server may fork after this, and no socket may be shared
    if found:
        _refuse(process, found)


def problems() -> Iterator[CheckMessage]:
    """Return the errors that ``manage.py check --deploy --database default`` reports."""
    for tag, databases in ((Tags.security, None), (Tags.database, _EVERY_DATABASE)):
        try:
            messages = checks.run_checks(tags=[tag], include_deployment_checks=True, databases=databases)
        except Exception as error:  # noqa: BLE001 - Celery would log it and start: what cannot be checked is not safe
            messages = [_unanswered(error)]
        yield from (message for message in messages if message.is_serious() and not message.is_silenced())


def _unanswered(error: Exception) -> Error:
    return Error(
        f"A check could not be made ({type(error).__name__}), so that nobody knows whether the installation is safe.",
        hint="Start the database, look at DATABASE_URL, run manage.py migrate as the owner, and start again.",
        id="elm.E027",
    )


def _refuse(process: str, found: list[CheckMessage]) -> NoReturn:
    for problem in found:
        log.critical("start_refused", process=process, check=problem.id, problem=problem.msg, advice=problem.hint)
    raise SystemExit(EXIT_CODE)


def _refuse_unsafe_worker(**_facts: Any) -> None:
    refuse_when_unsafe("worker")


def _refuse_unsafe_beat(**_facts: Any) -> None:
    refuse_when_unsafe("beat")
