"""A card for a tenant's Teams channel, posted to the workflow whose address is a secret of the tenant's Key Vault.

Whoever knows the address may post: it is never stored here, and shown by no log, error or page. It is followed only to
hosts of ``ELM_TEAMS_WEBHOOK_HOSTS``, over TLS, without redirects, so that nobody turns it against this network.
"""

from __future__ import annotations

from typing import Final

import httpx
from django.conf import settings

from accounts_app.cloud import endpoints, workload_vault
from accounts_app.models import Tenant, User
from accounts_app.services import settings_of
from core_app import clock
from core_app.redaction import never_show
from microsoft_cloud.errors import CloudError
from microsoft_cloud.faults import retry_after_seconds
from microsoft_cloud.pool import client_for, deadline
from notifications_app.channels import NotDeliveredError
from notifications_app.channels.card import card_of
from notifications_app.models import OutboxMessage

_SECONDS: Final = 20.0  # for everything together; Power Automate answers 202 at once
_WORTH_REPEATING: Final = frozenset({408, 425, 429})  # and whatever begins with 5


def send(message: OutboxMessage) -> None:
    """Post the card of a message.

    Raises:
        NotDeliveredError: no workflow, a refused address, or an answer other than 2xx; for good, where repeating the
            very same cannot help.
    """
    address = _address(message.tenant, str(message.pk))
    people = User.objects.filter(pk__in=message.mentioned, is_active=True).order_by("upn")
    _post(address, card_of(message, people))


def _address(tenant: Tenant, correlation_id: str) -> httpx.URL:
    """Return where the tenant's cards go, as its Key Vault says now."""
    name = settings_of(tenant).teams_webhook_secret
    if not name:
        raise NotDeliveredError("The tenant's settings name no Teams workflow any more.", is_permanent=True)
    try:
        secret = workload_vault(tenant, correlation_id).get_secret(name)
    except CloudError as error:
        reason = f"The Key Vault did not give the secret {name}: {error}"
        raise NotDeliveredError(reason, retry_after=error.retry_after) from None
    return trusted(secret.value, name)


def trusted(address: str, name: str) -> httpx.URL:
    """Return a workflow's address, when cards may be sent there.

    Args:
        address: What the secret holds.
        name: The secret's name, for the error.

    Raises:
        NotDeliveredError: it is no https address, carries a name or password, or leads to a host that is not listed.
    """
    refusal = NotDeliveredError(
        f"The secret {name} holds no https address of a host in ELM_TEAMS_WEBHOOK_HOSTS.", is_permanent=True
    )
    try:
        url = httpx.URL(address.strip())
    except (httpx.InvalidURL, ValueError):
        raise refusal from None
    for form in (str(url), url.raw_path.decode("ascii"), url.params.get("sig", "")):
        never_show(form)  # an error, or a line of a library, may hold it as it was sent
    if url.scheme != "https" or url.userinfo or not _is_listed(url.raw_host.decode("ascii").lower()):
        raise refusal
    return url


def _is_listed(host: str) -> bool:
    return any(
        host.endswith(listed[1:]) if listed.startswith("*.") else host == listed
        for listed in (each.strip().lower() for each in settings.TEAMS_WEBHOOK_HOSTS)
    )


def _post(address: httpx.URL, card: dict[str, object]) -> None:
    client = client_for(endpoints().ca)
    try:
        with deadline(_SECONDS):
            request = client.build_request("POST", address, json=card)
            answer = client.send(request, stream=True, follow_redirects=False)
            answer.close()  # its status says everything; what else it says is never read
    except httpx.TransportError as error:
        raise NotDeliveredError(f"Teams did not answer: {type(error).__name__}") from None
    if answer.is_success:
        return
    again = answer.status_code in _WORTH_REPEATING or answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
    wait = retry_after_seconds(answer.headers.get("Retry-After"), clock.now()) if again else None
    raise NotDeliveredError(f"Teams answered {answer.status_code}.", is_permanent=not again, retry_after=wait)
