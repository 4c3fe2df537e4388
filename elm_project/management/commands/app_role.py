"""``manage.py app_role [NAME]``: exit code 0 when the role has its rights, 1 when it cannot have them."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from core_app import tenancy
from core_app.errors import DomainError
from elm_project import app_role


class Command(BaseCommand):
    help = "As the owner of the tables, after every migrate: make the role the application runs as, and give it rights."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", default=app_role.NAME, help=f"its name, {app_role.NAME} by default")

    @tenancy.everywhere("rights are on tables, not on rows")
    def handle(self, *args: Any, name: str, **options: Any) -> None:
        try:
            app_role.give(name)
        except DomainError as refused:
            self.stderr.write(str(refused))
            sys.exit(1)
        except DatabaseError as error:
            self.stderr.write(f"{error}Connect as the owner of the tables, who may also make roles.")
            sys.exit(1)
        self.stdout.write(
            f"{name} may read and write the tables, add to the log, and owns nothing. "
            f"Give it a password with psql: \\password {name}"
        )
