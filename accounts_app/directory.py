"""People whom Microsoft Entra lets in no longer: their account here is deactivated, since a session would outlive that.

Asked are only those who may still have a session. Nobody else comes in without Entra.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext_noop as noop

from accounts_app.cloud import cloud_for
from accounts_app.models import Tenant, TenantIdentity, User
from accounts_app.people import deactivate_departed
from core_app import clock
from core_app.one_by_one import each
from microsoft_cloud.errors import CloudError, NotFoundError
from microsoft_cloud.graph import GraphClient

log = structlog.get_logger(__name__)

_READER = TenantIdentity.Purpose.DIRECTORY
_DISABLED = noop("Microsoft Entra says that the account is disabled.")
_GONE = noop("Microsoft Entra does not know the account any more.")


def look_for_departed() -> int:
    """Deactivate, in every tenant with a directory reader, who is disabled in Entra or gone; return how many were."""
    departed: list[tuple[UUID, str]] = []
    asked = Tenant.objects.filter(identities__purpose=_READER).order_by("pk")
    each(asked, lambda tenant: departed.extend(_departed_of(tenant)))
    return each(departed, lambda person: deactivate_departed(person[0], why=person[1]))


def _departed_of(tenant: Tenant) -> list[tuple[UUID, str]]:
    """Return who is to be shut out, and why; nobody when the directory cannot be asked, or knows nobody at all."""
    try:
        graph = cloud_for(tenant, _READER).graph
        found = {person.pk: _why_out(graph, person) for person in _who_may_have_a_session(tenant)}
    except CloudError as error:  # whoever was disabled meanwhile is found the next time
        log.warning("directory_not_asked", tenant=str(tenant.pk), error=str(error))
        return []
    if found and set(found.values()) == {_GONE}:
        # Rather the wrong directory, or one that answers wrongly, than everybody gone at once
        log.warning("directory_knows_nobody", tenant=str(tenant.pk), asked=len(found))
        return []
    return [(pk, why) for pk, why in found.items() if why]


def _who_may_have_a_session(tenant: Tenant) -> QuerySet[User]:
    since = clock.now() - timedelta(hours=settings.SESSION_HOURS)
    known = User.objects.filter(tenant=tenant, entra_object_id__isnull=False, is_superuser=False)
    return known.filter(is_active=True, is_service_principal=False, last_login__gt=since).order_by("pk")


def _why_out(graph: GraphClient, person: User) -> str:
    """Return why somebody is to be shut out; empty for who is not."""
    try:
        return _DISABLED if graph.user(str(person.entra_object_id)).is_enabled is False else ""
    except NotFoundError:
        return _GONE
