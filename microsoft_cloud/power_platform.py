"""The Power Platform API: environment group membership and capacity (contract §7.2, §11, §12)."""

from __future__ import annotations

from dataclasses import dataclass

from .bap.records import EnvironmentGroup
from .errors import ConflictError, NotFoundError
from .fields import Json, guid, number, objects, segment, text
from .http import Session
from .operations import Operation, Started

_NO_CONTENT = 204


@dataclass(frozen=True)
class DatabaseCapacity:
    """Dataverse database storage of the tenant in MB, up to a day old; creating an environment needs 1024 free."""

    total_mb: float
    used_mb: float

    @property
    def free_mb(self) -> float:
        """What is left."""
        return self.total_mb - self.used_mb


@dataclass(frozen=True)
class RoleAssignment:
    """A role over the tenant, an environment group or an environment (§10.2); ids in lower case."""

    id: str
    principal_object_id: str
    role_definition_id: str
    scope: str


class PowerPlatformClient:
    """What only ``api.powerplatform.com`` can do for us."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._versions = session.endpoints.versions

    def environment_group(self, group_id: str) -> EnvironmentGroup:
        """Return the group (§7.1).

        Raises:
            NotFoundError: code EnvironmentGroupNotFound.
        """
        path = f"/environmentmanagement/environmentGroups/{guid(group_id, 'environment group id')}"
        return EnvironmentGroup.parse(self._get(path, self._versions.power_platform))

    def add_environment_to_group(self, group_id: str, environment_id: str) -> Started:
        """Start joining the group (§7.2). Read the environment first: joining twice is an error.

        Raises:
            PermanentError: code InputValidationError: the environment is not managed.
            ConflictError: kind BUSY.
        """
        return self._change_membership(group_id, "addEnvironment", environment_id)

    def remove_environment_from_group(self, group_id: str, environment_id: str) -> Started:
        """Start leaving the group (§7.2); an environment must leave before it joins another.

        Raises:
            PermanentError: code InputValidationError: not a member, or joining has not settled.
        """
        return self._change_membership(group_id, "removeEnvironment", environment_id)

    def group_operation(self, url: str) -> Operation:
        """Return the operation behind a ``Started.operation_url`` of this client (§7.2).

        Raises:
            NotFoundError: code OperationNotFound: the service answers 204 for an operation it does not know.
        """
        try:
            answer = self._session.read(url)
        except ConflictError as conflict:
            return Operation.still_running(url, conflict.retry_after)
        if answer.status == _NO_CONTENT:
            raise NotFoundError(
                "The group operation is unknown.", service=self._session.service.value, code="OperationNotFound"
            )
        return Operation.parse(answer.object(), answer.retry_after)

    def role_assignments(self) -> tuple[RoleAssignment, ...]:
        """Return every role assignment of the tenant (§10.2, preview)."""
        documents = self._session.read_pages(
            "/authorization/roleAssignments", params={"api-version": self._versions.power_platform}
        )
        return tuple(
            RoleAssignment(
                id=text(item, "roleAssignmentId"),
                principal_object_id=text(item, "principalObjectId").lower(),
                role_definition_id=text(item, "roleDefinitionId").lower(),
                scope=text(item, "scope"),
            )
            for item in documents
        )

    def database_capacity(self) -> DatabaseCapacity:
        """Return the tenant's database capacity (§12); the 409 of a create remains authoritative."""
        document = self._get("/licensing/tenantCapacity", self._versions.licensing)
        databases = [item for item in objects(document, "tenantCapacities") if text(item, "capacityType") == "Database"]
        return DatabaseCapacity(
            total_mb=sum(number(item, "totalCapacity") for item in databases),
            used_mb=sum(number(item, "consumption", "actual") for item in databases),
        )

    def _change_membership(self, group_id: str, verb: str, environment_id: str) -> Started:
        group = f"/environmentmanagement/environmentGroups/{guid(group_id, 'environment group id')}"
        answer = self._session.write(
            "POST",
            f"{group}/{verb}/{segment(environment_id, 'environment id')}",
            params={"api-version": self._versions.power_platform},
        )
        return Started.parse(answer)

    def _get(self, path: str, version: str) -> Json:
        return self._session.read(path, params={"api-version": version}).object()
