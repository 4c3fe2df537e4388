"""Who calls: service principals with a secret, a certificate or a federated token, through azure-identity (§2)."""

from __future__ import annotations

import atexit
import os
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from azure.core.exceptions import AzureError, ServiceRequestTimeoutError
from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import CertificateCredential, ClientSecretCredential, WorkloadIdentityCredential

from core_app import clock
from core_app.redaction import never_show

from .endpoints import Endpoints, Service
from .errors import AuthenticationError, CloudError, Facts, NotReadyError, ThrottledError, TransientError
from .faults import fault_in, request_ids_in, retry_after_seconds
from .pool import time_left

_MICROSOFT_LOGINS = frozenset(
    {
        "https://login.microsoftonline.com",
        "https://login.microsoftonline.us",
        "https://login.partner.microsoftonline.cn",
        "https://login.chinacloudapi.cn",
    }
)
_CODE = re.compile(r"AADSTS(\d+)")
_RESOURCE_UNKNOWN = "AADSTS500011"
_CONNECT_SECONDS = 5
_READ_SECONDS = 20
_MOST_CREDENTIALS = 500  # five services and the organisations being provisioned, of every tenant


@dataclass(frozen=True)
class ClientSecret:
    """An application secret."""

    value: str = field(repr=False)

    def __post_init__(self) -> None:
        never_show(self.value)


@dataclass(frozen=True)
class ClientCertificate:
    """A certificate with its private key, as PEM or PKCS#12 bytes."""

    data: bytes = field(repr=False)
    password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.password:
            never_show(self.password)


@dataclass(frozen=True)
class WorkloadIdentity:
    """A token that the platform the process runs on renews in a file; Entra trusts its issuer, so no secret exists."""

    token_file: str


@dataclass(frozen=True)
class Identity:
    """A service principal. Equal identities share their credentials, hence their token caches, within a process.

    After a rotation, build an Identity with the new secret: it starts with an empty cache.
    """

    tenant_id: str
    client_id: str
    credential: ClientSecret | ClientCertificate | WorkloadIdentity

    def token(self, endpoints: Endpoints, scope: str) -> str:
        """Return an access token, from the cache while it is good.

        Raises:
            AuthenticationError: wrong or expired credential, unknown application or tenant: no retry helps.
            NotReadyError: the resource is a Dataverse organisation that Entra does not know yet.
            TransientError: Entra is down or cannot be reached; ThrottledError when it is too busy.
        """
        return self._token(_Key(self, endpoints.login.origin, endpoints.ca, scope), endpoints)

    def renewed_token(self, endpoints: Endpoints, scope: str, claims: str | None = None) -> str:
        """Return a token that is not from the cache, because a service answered 401.

        Raises:
            The errors of ``token``.
        """
        key = _Key(self, endpoints.login.origin, endpoints.ca, scope)
        if claims is None:
            _credentials.forget(key)
        return self._token(key, endpoints, claims)

    def _token(self, key: _Key, endpoints: Endpoints, claims: str | None = None) -> str:
        try:
            return _credentials.of(key, endpoints).token(claims)
        except CloudError:
            _credentials.forget(key)  # msal would repeat an error for a minute without asking Entra again
            raise


class _Credential:
    """azure-identity's credential for one scope, with what it does not tell: the answer behind its errors."""

    def __init__(self, identity: Identity, endpoints: Endpoints, scope: str, transport: _Transport) -> None:
        self._identity = identity
        self._scope = scope
        self._is_organisation = scope not in endpoints.fixed_scopes
        self._was_challenged = False
        self._seen = threading.local()
        try:
            self._azure = _azure_credential(identity, endpoints, transport, self._remember)
        except ValueError:
            raise AuthenticationError(
                "The tenant id or the credential of the identity is malformed.",
                service=Service.LOGIN.value,
                code="MalformedCredential",
            ) from None

    def token(self, claims: str | None = None) -> str:
        """Get a token; once challenged, tokens come from azure-identity's CAE cache."""
        self._was_challenged = self._was_challenged or claims is not None
        self._seen.answer = None
        try:
            return self._azure.get_token(self._scope, claims=claims, enable_cae=self._was_challenged).token
        except AzureError:
            raise self._error() from None
        except (OSError, UnicodeError) as error:
            raise AuthenticationError(
                f"A file that the identity needs cannot be read ({type(error).__name__}).",
                service=Service.LOGIN.value,
                code="UnreadableCredential",
            ) from None

    def _remember(self, response: PipelineResponse[Any, Any]) -> None:
        self._seen.answer = response.http_response

    def _error(self) -> CloudError:
        answer = self._seen.answer
        if answer is None:
            return TransientError("Entra could not be reached.", service=Service.LOGIN.value, code="LoginUnreachable")
        fault = fault_in(answer.body(), answer.headers)
        found = _CODE.search(fault.message)
        facts = Facts(
            service=Service.LOGIN.value,
            status=answer.status_code,
            code=found.group() if found else fault.code,
            request_ids=request_ids_in(answer.headers),
        )
        wait = retry_after_seconds(answer.headers.get("Retry-After"), clock.now())
        if wait is not None:
            facts["retry_after"] = wait
        message = f"Entra gave no token ({answer.status_code}). {self._without_secret(fault.message)}".rstrip()
        return self._class_of(answer.status_code, facts["code"])(message, **facts)

    def _class_of(self, status: int, code: str) -> type[CloudError]:
        if code == _RESOURCE_UNKNOWN and self._is_organisation:
            return NotReadyError
        if status == 429:
            return ThrottledError
        if status in range(400, 500) and status != 408 and code != "temporarily_unavailable":
            return AuthenticationError
        return TransientError

    def _without_secret(self, message: str) -> str:
        secret = self._identity.credential
        return message.replace(secret.value, "***") if isinstance(secret, ClientSecret) else message


class _Transport(RequestsTransport):  # type: ignore[misc]  # azure.core loads it lazily, so its type is not known
    """Sends to Entra, and waits for it no longer than is left of the call that needs the token."""

    def send(self, request: Any, **options: Any) -> Any:
        """Send, with the shorter of our time-outs and what is left."""
        left = time_left()
        if left is not None and left <= 0:
            raise ServiceRequestTimeoutError("The call took longer than it may in total.")
        waits = [seconds if left is None else min(seconds, left) for seconds in (_CONNECT_SECONDS, _READ_SECONDS)]
        return super().send(request, **{**options, "connection_timeout": waits[0], "read_timeout": waits[1]})


def _azure_credential(
    identity: Identity, endpoints: Endpoints, transport: _Transport, hook: Any
) -> ClientSecretCredential | CertificateCredential | WorkloadIdentityCredential:
    """Build the credential. It does not retry by itself: its waiting would be ours, in a worker that holds a lease."""
    login = endpoints.login.origin
    options: dict[str, Any] = {
        "authority": login,
        "disable_instance_discovery": login not in _MICROSOFT_LOGINS,
        "transport": transport,
        "retry_total": 0,
        "raw_response_hook": hook,
    }
    secret = identity.credential
    if isinstance(secret, ClientSecret):
        return ClientSecretCredential(identity.tenant_id, identity.client_id, secret.value, **options)
    if isinstance(secret, WorkloadIdentity):
        return WorkloadIdentityCredential(
            tenant_id=identity.tenant_id, client_id=identity.client_id, token_file_path=secret.token_file, **options
        )
    return CertificateCredential(
        identity.tenant_id,
        identity.client_id,
        certificate_data=secret.data,
        password=secret.password,
        **options,
    )


class _Key(NamedTuple):
    identity: Identity
    login: str
    ca: str | None
    scope: str


class _Credentials:
    """The process's credentials, the most recently used ones: one per identity and scope; they share connections."""

    def __init__(self) -> None:
        self._by_key: OrderedDict[_Key, _Credential] = OrderedDict()
        self._transports: dict[str | None, _Transport] = {}  # by the authority that vouches for Entra
        self._lock = threading.Lock()

    def of(self, key: _Key, endpoints: Endpoints) -> _Credential:
        """Return the credential, made at first use."""
        with self._lock:
            if key not in self._by_key:
                self._by_key[key] = _Credential(key.identity, endpoints, key.scope, self._transport(key.ca))
            self._by_key.move_to_end(key)
            while len(self._by_key) > _MOST_CREDENTIALS:
                self._by_key.popitem(last=False)
            return self._by_key[key]

    def forget(self, key: _Key) -> None:
        """Drop the credential: the next one starts with an empty token cache."""
        with self._lock:
            self._by_key.pop(key, None)

    def close(self) -> None:
        """Close every connection to Entra, at the end of the process."""
        for transport in self._transports.values():
            transport.close()

    def _transport(self, ca: str | None) -> _Transport:
        if ca not in self._transports:
            self._transports[ca] = _Transport(**({"connection_verify": ca} if ca else {}))
        return self._transports[ca]


_credentials = _Credentials()


def _start_afresh() -> None:
    """After a fork: the parent's connections are not ours, and its lock may have been held."""
    global _credentials
    _credentials = _Credentials()


os.register_at_fork(after_in_child=_start_afresh)
atexit.register(lambda: _credentials.close())
