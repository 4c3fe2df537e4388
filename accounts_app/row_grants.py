"""The object permissions that give roles their rows: how many by depth, which fit the table of roles, which count."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext_noop as noop

from accounts_app.models import (
    BusinessUnitGroupObjectPermission,
    BusinessUnitUserObjectPermission,
    TenantGroupObjectPermission,
    TenantUserObjectPermission,
    User,
)
from accounts_app.privilege_report import Finding, RowGrants
from accounts_app.roles import GRANT_NAMES, Role

_GRANTS: Final = (
    (BusinessUnitUserObjectPermission, "user"),
    (TenantUserObjectPermission, "user"),
    (BusinessUnitGroupObjectPermission, "group"),
    (TenantGroupObjectPermission, "group"),
)


def compare() -> tuple[tuple[RowGrants, ...], tuple[Finding, ...]]:
    """Return how many grants of each role and depth a tenant has, and those that do not fit the table of roles."""
    found: list[Finding] = []
    expected: Counter[tuple[str, str, UUID]] = Counter()
    effective: Counter[tuple[str, str, UUID]] = Counter()
    members = _members()
    for grant, holder in _every():
        wrong = tuple(_misfits(grant, holder))
        found += wrong
        name, _, depth = grant.permission.codename.rpartition("_")
        if name in GRANT_NAMES:
            role, tenant_id = GRANT_NAMES[name], _tenant_of(grant.content_object)
            counted = (role.value, depth, tenant_id)
            expected[counted] += not wrong
            effective[counted] += members.counts(getattr(grant, holder), holder, role, tenant_id)
    rows = sorted(expected, key=lambda each: (each[0], each[1], str(each[2])))
    return tuple(RowGrants(*each, expected[each], effective[each]) for each in rows), tuple(found)


@dataclass(frozen=True, slots=True)
class _Members:
    """Active people by group: a grant counts only while its holder is one of the role's group too, and at home."""

    of_group: dict[str, set[tuple[Any, UUID | None]]] = field(default_factory=lambda: defaultdict(set))

    def counts(self, who: Any, holder: str, role: Role, tenant_id: UUID) -> bool:
        """Say whether the grant gives anybody access now."""
        people = {(who.pk, who.tenant_id)} if holder == "user" else self.of_group[who.name]
        in_role = self.of_group[role.value]
        return any(home in (None, tenant_id) and (pk, home) in in_role for pk, home in people)


def _members() -> _Members:
    found = _Members()
    rows = User.groups.through.objects.filter(user__is_active=True)
    for pk, tenant_id, group in rows.values_list("user_id", "user__tenant_id", "group__name"):
        found.of_group[group].add((pk, tenant_id))
    return found


def _every() -> Iterator[tuple[Any, str]]:
    for model, holder in _GRANTS:
        for grant in model.objects.select_related(holder, "permission", "content_object").order_by("pk"):
            yield grant, holder


def _misfits(grant: Any, holder: str) -> Iterator[Finding]:
    name, _, depth = grant.permission.codename.rpartition("_")
    who = getattr(grant, holder)
    subject = f"{who}: {grant.permission.codename} on {grant.content_object}"
    if name not in GRANT_NAMES:
        detail = noop("No role is named %(role)s at depth %(depth)s; remove the grant.") % {
            "role": name,
            "depth": depth,
        }
        yield Finding("UNKNOWN_GRANT", subject, detail, _tenant_of(grant.content_object))
    elif holder == "user":
        yield from _of_person(who, GRANT_NAMES[name], grant.content_object, subject)


def _of_person(user: User, role: Role, at: Any, subject: str) -> Iterator[Finding]:
    tenant_id = _tenant_of(at)
    if user.tenant_id not in (None, tenant_id):  # a break-glass account belongs to none and may be granted several
        yield Finding(
            "FOREIGN_GRANT", subject, noop("The person belongs to another tenant; remove the grant."), tenant_id
        )
    if user.is_service_principal and role != Role.ADMIN:
        detail = noop("A service principal holds a role of people; remove the grant.")
        yield Finding("FOREIGN_GRANT", subject, detail, tenant_id)


def _tenant_of(at: Any) -> UUID:
    return getattr(at, "tenant_id", at.pk)  # type: ignore[no-any-return]
