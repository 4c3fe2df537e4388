"""Whether the log explains who holds what: its entries, added up, are held against the roles and shares in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.apps import apps
from django.utils.translation import gettext_noop as noop
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from accounts_app.models import BusinessUnitUserObjectPermission, Tenant, TenantUserObjectPermission, User
from accounts_app.privilege_report import Finding
from accounts_app.roles import GRANT_NAMES, OWN, Role
from audit_app.actions import Action
from audit_app.models import ProvisioningLog

_ROLES: Final = (BusinessUnitUserObjectPermission, TenantUserObjectPermission)
_GUARDIAN: Final = (UserObjectPermissionBase, GroupObjectPermissionBase)
_NO_ENTRY: Final = noop("No entry of the log grants it: find out who gave it, and take it away.")
_GONE: Final = noop(
    "The log grants it and nobody holds it: it was taken away past the log. Find out by whom, then grant it anew."
)


class _Grant(NamedTuple):
    """A role of a person over a unit or a tenant, by their keys."""

    person: str
    role: str
    depth: str
    over: str


class _Known(NamedTuple):
    """How people call it, and whose it is."""

    words: str
    tenant_id: UUID | None


def unexplained() -> Iterator[Finding]:
    """Yield every role and share in force that no entry of the log grants, and every granted role that is not there."""
    logged, held = _logged(), {**_rows(), **_requesters()}
    yield from _compared(held, logged)
    members = {(grant.person, grant.role) for grant in logged}
    yield from _members_past_the_log(members)
    yield from _shares_past_the_log()
    yield from _past_every_verb()


def _compared(held: Mapping[_Grant, _Known], logged: Mapping[_Grant, _Known]) -> Iterator[Finding]:
    for grant in sorted(held.keys() - logged.keys()):
        yield Finding("UNEXPLAINED_GRANT", held[grant].words, _NO_ENTRY, held[grant].tenant_id)
    for grant in sorted(logged.keys() - held.keys()):
        yield Finding("MISSING_GRANT", logged[grant].words, _GONE, logged[grant].tenant_id)


def _logged() -> dict[_Grant, _Known]:
    """Return what the entries RoleGranted and RoleRevoked of every tenant's chain add up to."""
    chains = [tenant.log_chain().key for tenant in Tenant.objects.all()]
    entries = ProvisioningLog.objects.filter(
        chain__in=chains, action__in=(Action.ROLE_GRANTED, Action.ROLE_REVOKED), success=True
    )
    found: dict[_Grant, _Known] = {}
    rows = entries.order_by("chain", "sequence").values_list("action", "action_details", "tenant_id")
    for action, said, tenant_id in rows.iterator():
        if not isinstance(said, dict):
            continue  # somebody spoiled it, which verify_log finds; it explains nothing
        grant = _Grant(*(str(said.get(name)) for name in ("person_id", "role", "depth", "over_id")))
        if action == Action.ROLE_GRANTED:
            found[grant] = _Known(_words(said.get("person"), grant, said.get("over")), tenant_id)
        else:
            found.pop(grant, None)
    return found


def _rows() -> dict[_Grant, _Known]:
    found = {}
    for model in _ROLES:
        for row in model.objects.select_related("user", "permission", "content_object"):
            name, _, depth = row.permission.codename.rpartition("_")
            role = GRANT_NAMES[name].value if name in GRANT_NAMES else name
            at = row.content_object
            grant = _Grant(str(row.user_id), role, depth, str(at.pk))
            found[grant] = _Known(_words(row.user.upn, grant, at), _tenant_of(at))
    return found


def _requesters() -> dict[_Grant, _Known]:
    """A requester's grant is the membership itself."""
    found = {}
    for user in User.objects.filter(groups__name=Role.REQUESTER):
        grant = _Grant(str(user.pk), Role.REQUESTER.value, OWN, str(user.tenant_id))
        found[grant] = _Known(_words(user.upn, grant, user.tenant_id), user.tenant_id)
    return found


def _words(person: Any, grant: _Grant, over: Any) -> str:
    return f"{person}: {grant.role}" + ("" if grant.depth == OWN else f" ({grant.depth}) over {over}")


def _members_past_the_log(granted: set[tuple[str, str]]) -> Iterator[Finding]:
    """The other roles count only while the group and a row are held both; the log grants both together."""
    others = [role for role in Role if role != Role.REQUESTER]
    rows = User.groups.through.objects.filter(group__name__in=others).order_by("user__upn", "group__name")
    for pk, upn, tenant_id, role in rows.values_list("user_id", "user__upn", "user__tenant_id", "group__name"):
        if (str(pk), role) not in granted:
            yield Finding("UNEXPLAINED_GRANT", f"{upn}: member of {role}", _NO_ENTRY, tenant_id)


def _shares_past_the_log() -> Iterator[Finding]:
    """A request is shared with a person by an entry of the request's own chain."""
    shares = _shares().objects.select_related("user", "content_object").order_by("pk")
    readers: set[tuple[UUID, str]] = set()
    entries = ProvisioningLog.objects.filter(
        environment_request__in=shares.order_by().values("content_object"),
        action__in=(Action.REQUEST_SHARED, Action.REQUEST_UNSHARED),
        success=True,
    )
    columns = ("environment_request_id", "action", "action_details")
    for request, action, said in entries.order_by("chain", "sequence").values_list(*columns):
        reader = (request, str(said.get("reader")) if isinstance(said, dict) else "")
        readers.add(reader) if action == Action.REQUEST_SHARED else readers.discard(reader)
    for share in shares:
        if (share.content_object_id, share.user.upn) not in readers:
            words = f"{share.user.upn}: reader of {share.content_object}"
            yield Finding("UNEXPLAINED_GRANT", words, _NO_ENTRY, share.content_object.tenant_id)


def _past_every_verb() -> Iterator[Finding]:
    """No verb grants anything to a group, whose members would get it past the log, nor on any other kind of row."""
    for model in apps.get_models():
        if issubclass(model, UserObjectPermissionBase | GroupObjectPermissionBase) and model not in (
            *_ROLES,
            _shares(),
        ):
            holder = "user" if issubclass(model, UserObjectPermissionBase) else "group"
            for row in model._default_manager.select_related(holder, "permission").order_by("pk"):
                words = f"{getattr(row, holder)}: {row.permission.codename} on {row.content_object}"
                yield Finding("UNEXPLAINED_GRANT", words, _NO_ENTRY, _tenant_of(row.content_object))


def _tenant_of(at: Any) -> UUID | None:
    return at.pk if isinstance(at, Tenant) else getattr(at, "tenant_id", None)


def _shares() -> Any:
    return apps.get_model("requests_app", "EnvironmentRequestUserObjectPermission")
