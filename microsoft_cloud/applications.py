"""The credentials of app registrations, through Microsoft Graph (contract §13): list, add, remove. Nothing else.

Whoever calls needs ``Application.ReadWrite.OwnedBy`` and must own the application. Graph's lists lag behind its writes,
and two writers at once can drop each other's keys, so a caller reads back what it wrote.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from core_app.redaction import never_show

from .errors import TransientError
from .fields import Json, guid, moment, objects, text
from .http import Session

_COLUMNS = "id,appId,displayName,passwordCredentials,keyCredentials"


class CredentialKind(StrEnum):
    """How an application proves who it is."""

    SECRET = "secret"  # noqa: S105 - the word
    CERTIFICATE = "certificate"


@dataclass(frozen=True)
class Credential:
    """One credential of an application, as Graph shows it: never its value.

    Attributes:
        hint: the first three characters of a secret.
        thumbprint: SHA-1 of a certificate's DER form, in upper case hexadecimal.
    """

    key_id: str
    kind: CredentialKind
    display_name: str
    hint: str
    thumbprint: str
    starts_on: datetime | None
    ends_on: datetime | None


@dataclass(frozen=True)
class Application:
    """An app registration with its credentials."""

    object_id: str
    client_id: str
    display_name: str
    credentials: tuple[Credential, ...]

    def credential(self, key_id: str) -> Credential | None:
        """Return the credential with this key id, or None."""
        return next((found for found in self.credentials if found.key_id == key_id), None)


@dataclass(frozen=True)
class NewPassword:
    """A secret that was just made; Graph shows its text this once."""

    key_id: str
    value: str = field(repr=False)
    ends_on: datetime | None

    def __post_init__(self) -> None:
        never_show(self.value)


@dataclass(frozen=True)
class NewCertificate:
    """The public half of a certificate to register, in DER form."""

    key_id: str
    display_name: str
    der: bytes = field(repr=False)
    starts_on: datetime
    ends_on: datetime

    def document(self) -> Json:
        """Return the key credential as Graph takes it."""
        return {
            "keyId": self.key_id,
            "displayName": self.display_name,
            "type": "AsymmetricX509Cert",
            "usage": "Verify",
            "key": base64.b64encode(self.der).decode(),
            "startDateTime": _seconds(self.starts_on),
            "endDateTime": _seconds(self.ends_on),
        }


class ApplicationsClient:
    """Lists, adds and removes credentials of applications that the caller owns."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def application(self, client_id: str) -> Application:
        """Return the application with all its credentials.

        Raises:
            NotFoundError: there is no such application. AuthenticationError: the caller may not read it.
        """
        return _application(self._read(client_id))

    def add_password(self, client_id: str, display_name: str, ends_on: datetime) -> NewPassword:
        """Let Entra make a secret; those that are there stay. It can take minutes until it is accepted everywhere.

        Raises:
            CloudError: with ``maybe_executed`` a secret may exist that nobody knows: find it by its name, remove it.
        """
        answer = self._session.write(
            "POST",
            f"{_path(client_id)}/addPassword",
            json={"passwordCredential": {"displayName": display_name, "endDateTime": _seconds(ends_on)}},
        ).object()
        if not text(answer, "secretText"):
            raise TransientError(
                "Graph added a secret without showing it.",
                service=self._session.service.value,
                code="UnreadableAnswer",
                maybe_executed=True,
            )
        return NewPassword(text(answer, "keyId"), text(answer, "secretText"), moment(answer, "endDateTime"))

    def add_certificate(self, client_id: str, certificate: NewCertificate) -> None:
        """Register a certificate beside those that are there; Graph takes only the whole list."""
        known = objects(self._read(client_id), "keyCredentials")
        self._replace_certificates(client_id, [*known, certificate.document()])

    def remove(self, client_id: str, credential: Credential) -> None:
        """Revoke a credential at once.

        Raises:
            PermanentError: code Request_BadRequest: it is not there (any more).
        """
        if credential.kind is CredentialKind.SECRET:
            self._session.write("POST", f"{_path(client_id)}/removePassword", json={"keyId": credential.key_id})
            return
        known = objects(self._read(client_id), "keyCredentials")
        self._replace_certificates(client_id, [item for item in known if text(item, "keyId") != credential.key_id])

    def _replace_certificates(self, client_id: str, documents: list[Json]) -> None:
        self._session.write("PATCH", _path(client_id), json={"keyCredentials": documents})

    def _read(self, client_id: str) -> Json:
        return self._session.read(_path(client_id), params={"$select": _COLUMNS}).object()


def _path(client_id: str) -> str:
    return f"/applications(appId='{guid(client_id, 'client id')}')"


def _application(document: Json) -> Application:
    secrets = [_credential(item, CredentialKind.SECRET) for item in objects(document, "passwordCredentials")]
    certificates = [_credential(item, CredentialKind.CERTIFICATE) for item in objects(document, "keyCredentials")]
    return Application(
        object_id=text(document, "id").lower(),
        client_id=text(document, "appId").lower(),
        display_name=text(document, "displayName"),
        credentials=(*secrets, *certificates),
    )


def _credential(document: Json, kind: CredentialKind) -> Credential:
    return Credential(
        key_id=text(document, "keyId"),
        kind=kind,
        display_name=text(document, "displayName"),
        hint=text(document, "hint"),
        thumbprint=text(document, "customKeyIdentifier").upper() if kind is CredentialKind.CERTIFICATE else "",
        starts_on=moment(document, "startDateTime"),
        ends_on=moment(document, "endDateTime"),
    )


def _seconds(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
