"""Where the Microsoft cloud is: hosts, token scopes, api-versions and trusted hosts, in one table (contract §1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import httpx

from .errors import UntrustedUrlError


class Service(StrEnum):
    """The services we talk to; also the ``service`` of every error."""

    LOGIN = "login"
    BAP = "bap"
    POWER_PLATFORM = "power_platform"
    DATAVERSE = "dataverse"
    GRAPH = "graph"
    KEY_VAULT = "key_vault"
    BLOB = "blob"


@dataclass(frozen=True)
class Endpoint:
    """One service: where it is, which token it wants, and which other hosts may receive that token.

    Attributes:
        origin: ``https://host[:port][/prefix]`` without a trailing slash; "" when every customer has an own host.
        scope: what to ask Entra for; "" means ``{origin}/.default`` of the host at hand (Dataverse).
        trusted: host suffixes (".crm4.dynamics.com") that ``Location``, ``nextLink`` and ``instanceUrl`` may name.
    """

    origin: str = ""
    scope: str = ""
    trusted: tuple[str, ...] = ()

    def scope_for(self, base: str) -> str:
        """Return the token scope for a call below ``base``."""
        return self.scope or f"{base.rstrip('/')}/.default"


@dataclass(frozen=True)
class ApiVersions:
    """The api-version of each family of operations (contract §1.2), so that a drift is a one-line change."""

    environments: str = "2023-06-01"  # create, get, list, delete, locations
    governance: str = "2021-04-01"  # PATCH (a newer one enables Managed!), governanceConfiguration, groups, tenant
    administration: str = "2020-10-01"  # adminApplications, addAppUser
    add_user: str = "2023-06-01"
    operation_history: str = "2024-05-01"
    validate_delete: str = "2018-01-01"
    power_platform: str = "2024-10-01"
    group_operations: str = "1"
    licensing: str = "2022-03-01-preview"
    dataverse: str = "v9.2"
    graph: str = "v1.0"
    key_vault: str = "7.4"
    blob: str = "2021-12-02"


def _bap(host: str, scope: str) -> Endpoint:
    """Describe BAP; its regional hosts, which ``Location`` names, are subdomains of the global one."""
    return Endpoint(f"https://{host}", scope, (f".{host}",))


def _power_platform(host: str) -> Endpoint:
    return Endpoint(f"https://{host}", f"https://{host}/.default", (f".{host}",))


_BLOB_SCOPE = "https://storage.azure.com/.default"


@dataclass(frozen=True)
class Endpoints:
    """Everything a client must know about one cloud. Hosts are trusted per service: anyone can own a vault or an org.

    Attributes:
        trusted_hosts: further ``host:port`` (exact) or ``.suffix`` entries trusted for every service (a simulator).
        ca: path of a PEM file with the only certificate authorities to trust; None means the usual public ones.
    """

    login: Endpoint
    bap: Endpoint
    power_platform: Endpoint
    dataverse: Endpoint
    graph: Endpoint
    key_vault: Endpoint
    blob: Endpoint
    versions: ApiVersions = field(default_factory=ApiVersions)
    trusted_hosts: tuple[str, ...] = ()
    ca: str | None = None

    @classmethod
    def public(cls) -> Endpoints:
        """Return the worldwide cloud."""
        return cls(
            login=Endpoint("https://login.microsoftonline.com"),
            bap=_bap("api.bap.microsoft.com", "https://service.powerapps.com/.default"),
            power_platform=_power_platform("api.powerplatform.com"),
            dataverse=Endpoint(trusted=(".dynamics.com",)),
            graph=Endpoint("https://graph.microsoft.com", "https://graph.microsoft.com/.default"),
            key_vault=Endpoint("", "https://vault.azure.net/.default", (".vault.azure.net",)),
            blob=Endpoint("", _BLOB_SCOPE, (".blob.core.windows.net",)),
        )

    @classmethod
    def gcc(cls) -> Endpoints:
        """Return the US Government Community Cloud; sign-in, Graph and vaults stay on the worldwide hosts."""
        return replace(
            cls.public(),
            bap=_bap("gov.api.bap.microsoft.us", "https://gov.service.powerapps.us/.default"),
            power_platform=_power_platform("api.gov.powerplatform.microsoft.us"),
        )

    @classmethod
    def gcc_high(cls) -> Endpoints:
        """Return US Government GCC High. Not proved against a real tenant."""
        return cls(
            login=Endpoint("https://login.microsoftonline.us"),
            bap=_bap("high.api.bap.microsoft.us", "https://high.service.powerapps.us/.default"),
            power_platform=_power_platform("api.high.powerplatform.microsoft.us"),
            dataverse=Endpoint(trusted=(".crm.microsoftdynamics.us",)),
            graph=Endpoint("https://graph.microsoft.us", "https://graph.microsoft.us/.default"),
            key_vault=Endpoint("", "https://vault.usgovcloudapi.net/.default", (".vault.usgovcloudapi.net",)),
            blob=Endpoint("", _BLOB_SCOPE, (".blob.core.usgovcloudapi.net",)),
        )

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Endpoints:
        """Return the worldwide cloud with overrides, as read from a JSON file.

        Keys, all optional: ``login bap power_platform graph key_vault blob`` (origins), ``scopes`` (service → scope),
        ``trusted_hosts`` (list), ``versions`` (family → api-version), ``ca`` (path), ``cloud`` (public, gcc, gcc_high).

        Raises:
            ValueError: an unknown key, service or family, or an origin that is not https.
        """
        unknown = set(mapping) - {*Service, "scopes", "trusted_hosts", "versions", "ca", "cloud"}
        if unknown:
            raise ValueError(f"Unknown endpoint settings: {', '.join(sorted(unknown))}.")
        base = _CLOUDS[mapping.get("cloud", "public")]()
        scopes = {Service(name): scope for name, scope in mapping.get("scopes", {}).items()}
        services = {
            service.value: _overridden(getattr(base, service), mapping.get(service), scopes.get(service))
            for service in Service
        }
        return replace(
            base,
            **services,
            versions=replace(base.versions, **_known_versions(mapping.get("versions", {}))),
            trusted_hosts=tuple(mapping.get("trusted_hosts", ())),
            ca=mapping.get("ca") or None,
        )

    @property
    def fixed_scopes(self) -> frozenset[str]:
        """The scopes that exist independently of any customer's own host."""
        return frozenset(getattr(self, service).scope for service in Service) - {""}

    def require_trusted(self, service: Service, url: str) -> None:
        """Refuse a URL that must not receive a token of this service (contract §1.4).

        Raises:
            UntrustedUrlError: not https, carries user information, or names a host outside the service's list.
        """
        endpoint: Endpoint = getattr(self, service)
        if not _is_trusted(url, {endpoint.origin} - {""}, (*endpoint.trusted, *self.trusted_hosts)):
            raise UntrustedUrlError(
                f"The {service} service pointed to a URL outside its trusted hosts: {_shown(url)}.",
                service=service.value,
                code="UntrustedUrl",
            )


_CLOUDS = {"public": Endpoints.public, "gcc": Endpoints.gcc, "gcc_high": Endpoints.gcc_high}


def _overridden(endpoint: Endpoint, origin: str | None, scope: str | None) -> Endpoint:
    """Move a service to another origin; its former hosts are no longer trusted then."""
    if origin:
        if not origin.startswith("https://"):
            raise ValueError(f"An endpoint must be an https URL, not {origin!r}.")
        endpoint = replace(endpoint, origin=origin.rstrip("/"), trusted=())
    return replace(endpoint, scope=scope) if scope else endpoint


def _known_versions(versions: Mapping[str, str]) -> dict[str, str]:
    unknown = set(versions) - set(ApiVersions.__dataclass_fields__)
    if unknown:
        raise ValueError(f"Unknown api-version families: {', '.join(sorted(unknown))}.")
    return dict(versions)


def _is_trusted(url: str, origins: set[str], patterns: tuple[str, ...]) -> bool:
    """Compare what httpx would really connect to, so that two URL parsers cannot disagree."""
    try:
        parsed = httpx.URL(url)
        host = _host_and_port(parsed)
        own = {_host_and_port(httpx.URL(origin)) for origin in origins}
    except (httpx.InvalidURL, ValueError):
        return False
    if parsed.scheme != "https" or parsed.userinfo or not parsed.raw_host:
        return False
    return host in own or any(_matches(host, pattern.lower()) for pattern in patterns)


def _host_and_port(url: httpx.URL) -> str:
    return f"{url.raw_host.decode('ascii').lower()}:{url.port or 443}"


def _matches(host: str, pattern: str) -> bool:
    wanted = pattern if pattern.rpartition(":")[2].isdigit() else f"{pattern}:443"
    return host.endswith(wanted) if wanted.startswith(".") else host == wanted


def _shown(url: str) -> str:
    """Return only scheme and host: the rest of a hostile URL does not belong in a log."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        return "an invalid URL"
    return f"{parsed.scheme or '?'}://{parsed.host or '?'}"
