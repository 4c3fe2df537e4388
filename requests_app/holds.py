"""What the database itself keeps while a request is under legal hold, whoever asks for its deletion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from audit_app.triggers import KeptWhile, Trigger

# Table → how the request of its row ``OLD`` is found, as SQL for a comparison
OF_REQUESTS: Final[dict[str, str]] = {
    "requests_app_environmentrequest": "= OLD.id",
    "requests_app_historicalenvironmentrequest": "= OLD.id",
    "requests_app_intakereceipt": "= OLD.request_id",
    "requests_app_legalhold": "= OLD.request_id",
    "requests_app_historicallegalhold": "= OLD.request_id",
    "requests_app_zonedispute": "= OLD.request_id",
    "requests_app_historicalzonedispute": "= OLD.request_id",
    **{
        table: f"IN (SELECT id FROM requests_app_environmentrequest WHERE gate_id = OLD.{column} "  # noqa: S608 - ours
        f"UNION SELECT request_id FROM requests_app_zonedispute WHERE gate_id = OLD.{column})"
        for table, column in {
            "gates_app_gate": "id",
            "gates_app_historicalgate": "id",
            "gates_app_gateparty": "gate_id",
            "gates_app_stage": "gate_id",
            "gates_app_historicalstage": "gate_id",
            "gates_app_decision": "gate_id",
        }.items()
    },
}
_HELD: Final = "SELECT 1 FROM requests_app_legalhold AS hold WHERE hold.released_at IS NULL"


def kept_under_hold(tables: Mapping[str, str]) -> tuple[Trigger, ...]:
    """Return the triggers that keep the rows of held requests.

    Args:
        tables: By table, how the request of its row ``OLD`` is found.
    """
    return tuple(
        KeptWhile(
            table,
            condition=f"EXISTS ({_HELD} AND hold.request_id {request})",
            any_row=f"EXISTS ({_HELD})",
            because="a request that it belongs to is under legal hold",
        )
        for table, request in tables.items()
    )
