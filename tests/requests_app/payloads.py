"""Payloads as the Copilot Studio intake agent sends them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.factories import People

SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "intake"


def payload_of(people: People, zone: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a good payload of a zone by the people's requester.

    Args:
        people: Whose requester asks.
        zone: 1, 2 or 3.
        changes: ``section__key`` (or a key of the payload itself) → another value; ``...`` leaves the key out.
    """
    payload: dict[str, Any] = {
        "requestId": str(uuid4()),
        "timestamp": "2026-01-29T14:30:00Z",
        "requester": {"upn": people.requester.upn, "displayName": "John Smith", "department": "Finance"},
        "environment": {"name": "FIN-Reporting-PROD", "type": "Sandbox", "region": "unitedstates"},
        "classification": {
            "zone": zone,
            "autoFlags": [[], ["CONFIDENTIAL_DATA", "TEAM_WORKLOAD"], ["CUSTOMER_PII", "TEAM_WORKLOAD"]][zone - 1],
            "dataSensitivity": "Confidential" if zone == 2 else "Internal",
            "zoneRationale": "" if zone == 1 else "It follows from the data inventory.",
            "hasCustomerData": zone == 3,
            "hasFinancialData": False,
            "hasExternalAccess": False,
        },
        "access": {
            "securityGroupId": "",
            "securityGroupName": "" if zone == 1 else "SG-Claims-Makers",
            "expectedUserCount": 1 if zone == 1 else 25,
        },
        "businessContext": {
            "purpose": "Quarterly reporting for the regulator, automated.",
            "expectedUsers": "Finance reporting team",
        },
        "approvalRequired": {"manager": zone > 1, "compliance": zone > 2, "zoneReviewRequired": False},
    }
    return changed(payload, **changes)


def changed(payload: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a copy with other values."""
    payload = copy.deepcopy(payload)
    for where, value in changes.items():
        section, _, key = where.rpartition("__")
        inside = payload[section] if section else payload
        if value is ...:
            del inside[key]
        else:
            inside[key] = value
    return payload


def as_bytes(payload: Any) -> bytes:
    """Return the payload as it travels."""
    return json.dumps(payload).encode()
