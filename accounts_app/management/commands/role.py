"""``manage.py role grant|revoke``: exit code 0 done, 2 refused."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts_app.models import BusinessUnit, Tenant
from accounts_app.people import person_named
from accounts_app.roles import Depth, Role
from accounts_app.services import HeldRole, grant_role, revoke_role
from core_app import tenancy
from core_app.errors import DomainError


class Command(BaseCommand):
    help = (
        "Grant a person a role over a tenant or a business unit, or take it away, by hand: a Governance Lead answers "
        "for it. Most roles come from Entra groups instead; see docs/guides/sign-in.md."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("act", choices=["grant", "revoke"])
        parser.add_argument("person", metavar="UPN", help="whose role")
        parser.add_argument("role", choices=[role.value for role in Role], metavar="ROLE", help="as in 'ELM Operator'")
        parser.add_argument("--tenant", required=True, metavar="NAME")
        parser.add_argument("--unit", metavar="NAME", help="over this business unit alone; Retail, or Group/Retail")
        parser.add_argument("--deep", action="store_true", help="over the units below it, too")
        parser.add_argument("--as", dest="upn", metavar="UPN", help="the Governance Lead who answers for it")
        parser.add_argument("--reason", required=True, help="why; the log keeps it")

    @tenancy.everywhere("person, tenant and unit are found by their names")
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(_done(options))
        except DomainError as refused:
            self.stderr.write(str(refused))
            sys.exit(2)


def _done(options: dict[str, Any]) -> str:
    held, person, reason = _named(options), person_named(options["person"]), options["reason"]
    lead = person_named(options["upn"]) if options["upn"] else None
    if options["act"] == "grant":
        grant_role(person.pk, held, by=lead, reason=reason)
        return f"{person} is {held}."
    if lead is None:
        raise DomainError("Name the Governance Lead who answers for it with --as.")
    revoke_role(person.pk, held, by=lead, reason=reason)
    return f"{person} is no longer {held}."


def _named(options: dict[str, Any]) -> HeldRole:
    tenants = {tenant.name.lower(): tenant for tenant in Tenant.objects.order_by("name")}
    tenant = tenants.get(options["tenant"].lower())
    if tenant is None:
        known = ", ".join(map(str, tenants.values())) or "none yet; manage.py create_tenant makes one"
        raise DomainError(f"There is no tenant {options['tenant']}. There are: {known}.")
    if options["unit"] is None:
        if options["deep"]:
            raise DomainError("--deep needs --unit: a role over the whole tenant reaches all of its units.")
        return HeldRole.of(Role(options["role"]), tenant)
    return HeldRole.of(
        Role(options["role"]), _unit(tenant, options["unit"]), Depth.DEEP if options["deep"] else Depth.LOCAL
    )


def _unit(tenant: Tenant, said: str) -> BusinessUnit:
    """Return the one unit that a name fits, with the names of units above it where it would fit several."""
    units = {f"{unit.pk}": unit for unit in tenant.business_units.all()}
    by_path = {"/".join(units[key].name for key in unit.path.split("/") if key): unit for unit in units.values()}
    fitting = [unit for path, unit in by_path.items() if f"/{path}".lower().endswith(f"/{said}".lower())]
    if len(fitting) != 1:
        raise DomainError(f"{said} fits {len(fitting)} units of {tenant}. There are: {', '.join(sorted(by_path))}.")
    return fitting[0]
