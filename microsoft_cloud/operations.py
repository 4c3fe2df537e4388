"""Asynchronous work: how it starts, and how it is watched (contract §4 and §7.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .fields import Json, last_segment, moment, objects, text
from .http import Answer


@dataclass(frozen=True)
class Started:
    """The service accepted a change. That is a promise, not a state: read the resource back.

    Attributes:
        status: 202 started; 201 or 200 done at once; 204 nothing to do; 404 (delete only) already gone.
        operation_url: what to poll; None when done at once, or when a 202 forgot its Location (probe then).
        environment_id: known only when a create was answered with the finished document.
        retry_after: seconds to wait before the first poll (0 to 300), or None.
    """

    status: int
    operation_url: str | None = None
    environment_id: str | None = None
    retry_after: float | None = None

    @classmethod
    def parse(cls, answer: Answer) -> Started:
        """Read the headers of an accepted change; the body of a 202 is ignored (§4.1)."""
        document = answer.object() if answer.status in {200, 201} and answer.body.strip() else {}
        return cls(
            status=answer.status,
            operation_url=answer.followed_url("Location", "Operation-Location"),
            environment_id=text(document, "name") or None,
            retry_after=answer.retry_after,
        )


class OperationState(StrEnum):
    """Where an operation stands; any state we do not know counts as running until the caller's deadline."""

    NOT_STARTED = "NotStarted"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"

    @property
    def is_final(self) -> bool:
        """Whether polling can stop. Even then the resource, not the operation, is the truth."""
        return self in {OperationState.SUCCEEDED, OperationState.FAILED}


@dataclass(frozen=True)
class OperationStage:
    """One stage of an operation; a failed operation lists stages up to the failing one."""

    name: str
    state: str


@dataclass(frozen=True)
class Operation:
    """A lifecycle operation, or one of an environment group.

    Attributes:
        environment_id: None while a create runs and after it failed; authoritative once it succeeded.
        requested_by: object id of who started it, or "SYSTEM".
        retry_after: seconds until the next poll makes sense (0 to 300), or None.
    """

    id: str
    type: str
    state: OperationState
    environment_id: str | None
    requested_by: str
    stages: tuple[OperationStage, ...] = ()
    created_time: datetime | None = None
    retry_after: float | None = None
    last_action_time: datetime | None = None

    @classmethod
    def parse(cls, data: Json, retry_after: float | None = None) -> Operation:
        """Read an operation document."""
        state = text(data, "state", "id")
        return cls(
            id=text(data, "id"),
            type=text(data, "type", "id"),
            state=OperationState(state) if state in set(OperationState) else OperationState.RUNNING,
            environment_id=last_segment(text(data, "links", "environment", "path")) or None,
            requested_by=text(data, "requestedBy", "id"),
            stages=tuple(
                OperationStage(text(stage, "name") or text(stage, "id"), text(stage, "state", "id"))
                for stage in objects(data, "stages")
            ),
            created_time=moment(data, "createdDateTime"),
            retry_after=retry_after,
            last_action_time=moment(data, "lastActionDateTime"),
        )

    @classmethod
    def still_running(cls, url: str, retry_after: float | None) -> Operation:
        """Stand for an operation whose poll answered 409, which means: keep polling (§4.2)."""
        identifier = last_segment(url.partition("?")[0])
        return cls(identifier, "", OperationState.RUNNING, None, "", retry_after=retry_after)
