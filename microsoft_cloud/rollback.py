"""Deleting an environment: only here, only for the rollback principal, only after a person chose it (contract §5.9)."""

from __future__ import annotations

from dataclasses import dataclass

from . import Cloud
from .errors import NotFoundError
from .fields import dig, objects, segment, text
from .operations import Started

_ENVIRONMENTS = "/providers/Microsoft.BusinessAppPlatform/scopes/admin/environments"
_DELETED_BY_APPLICATION = "7"
_NOT_FOUND = 404


@dataclass(frozen=True)
class DeleteCheck:
    """Whether a delete may start; advisory."""

    can_start: bool
    problems: tuple[str, ...]


class RollbackBapClient:
    """The one client that can delete. Build it from a ``Cloud`` of the rollback credential, never another."""

    def __init__(self, cloud: Cloud) -> None:
        self._session = cloud.bap_session
        self._versions = cloud.endpoints.versions

    def validate_delete(self, environment_id: str) -> DeleteCheck:
        """Ask whether the environment can be deleted; some tenants answer 404, which forbids nothing."""
        try:
            answer = self._session.read(
                f"{_ENVIRONMENTS}/{segment(environment_id, 'environment id')}/validateDelete",
                method="POST",
                params={"api-version": self._versions.validate_delete},
            ).object()
        except NotFoundError:
            return DeleteCheck(can_start=True, problems=())
        problems = tuple(text(error, "message") or text(error, "code") for error in objects(answer, "errors"))
        return DeleteCheck(dig(answer, "canInitiateDelete") is not False, problems)

    def delete_environment(self, environment_id: str, reason: str) -> Started:
        """Start deleting (soft: recoverable for 7 days, the domain stays reserved). Status 204 or 404: already gone.

        Raises:
            ConflictError: kind BUSY (often an empty 409): wait and repeat.
            AuthenticationError: this principal may not delete.
        """
        try:
            answer = self._session.write(
                "DELETE",
                f"{_ENVIRONMENTS}/{segment(environment_id, 'environment id')}",
                params={"api-version": self._versions.environments},
                json={"code": _DELETED_BY_APPLICATION, "message": reason},
            )
        except NotFoundError:
            return Started(status=_NOT_FOUND)
        return Started.parse(answer)
