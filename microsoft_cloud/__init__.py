"""The Microsoft cloud as we use it. No Django, no models: values in, values or classified errors out.

``Cloud`` is the front door; what it speaks is written in the HTTP contract, whose sections the docstrings name (§).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import httpx

from .access_tokens import object_id_in, permissions_in
from .applications import ApplicationsClient
from .bap import BapClient
from .blob import BlobClient
from .dataverse import ODATA_HEADERS, DataverseClient
from .endpoints import Endpoint, Endpoints, Service
from .graph import GraphClient
from .http import Session, TokenSource
from .identity import ClientCertificate, ClientSecret, Identity, WorkloadIdentity
from .key_vault import KeyVaultClient
from .power_platform import PowerPlatformClient

__all__ = [
    "ClientCertificate",
    "ClientSecret",
    "Cloud",
    "Endpoint",
    "Endpoints",
    "Identity",
    "Service",
    "WorkloadIdentity",
]


@dataclass(frozen=True)
class Cloud:
    """One Microsoft tenant, seen by one identity under one correlation id (a run's id). Cheap to build.

    Attributes:
        directory_identity: reads Graph instead of ``identity``; the provisioning principal has no Graph right.
        client: for tests; the process-wide connection pool otherwise.
        answered: names of the services that have answered without an error so far; Entra too, as no call goes without
            a token.
    """

    endpoints: Endpoints
    identity: TokenSource
    correlation_id: str
    directory_identity: TokenSource | None = None
    client: httpx.Client | None = field(default=None, repr=False)
    answered: set[str] = field(default_factory=set, repr=False, compare=False)

    @property
    def bap(self) -> BapClient:
        """Environments and what governs them."""
        return BapClient(self.bap_session)

    @property
    def power_platform(self) -> PowerPlatformClient:
        """Environment group membership and capacity."""
        return PowerPlatformClient(self._session(Service.POWER_PLATFORM, self.endpoints.power_platform.origin))

    def dataverse(self, instance_url: str) -> DataverseClient:
        """Return the client of one organisation, given its environment's ``instance_url``.

        Raises:
            UntrustedUrlError: the URL is not a Dataverse host.
        """
        base = f"{instance_url.rstrip('/')}/api/data/{self.endpoints.versions.dataverse}"
        scope = self.endpoints.dataverse.scope_for(instance_url)
        return DataverseClient(self._session(Service.DATAVERSE, base, scope, ODATA_HEADERS))

    @property
    def graph(self) -> GraphClient:
        """The directory, read by the directory identity."""
        return GraphClient(self._graph_session)

    @property
    def applications(self) -> ApplicationsClient:
        """The credentials of app registrations, changed by ``identity`` itself: never by the directory identity."""
        return ApplicationsClient(replace(self._graph_session, tokens=self.identity))

    def key_vault(self, vault_url: str | None = None) -> KeyVaultClient:
        """Return the client of one vault, by default the one in the endpoints.

        Raises:
            UntrustedUrlError: the URL is not a vault's.
        """
        return KeyVaultClient(
            self._session(Service.KEY_VAULT, (vault_url or self.endpoints.key_vault.origin).rstrip("/"))
        )

    def blob(self, account_url: str | None = None) -> BlobClient:
        """Return the client of one storage account, by default the one in the endpoints.

        Raises:
            UntrustedUrlError: the URL is not a storage account's.
        """
        return BlobClient(self._session(Service.BLOB, (account_url or self.endpoints.blob.origin).rstrip("/")))

    def own_object_id(self) -> str:
        """Return the object id of the identity we act as, as Microsoft names it in ``createdBy`` and ``requestedBy``.

        Raises:
            AuthenticationError, TransientError: there is no token; the first also when it does not say whose it is.
        """
        return object_id_in(
            self.identity.token(self.endpoints, self.endpoints.bap.scope_for(self.endpoints.bap.origin))
        )

    def own_graph_permissions(self) -> frozenset[str]:
        """Return the application permissions on Graph of the identity we act as, by their names.

        Raises:
            The errors of ``own_object_id``.
        """
        return permissions_in(self.identity.token(self.endpoints, self.endpoints.graph.scope))

    @property
    def bap_session(self) -> Session:
        """The raw BAP conversation; ``rollback.py`` builds on it."""
        return self._session(Service.BAP, self.endpoints.bap.origin)

    @property
    def _graph_session(self) -> Session:
        return self._session(Service.GRAPH, f"{self.endpoints.graph.origin}/{self.endpoints.versions.graph}")

    def _session(
        self, service: Service, base: str, scope: str = "", headers: Mapping[str, str] | None = None
    ) -> Session:
        self.endpoints.require_trusted(service, base)
        endpoint: Endpoint = getattr(self.endpoints, service)
        return Session(
            endpoints=self.endpoints,
            service=service,
            tokens=(self.directory_identity or self.identity) if service is Service.GRAPH else self.identity,
            scope=scope or endpoint.scope_for(base),
            correlation_id=self.correlation_id,
            base=base,
            headers=headers or {},
            shows_messages=service is not Service.KEY_VAULT,
            client=self.client,
            answered=self.answered,
        )
