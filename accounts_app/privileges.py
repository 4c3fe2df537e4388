"""Who can really do what: the table of roles against what Django, django-guardian and the database would allow.

What an examiner asks for: expected and effective side by side, and every difference named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.utils.translation import gettext_noop as noop

from accounts_app import database_rights, logged_grants, row_grants, row_security
from accounts_app.models import Tenant, User
from accounts_app.privilege_report import Cell, Finding, Note, Privileges, TablePolicy
from accounts_app.roles import PERMISSIONS, Role
from audit_app import triggers
from audit_app.actions import Action
from audit_app.actors import Actor
from audit_app.log import record
from audit_app.models import ProvisioningLog
from core_app import tenancy
from core_app.transactions import transactional

_FORBIDDEN_ON_LOG: Final = ("change", "delete")


@tenancy.everywhere("every account and grant is compared with the table of roles")
def verify_privileges(*, is_production: bool) -> Privileges:
    """Compare what is expected with what is effective.

    Args:
        is_production: Whether the application may not connect as the owner of its tables.
    """
    cells = tuple(_cells())
    grants, misfits = row_grants.compare()
    protected = database_rights.table_triggers()
    rights = database_rights.rights_on_protected()
    powers = tuple(_database_powers())
    owner = [Finding("DATABASE_OWNER", role, detail) for role, detail in powers]
    findings = (
        *_differences(cells),
        *_writers_of_the_log(),
        *_direct_permissions(),
        *misfits,
        *logged_grants.unexplained(),
        *database_rights.excess(rights),
        *(owner if is_production else ()),
        *(
            Finding(
                "TRIGGER_MISSING", name, noop("Run manage.py migrate, which installs it, then manage.py verify_log.")
            )
            for name in sorted(triggers.missing())
        ),
        *database_rights.strangers(protected),
        *_missing_policies(),
    )
    notes = () if is_production else tuple(Note(f"{role} {detail}") for role, detail in powers)
    return Privileges(
        cells,
        findings,
        (*notes, *_superusers()),
        tuple(_policies()),
        triggers=protected,
        database_rights=rights,
        grants=grants,
    )


def _cells() -> Iterator[Cell]:
    effective = _effective()
    tables = sorted({name for names in (*PERMISSIONS.values(), *effective.values()) for name in map(_table, names)})
    for role in Role:
        for table in tables:
            expected = sorted(name for name in PERMISSIONS[role] if _table(name) == table)
            actual = sorted(name for name in effective[role] if _table(name) == table)
            yield Cell(role.value, table, tuple(map(_verb, expected)), tuple(map(_verb, actual)))


def _effective() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    columns = ("name", "permissions__content_type__app_label", "permissions__codename")
    rows = Group.objects.filter(name__in=list(Role), permissions__isnull=False).values_list(*columns)
    for role, label, codename in rows:
        found[role].add(f"{label}.{codename}")
    return found


def _table(permission: str) -> str:
    label, _, codename = permission.partition(".")
    return f"{label}.{codename.partition('_')[2]}"


def _verb(permission: str) -> str:
    return permission.partition(".")[2].partition("_")[0]


def _differences(cells: tuple[Cell, ...]) -> Iterator[Finding]:
    for cell in cells:
        if excess := sorted(set(cell.effective) - set(cell.expected)):
            detail = noop("The group may %(verbs)s %(table)s; run manage.py migrate, which takes it away.") % {
                "verbs": ", ".join(excess),
                "table": cell.table,
            }
            yield Finding("EXCESS", cell.role, detail)
        if missing := sorted(set(cell.expected) - set(cell.effective)):
            detail = noop("The group may not %(verbs)s %(table)s; run manage.py migrate, which gives it.") % {
                "verbs": ", ".join(missing),
                "table": cell.table,
            }
            yield Finding("MISSING", cell.role, detail)


def _writers_of_the_log() -> Iterator[Finding]:
    codenames = [f"{verb}_{ProvisioningLog._meta.model_name}" for verb in _FORBIDDEN_ON_LOG]
    for permission in Permission.objects.filter(codename__in=codenames).select_related("content_type"):
        for group in permission.group_set.all():
            yield Finding(
                "LOG_CAN_BE_CHANGED",
                group.name,
                noop("The group holds %(permission)s; take it away.") % {"permission": permission.codename},
            )
        for user in User.objects.filter(user_permissions=permission):
            detail = noop("The account holds %(permission)s; take it away.") % {"permission": permission.codename}
            yield Finding("LOG_CAN_BE_CHANGED", user.upn, detail, user.tenant_id)


def _direct_permissions() -> Iterator[Finding]:
    """Permissions come from roles alone."""
    for user in User.objects.filter(user_permissions__isnull=False).distinct().order_by("upn"):
        names = sorted(user.user_permissions.values_list("codename", flat=True))
        detail = noop("The account itself holds %(permissions)s; roles give these.") % {"permissions": ", ".join(names)}
        yield Finding("DIRECT_PERMISSION", user.upn, detail, user.tenant_id)
    known = {role.value for role in Role}
    for group in Group.objects.filter(permissions__isnull=False).exclude(name__in=known).distinct().order_by("name"):
        names = sorted(group.permissions.values_list("codename", flat=True))
        yield Finding(
            "DIRECT_PERMISSION",
            group.name,
            noop("A group that is no role holds %(permissions)s.") % {"permissions": ", ".join(names)},
        )


def _superusers() -> Iterator[Note]:
    """A superuser has every permission, reaches no row without a grant, and cannot change the log."""
    for user in User.objects.filter(is_superuser=True, is_active=True).order_by("upn"):
        bound = noop(
            "%(person)s is a superuser (break-glass): segregation of duties and the log's triggers "
            "bind it all the same."
        )
        yield Note(bound % {"person": user.upn}, user.tenant_id)


def _policies() -> Iterator[TablePolicy]:
    """Yield every table that holds rows of a tenant, and whether row-level security holds them apart."""
    if connection.vendor == "postgresql":
        missing = set(row_security.missing())
        for policy in row_security.policies():
            yield TablePolicy(policy.table, present=policy.table not in missing)


def _missing_policies() -> Iterator[Finding]:
    for table in row_security.missing():
        yield Finding("POLICY_MISSING", table, noop("Run manage.py migrate as the owner, which installs the policy."))


def _database_powers() -> Iterator[tuple[str, str]]:
    """Yield whether the connected role could switch off the triggers."""
    if connection.vendor != "postgresql":
        yield "SQLite", noop("is a file: whoever can write it can write the log; verify_log names what was changed.")
    elif powers := database_rights.powers_of(role := database_rights.connected_role()):
        yield role, noop("%(powers)s. Run the application as a role that owns nothing.") % {"powers": "; ".join(powers)}


@transactional
def record_review(found: Privileges, *, by: Actor) -> None:
    """Log in every tenant's chain that access was reviewed, and what came of it.

    Args:
        found: The result; its document's SHA-256 is logged, so that a file somebody kept can be held against it.
        by: Who, or the system.
    """
    details = {"findings": len(found.findings), "sha256": found.sha256}
    for tenant in Tenant.objects.select_for_update(no_key=True).order_by("pk"):
        record(Action.ACCESS_REVIEWED, on=tenant, by=by, details=details, success=found.ok)
