"""What can be exported from a list: its columns under three sets of names, and the order in which rows are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import ForeignKey, Model, Q, TextChoices
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from accounts_app.models import BusinessUnit, Tenant, User
from accounts_app.roles import Role
from audit_app.models import ProvisioningLog
from requests_app.fields import COLUMNS, LOG_COLUMNS, Access, log_rule, readable
from requests_app.models import EnvironmentRequest

# What stands for a related row, where its key would say nothing to a reader
_SHOWN_BY: Final[dict[type[Model], str]] = {User: "upn", BusinessUnit: "name", Tenant: "name"}
_SEED_PREFIXES: Final = ("er_", "pl_")


class Names(TextChoices):
    """Under which names columns stand in a file."""

    OURS = "ours", _("Names of this application, all columns")
    SPECIFICATION = "specification", _("Names of the specification (er_…, pl_…), its columns alone")
    PUBLISHER = "publisher", _("Names of the specification with the tenant's publisher prefix")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file.

    Attributes:
        name: Its name in the file.
        field: Our name of what it holds.
        path: Where it is read.
        choices: What its integers stand for; empty where it holds none.
    """

    name: str
    field: str
    path: str
    choices: Mapping[int, str]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A list that can be exported.

    Attributes:
        key: Its name in files and in the log.
        model: Whose rows.
        permission: What a person must hold.
        seeds: Our name of each column → the specification's, empty when it is ours.
        order: The columns by which rows are read page by page; the last one is unique within a tenant.
    """

    key: str
    model: type[Model]
    permission: str
    seeds: Mapping[str, str]
    order: tuple[str, ...]

    def columns(self, names: Names, publisher_prefix: str) -> list[Column]:
        """Return the columns of a file.

        Args:
            names: Under which names.
            publisher_prefix: The tenant's, without an underscore.
        """
        found = []
        for field, seed in self.seeds.items():
            name = {
                Names.OURS: field,
                Names.SPECIFICATION: seed,
                Names.PUBLISHER: f"{publisher_prefix}_{seed[3:]}" if seed.startswith(_SEED_PREFIXES) else seed,
            }[names]
            if name:
                choices = _in_english(self.model._meta.get_field(field).flatchoices)  # type: ignore[union-attr]
                found.append(Column(name, field, self._path(field), choices))
        return found

    def after(self, last: tuple[Any, ...]) -> Q:
        """Return the filter on the rows that follow a row, given by its values of ``order``."""
        *leading, unique = self.order
        *values, key = last
        if not leading:
            return Q(**{f"{unique}__gt": key})
        # A range of the index first, then the few rows of the same moment that were read already
        same = dict(zip(leading, values, strict=True))
        begin = {f"{name}__gte": value for name, value in same.items()}
        return Q(**begin) & ~Q(**same, **{f"{unique}__lte": key})

    def _path(self, name: str) -> str:
        field = self.model._meta.get_field(name)
        if not isinstance(field, ForeignKey):
            return name
        shown = _SHOWN_BY.get(field.related_model)
        return f"{name}__{shown}" if shown else field.attname


REQUESTS: Final = Table(
    key="requests",
    model=EnvironmentRequest,
    permission="requests_app.export_environmentrequest",
    seeds={column.name: column.seed for column in COLUMNS if column.name in readable(Role.AUDITOR)},
    order=("number",),
)
LOG: Final = Table(
    key="provisioning-log",
    model=ProvisioningLog,
    permission="audit_app.export_provisioninglog",
    seeds={name: seed for name, seed in LOG_COLUMNS.items() if Access.READ in log_rule(name, Role.AUDITOR)},
    order=("timestamp", "id"),
)


def _in_english(choices: Iterable[tuple[Any, Any]]) -> dict[Any, str]:
    """Return choices with the names that records are written with, whatever language the screens speak."""
    with translation.override(None):
        return {value: str(label) for value, label in choices}
