"""The BAP client of the provisioning principal (contract §5 to §10). It cannot delete: see ``rollback.py``.

Every method may raise the errors of ``microsoft_cloud.errors``; docstrings name the ones with a meaning of their own.
"""

from __future__ import annotations

from datetime import datetime

from microsoft_cloud.errors import ConflictError, NotFoundError, NotReadyError, PermanentError
from microsoft_cloud.fields import Json, guid, objects, segment, text
from microsoft_cloud.http import LIST_CAP, Session
from microsoft_cloud.operations import Operation, Started

from .records import (
    DlpPolicy,
    Environment,
    EnvironmentGroup,
    Governance,
    Location,
    NewEnvironment,
    TenantInfo,
)

_PLATFORM = "/providers/Microsoft.BusinessAppPlatform"
_POLICIES = "/providers/PowerPlatform.Governance/v2/policies"
_EXPAND_ONE = "permissions,properties.capacity,properties/billingPolicy,properties/copilotPolicies"
_EXPAND_MANY = "properties/billingPolicy,properties/copilotPolicies"


class BapClient:
    """Environments and what governs them, through ``api.bap.microsoft.com``."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._versions = session.endpoints.versions

    # What the tenant offers

    def tenant(self) -> TenantInfo:
        """Return the tenant behind the token: the best smoke test (§12)."""
        return TenantInfo.parse(self._get("/tenant", self._versions.governance))

    def time(self) -> datetime | None:
        """Return the time by the service's clock, in whole seconds; one small call."""
        return self._session.read(f"{_PLATFORM}/tenant", params={"api-version": self._versions.governance}).served_at

    def locations(self) -> tuple[Location, ...]:
        """Return the regions, with those this tenant may not use marked (§5.1)."""
        answer = self._get("/locations", self._versions.environments)
        return tuple(Location.parse(item) for item in objects(answer, "value"))

    def validate_environment_details(self, domain_name: str, location: str) -> None:
        """Return quietly when the domain name is free; advisory, because the create may still conflict (§5.2).

        Raises:
            ConflictError: kind DOMAIN_IN_USE.
            PermanentError: code InvalidDomainName or EnvironmentLocationUnsupported.
        """
        self._session.read(
            f"{_PLATFORM}/validateEnvironmentDetails",
            method="POST",
            params={"api-version": self._versions.governance},
            json={"domainName": domain_name, "environmentLocation": location},
        )

    # Creating and watching

    def create_environment(self, environment: NewEnvironment) -> Started:
        """Start a creation, once, without any replay (§5.3, §5.11).

        Raises:
            ConflictError: kind DOMAIN_IN_USE (reconcile), CAPACITY (stop) or BUSY (wait).
            CloudError: with ``maybe_executed`` whenever an environment may exist now: probe by domain name and tag.
        """
        answer = self._session.write(
            "POST",
            f"{_PLATFORM}/environments",
            params={
                "api-version": self._versions.environments,
                "retainOnProvisionFailure": "false",
                "overrideEnvironmentGroupAssigned": "true",
            },
            json=environment.body(),
        )
        return Started.parse(answer)

    def operation(self, url: str) -> Operation:
        """Return the operation behind a ``Started.operation_url`` (§4.2); a 409 here means that it still runs.

        Raises:
            UntrustedUrlError: the URL is not on a BAP host.
            NotFoundError: code OperationNotFound; for a delete that is success, else re-read the environment.
        """
        try:
            answer = self._session.read(url)
        except ConflictError as conflict:
            return Operation.still_running(url, conflict.retry_after)
        return Operation.parse(answer.object(), answer.retry_after)

    def operations_of(self, environment_id: str) -> tuple[Operation, ...]:
        """Return the environment's operations, newest first (§4.5): who did what, also outside our runs."""
        answer = self._get(
            "/lifecycleOperations",
            self._versions.operation_history,
            {"$filter": f"environment eq '{segment(environment_id, 'environment id')}'"},
        )
        return tuple(Operation.parse(item) for item in objects(answer, "value"))

    # Reading environments

    def get_environment(self, environment_id: str, *, just_created: bool = False) -> Environment:
        """Return one environment (§5.5).

        Args:
            environment_id: never empty, because that would read the list.
            just_created: a 404 within five minutes of creation means "not yet", so it raises NotReadyError.

        Raises:
            NotFoundError: it does not exist or was deleted; NotReadyError instead when ``just_created``.
            PermanentError: code InvalidIdentifier (empty id), WrongResource (the answer is another document or a list).
        """
        path = f"/scopes/admin/environments/{segment(environment_id, 'environment id')}"
        try:
            document = self._get(path, self._versions.environments, {"$expand": _EXPAND_ONE})
        except NotFoundError as missing:
            if just_created:
                raise NotReadyError("The environment cannot be read yet.", **missing.facts()) from None
            raise
        environment = Environment.parse(document)
        if environment.id.lower() != environment_id.lower():
            raise PermanentError(
                "The answer is not the environment that was asked for.",
                service=self._session.service.value,
                code="WrongResource",
            )
        return environment

    def list_environments(self) -> tuple[Environment, ...]:
        """Return every environment of the tenant, also soft-deleting ones (§5.6)."""
        documents = self._session.read_pages(
            f"{_PLATFORM}/scopes/admin/environments",
            params={"api-version": self._versions.environments, "$expand": _EXPAND_MANY},
            cap=LIST_CAP,
        )
        return tuple(Environment.parse(document) for document in documents)

    def find_environment(self, domain_name: str) -> Environment | None:
        """Return the environment that holds the domain name, or None. The caller checks our tag before adopting it."""
        wanted = domain_name.lower()
        return next((found for found in self.list_environments() if found.domain_name.lower() == wanted), None)

    # Changing environments

    def patch_environment(
        self, environment_id: str, *, security_group_id: str | None = None, description: str | None = None
    ) -> Started:
        """Bind the security group or rewrite the description; what is not given stays (§5.7).

        Raises:
            ConflictError: kind BUSY while another operation runs.
        """
        properties: Json = {}
        if description is not None:
            properties["description"] = description
        if security_group_id is not None:
            properties["linkedEnvironmentMetadata"] = {"securityGroupId": guid(security_group_id, "security group id")}
        answer = self._session.write(
            "PATCH",
            f"{_PLATFORM}/scopes/admin/environments/{segment(environment_id, 'environment id')}",
            params={"api-version": self._versions.governance},
            json={"properties": properties},
        )
        return Started.parse(answer)

    def set_governance_configuration(self, environment_id: str, governance: Governance) -> Started:
        """Enable, update or disable Managed Environments (§6.1). Do it before the environment joins a group.

        Raises:
            ConflictError: kind LOCKED_BY_GROUP, or BUSY: also an empty 409, which may mean "already managed": re-read.
            PermanentError: InvalidRequestContent (unknown setting), InvalidLifecycleOperationRequest (no Dataverse).
        """
        answer = self._session.write(
            "POST",
            f"{_PLATFORM}/environments/{segment(environment_id, 'environment id')}/governanceConfiguration",
            params={"api-version": self._versions.governance},
            json=governance.body(),
        )
        return Started.parse(answer)

    def environment_groups(self) -> tuple[EnvironmentGroup, ...]:
        """Return the environment groups (§7.1)."""
        documents = self._session.read_pages(
            f"{_PLATFORM}/environmentGroups", params={"api-version": self._versions.governance}
        )
        return tuple(EnvironmentGroup.parse(document) for document in documents)

    # Who may administer

    def admin_application(self, client_id: str) -> bool:
        """Say whether the application is registered as a management application (§10.1).

        Asking about itself, an unregistered principal gets AuthenticationError: every path is closed to it.
        """
        path = f"/adminApplications/{guid(client_id, 'client id')}"
        try:
            answer = self._get(path, self._versions.administration)
        except PermanentError as error:
            if error.code == "InvalidApplicationId":
                return False
            raise
        return text(answer, "applicationId").lower() == client_id.lower()

    def admin_applications(self) -> tuple[str, ...]:
        """Return the client ids of all registered management applications (§10.1)."""
        answer = self._get("/adminApplications", self._versions.administration)
        return tuple(text(item, "applicationId").lower() for item in objects(answer, "value"))

    def add_app_user(self, environment_id: str, client_id: str) -> None:
        """Make an application a Dataverse user of the environment; idempotent, roles are not certain (§10.3)."""
        self._session.write(
            "POST",
            f"{_PLATFORM}/scopes/admin/environments/{segment(environment_id, 'environment id')}/addAppUser",
            params={"api-version": self._versions.administration},
            json={"servicePrincipalAppId": guid(client_id, "client id")},
        )

    def add_user(self, environment_id: str, object_id: str) -> None:
        """Make a person a Dataverse user of the environment; idempotent (§10.3).

        Raises:
            NotReadyError: the licence or the person has not reached the platform yet.
        """
        self._session.write(
            "POST",
            f"{_PLATFORM}/scopes/admin/environments/{segment(environment_id, 'environment id')}/addUser",
            params={"api-version": self._versions.add_user},
            json={"objectId": guid(object_id, "user's object id")},
        )

    # Data policies

    def dlp_policies(self) -> tuple[DlpPolicy, ...]:
        """Return all data policies of the tenant; see ``dlp_coverage`` (§9)."""
        documents = self._session.read_pages(_POLICIES, cap=LIST_CAP)
        return tuple(DlpPolicy.parse(document) for document in documents)

    def _get(self, path: str, version: str, params: dict[str, str] | None = None) -> Json:
        return self._session.read(f"{_PLATFORM}{path}", params={"api-version": version, **(params or {})}).object()
