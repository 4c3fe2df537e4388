"""What every tick asks is answered from an index: its cost must not grow with all that has ever been requested.

Left out are rollbacks, which are rare: each is asked for by a person.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import CheckConstraint

from notifications_app import delivery, verifications
from notifications_app import services as notifications
from notifications_app.catalogue import Event
from provisioning_app import services, watch
from requests_app.services import sweeps
from tests.factories import People

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]
TICKS: dict[str, Callable[[], Any]] = {
    "dispatch": services.tenants_with_work,
    "advance": services.due_runs,
    "gaps": services.retry_gaps,
    "late watch": watch.look_for_late,
    "policy": sweeps.approve_due,
    "sweep": sweeps.sweep,
    "outbox": delivery.deliver_due,
    "defects of the log": verifications.announce_defects,
}

# An index over a part of a table, for example what is queued, is as short as the queue
QUEUES = tuple(
    f"INDEX {item.name}"
    for model in apps.get_models()
    for item in (*model._meta.indexes, *model._meta.constraints)
    if getattr(item, "condition", None) and not isinstance(item, CheckConstraint)
)


def scans_of(act: Callable[[], Any]) -> list[str]:
    """Return which tables SQLite walks from end to end for the queries of a function."""
    found: list[tuple[str, Any]] = []

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("SELECT", "UPDATE", "DELETE")):
            found.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        act()
    assert found, "nothing was asked"
    with connection.cursor() as cursor:
        steps = [row[3] for query in found for row in cursor.execute(f"EXPLAIN QUERY PLAN {query[0]}", query[1])]
    return [step for step in steps if step.startswith("SCAN") and not step.endswith(QUEUES)]


@pytest.mark.parametrize("tick", TICKS)
def test_a_tick_walks_no_table_from_end_to_end(tick: str) -> None:
    assert scans_of(TICKS[tick]) == []


def test_telling_people_does_not_walk_the_outbox(people: People) -> None:
    def tell() -> None:
        words = {"name": "Claims", "reason": "It failed."}
        notifications.announce(
            Event.POLL_TIMEOUT,
            to=[people.operator],
            tenant_id=people.tenant.pk,
            reference="REQ-00001",
            once="1",
            **words,
        )

    assert scans_of(tell) == []
