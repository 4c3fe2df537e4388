"""Probes for whoever restarts and routes: ``/health/live``, ``/health/ready``, ``/health/work``, ``manage.py health``.

=======  =============================================================================
live     the web process runs and reaches the database
ready    and every migration of this version is applied
work     and a worker committed a tick within the last 60 s; beat, broker and workers
=======  =============================================================================

The answer is 200 or 503 and one word: whoever may not sign in learns nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

from provisioning_app import liveness

PATH: Final = "/health/"
RED: Final = 503


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answer probes before hosts, sessions and redirects matter: they come from inside, by address and without TLS."""

    def answer(request: HttpRequest) -> HttpResponse:
        probe = request.path_info.removeprefix(PATH) if request.path_info.startswith(PATH) else ""
        if probe not in PROBES or request.method not in ("GET", "HEAD"):
            return get_response(request)
        green = is_green(probe)
        headers = {"Cache-Control": "no-store"}
        return JsonResponse({probe: "green" if green else "red"}, status=200 if green else RED, headers=headers)

    return answer


def is_green(probe: str) -> bool:
    """Ask a probe, by its name.

    Raises:
        KeyError: there is none of that name.
    """
    try:
        return PROBES[probe]()
    except Error:  # the database does not answer, or not with the tables of this version
        return False


def _database_answers() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


def _migrations_are_applied() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


PROBES: Final[dict[str, Callable[[], bool]]] = {
    "live": _database_answers,
    "ready": _migrations_are_applied,
    "work": liveness.is_working,
}
