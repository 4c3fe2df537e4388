"""Azure Key Vault secrets (contract §14). Errors of this client never quote what the vault said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from core_app.redaction import never_show

from .fields import Json, dig, last_segment, segment, text
from .http import Answer, Session


@dataclass(frozen=True)
class Secret:
    """One version of a secret. Its value never shows in ``repr``.

    ``expires_on`` is advisory: the vault hands out an expired secret, so the caller watches the date.
    """

    name: str
    value: str = field(repr=False)
    version: str
    expires_on: datetime | None
    tags: Mapping[str, str]

    def __post_init__(self) -> None:
        never_show(self.value)


class KeyVaultClient:
    """Reads and sets secrets in one vault."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._params = {"api-version": session.endpoints.versions.key_vault}

    def get_secret(self, name: str, version: str = "") -> Secret:
        """Return the current version of a secret, or the one named.

        Raises:
            NotFoundError: no such secret. AuthenticationError: no permission, or the vault's firewall.
            PermanentError: code SecretDisabled.
        """
        path = f"/secrets/{segment(name, 'secret name')}"
        if version:
            path += f"/{segment(version, 'secret version')}"
        return _secret(name, self._session.read(path, params=self._params))

    def set_secret(
        self, name: str, value: str, *, expires_on: datetime | None = None, tags: Mapping[str, str] | None = None
    ) -> Secret:
        """Store a new version and make it the current one; give it the end date of the credential it holds.

        Raises:
            ConflictError: the name is soft-deleted and must be recovered first.
        """
        attributes: Json = {"enabled": True}
        if expires_on:
            attributes["exp"] = int(expires_on.timestamp())
        answer = self._session.write(
            "PUT",
            f"/secrets/{segment(name, 'secret name')}",
            params=self._params,
            json={"value": value, "contentType": "text/plain", "attributes": attributes, "tags": dict(tags or {})},
        )
        return _secret(name, answer)

    def disable_secret(self, name: str, version: str) -> None:
        """Make one version unreadable; it stays in the vault. Disabling it again changes nothing."""
        path = f"/secrets/{segment(name, 'secret name')}/{segment(version, 'secret version')}"
        self._session.write("PATCH", path, params=self._params, json={"attributes": {"enabled": False}})


def _secret(name: str, answer: Answer) -> Secret:
    bundle = answer.object()
    expires = dig(bundle, "attributes", "exp")
    tags = dig(bundle, "tags")
    return Secret(
        name=name,
        value=text(bundle, "value"),
        version=last_segment(text(bundle, "id")),
        expires_on=datetime.fromtimestamp(expires, UTC) if isinstance(expires, int) else None,
        tags={str(key): str(value) for key, value in tags.items()} if isinstance(tags, dict) else {},
    )
