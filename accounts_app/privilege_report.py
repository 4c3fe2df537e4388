"""What a review of privileges found: expected and effective side by side, and every difference."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Cell:
    """What one role may do to one table.

    Attributes:
        role: The role.
        table: Application and model, ``audit_app.provisioninglog``.
        expected: Permissions that the table of roles gives.
        effective: Permissions that the role's group has.
    """

    role: str
    table: str
    expected: tuple[str, ...]
    effective: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between expected and effective.

    Attributes:
        kind: Its class: EXCESS, MISSING, LOG_CAN_BE_CHANGED, DIRECT_PERMISSION, FOREIGN_GRANT, UNKNOWN_GRANT,
            UNEXPLAINED_GRANT, MISSING_GRANT, DATABASE_GRANT, DATABASE_OWNER, TRIGGER_MISSING, TRIGGER_UNKNOWN,
            POLICY_MISSING.
        subject: Role, person, grant or database role.
        detail: What is wrong and how to mend it.
        tenant_id: Whose rows or account it is about; None when it concerns the whole installation.
    """

    kind: str
    subject: str
    detail: str
    tenant_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """What is so on purpose and an examiner still wants to know.

    Attributes:
        text: One sentence.
        tenant_id: Whose account it is about; None when it concerns the whole installation.
    """

    text: str
    tenant_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class TablePolicy:
    """Whether row-level security keeps the tenants' rows of a table apart.

    Attributes:
        table: The database's name of it.
        present: Whether its policy is installed, as declared, and switched on.
    """

    table: str
    present: bool


@dataclass(frozen=True, slots=True)
class TableTriggers:
    """The triggers of a table.

    Attributes:
        table: The database's name of it.
        append_only: Whether rows may only be added to it.
        expected: Names of the triggers that must be there.
        effective: Names of the triggers that are there and cannot be got round by a setting.
    """

    table: str
    append_only: bool
    expected: tuple[str, ...]
    effective: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatabaseRights:
    """What a role of the database may do to an append-only table, beyond reading.

    Attributes:
        table: The database's name of it.
        role: The database role.
        standing: ``owner``, ``member of the owner``, ``superuser``; empty for any other role.
        expected: Rights that it may have: the owner's all, any other role's at most INSERT.
        effective: Rights that PostgreSQL says it has, whoever gave them.
    """

    table: str
    role: str
    standing: str
    expected: tuple[str, ...]
    effective: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowGrants:
    """How many object permissions give a role its rows in one tenant, at one depth.

    Attributes:
        role: The role.
        depth: local, deep, organisation.
        tenant_id: Whose rows.
        expected: Those that fit the table of roles: a known role, held by a person of the tenant.
        effective: Those that count now: the holder is active, of the tenant, and in the role's group too.
    """

    role: str
    depth: str
    tenant_id: UUID
    expected: int
    effective: int


@dataclass(frozen=True, slots=True)
class Privileges:
    """What was found.

    Attributes:
        cells: Every role and table.
        findings: Differences.
        notes: What is no difference and yet worth knowing.
        policies: Every table with rows of tenants; none on SQLite, which has no row-level security.
        triggers: Every table that triggers protect.
        database_rights: Who may write into append-only tables; none on SQLite, which has no roles.
        grants: Object permissions by role, depth and tenant.
    """

    cells: tuple[Cell, ...]
    findings: tuple[Finding, ...]
    notes: tuple[Note, ...]
    policies: tuple[TablePolicy, ...] = ()
    triggers: tuple[TableTriggers, ...] = ()
    database_rights: tuple[DatabaseRights, ...] = ()
    grants: tuple[RowGrants, ...] = ()

    @property
    def ok(self) -> bool:
        """Say whether everything is as expected."""
        return not self.findings

    @property
    def sha256(self) -> str:
        """Return the digest of the document, by which a kept copy can be held against the log."""
        return digest(self.as_json())

    def of_tenant(self, tenant_id: UUID) -> Privileges:
        """Return what one tenant may know: what is about it, and what concerns the whole installation."""
        known = (None, tenant_id)
        return replace(
            self,
            findings=tuple(each for each in self.findings if each.tenant_id in known),
            notes=tuple(each for each in self.notes if each.tenant_id in known),
            grants=tuple(each for each in self.grants if each.tenant_id == tenant_id),
        )

    def grants_by_role(self) -> list[dict[str, Any]]:
        """Return how many grants each role has by depth, of every tenant that is looked at together."""
        expected: Counter[tuple[str, str]] = Counter()
        effective: Counter[tuple[str, str]] = Counter()
        for each in self.grants:
            expected[each.role, each.depth] += each.expected
            effective[each.role, each.depth] += each.effective
        return [
            {"role": role, "depth": depth, "expected": count, "effective": effective[role, depth]}
            for (role, depth), count in sorted(expected.items())
        ]

    def as_json(self) -> dict[str, Any]:
        """Return the whole as one JSON document."""
        return {
            "ok": self.ok,
            "tables": [asdict(cell) for cell in self.cells],
            "findings": [
                {"class": each.kind, "subject": each.subject, "detail": each.detail} for each in self.findings
            ],
            "policies": [asdict(each) for each in self.policies],
            "triggers": [_listed(each) for each in self.triggers],
            "database_rights": [_listed(each) for each in self.database_rights],
            "grants": self.grants_by_role(),
            "notes": [note.text for note in self.notes],
        }


def _listed(each: TableTriggers | DatabaseRights) -> dict[str, Any]:
    """Return it as JSON reads it again: a stored document and a new one are the same."""
    return {**asdict(each), "expected": list(each.expected), "effective": list(each.effective)}


def digest(document: dict[str, Any]) -> str:
    """Return the SHA-256 of a document as JSON with sorted names, in hexadecimal."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
