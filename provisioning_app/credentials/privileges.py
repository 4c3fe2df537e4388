"""What our service principals should hold and do, against what they hold and did: pure, values in, differences out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.utils.translation import gettext_noop as noop

from microsoft_cloud.applications import Credential
from microsoft_cloud.operations import Operation
from microsoft_cloud.power_platform import RoleAssignment
from provisioning_app.models import PrivilegeFinding

Kind = PrivilegeFinding.Kind

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected table of one tenant.

    Attributes:
        management_applications: client id → name of those that must be registered, and no other.
        key_ids: client id → key id of the one credential each application has; "" while the inventory does not know.
        principal_role: the one role of the principal in every environment.
        spans: environment id → when our runs and gap retries worked on it.
        graph_permissions: client id → the application permissions on Graph that it may have; none where it is missing.
    """

    management_applications: Mapping[str, str]
    key_ids: Mapping[str, str]
    principal_role: str
    spans: Mapping[str, tuple[Span, ...]]
    graph_permissions: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observed:
    """What Microsoft says.

    Attributes:
        management_applications: client ids that are registered.
        credentials: client id → what the application has.
        role_assignments: of anybody, over the Power Platform API.
        principal_roles: environment → names of the principal's roles there.
        operations: environment id → what the principal did there in the period.
        graph_permissions: client id → its application permissions on Graph.
        unchecked: what could not be looked at → why.
    """

    management_applications: frozenset[str] = frozenset()
    credentials: Mapping[str, tuple[Credential, ...]] = field(default_factory=dict)
    role_assignments: tuple[RoleAssignment, ...] = ()
    principal_roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    operations: Mapping[str, tuple[Operation, ...]] = field(default_factory=dict)
    graph_permissions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unchecked: Mapping[str, str] = field(default_factory=dict)

    def counted(self) -> dict[str, int]:
        """Return how much of what was looked at: a review without findings must still say what it saw."""
        return {
            noop("management applications"): len(self.management_applications),
            noop("applications with credentials"): len(self.credentials),
            noop("role assignments"): len(self.role_assignments),
            noop("Graph permissions"): sum(len(each) for each in self.graph_permissions.values()),
            noop("environments with roles"): len(self.principal_roles),
            noop("operations of the principal"): sum(len(each) for each in self.operations.values()),
            noop("not checked"): len(self.unchecked),
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """One finding: what it is about, what should be, what is."""

    kind: Kind
    subject: str
    expected: str
    observed: str


def differences(expected: Expected, observed: Observed) -> tuple[Difference, ...]:
    """Return every difference between the expected table and what is, in the order of the table."""
    return (
        *_applications(expected, observed),
        *_credentials(expected, observed),
        *_assignments(observed),
        *_graph_permissions(expected, observed),
        *_roles(expected, observed),
        *_operations(expected, observed),
        *(Difference(Kind.NOT_CHECKED, what, noop("can be checked"), why) for what, why in observed.unchecked.items()),
    )


def _applications(expected: Expected, observed: Observed) -> Iterator[Difference]:
    for client_id in sorted(observed.management_applications - expected.management_applications.keys()):
        said = noop("is registered: it may create, change and delete every environment of the tenant")
        yield Difference(Kind.UNEXPECTED_APPLICATION, client_id, noop("is not registered"), said)
    for client_id, name in expected.management_applications.items():
        if client_id not in observed.management_applications:
            yield Difference(
                Kind.MISSING_APPLICATION, f"{name} {client_id}", noop("is registered"), noop("is not registered")
            )


def _credentials(expected: Expected, observed: Observed) -> Iterator[Difference]:
    for client_id, credentials in observed.credentials.items():
        wanted = expected.key_ids.get(client_id, "")
        for credential in credentials:
            if credential.key_id != wanted:
                until = f"{credential.ends_on:%Y-%m-%d}" if credential.ends_on else noop("an unknown day")
                yield Difference(
                    Kind.UNEXPECTED_CREDENTIAL,
                    f"{client_id} {credential.key_id}",
                    noop("only the key %(key)s that Key Vault hands out") % {"key": wanted}
                    if wanted
                    else noop("only a key in the inventory"),
                    noop("a further %(kind)s named %(name)s, valid until %(until)s")
                    % {"kind": credential.kind, "name": credential.display_name or "nothing", "until": until},
                )


def _assignments(observed: Observed) -> Iterator[Difference]:
    for assignment in observed.role_assignments:
        said = noop("principal %(principal)s has role %(role)s") % {
            "principal": assignment.principal_object_id,
            "role": assignment.role_definition_id,
        }
        yield Difference(
            Kind.ROLE_ASSIGNMENT, f"{assignment.scope} {assignment.id}"[:200], noop("no role assignment"), said
        )


def _graph_permissions(expected: Expected, observed: Observed) -> Iterator[Difference]:
    for client_id, held in observed.graph_permissions.items():
        wanted = expected.graph_permissions.get(client_id, frozenset())
        for permission in sorted(held - wanted):
            allowed = (
                noop("at most %(permissions)s") % {"permissions": ", ".join(sorted(wanted))}
                if wanted
                else noop("no permission on Microsoft Graph")
            )
            subject = f"{client_id} {permission}"
            yield Difference(
                Kind.GRAPH_PERMISSION, subject, allowed, noop("has it: remove it in the Entra admin center")
            )


def _roles(expected: Expected, observed: Observed) -> Iterator[Difference]:
    for environment, roles in observed.principal_roles.items():
        if set(roles) != {expected.principal_role}:
            held = ", ".join(sorted(roles)) or "none"
            yield Difference(Kind.PRINCIPAL_ROLES, environment, expected.principal_role, held)


def _operations(expected: Expected, observed: Observed) -> Iterator[Difference]:
    for environment_id, operations in observed.operations.items():
        spans = expected.spans.get(environment_id, ())
        for operation in operations:
            if not any(_within(operation.created_time, span) for span in spans):
                at = (
                    f"{operation.created_time:%Y-%m-%d %H:%M} UTC"
                    if operation.created_time
                    else noop("an unknown time")
                )
                yield Difference(
                    Kind.UNEXPLAINED_OPERATION,
                    f"{environment_id} {operation.id}",
                    noop("an operation of one of our runs"),
                    noop("%(what)s at %(at)s, asked for by our principal, and no run was at work there")
                    % {"what": operation.type, "at": at},
                )


def _within(moment: datetime | None, span: Span) -> bool:
    return moment is not None and span[0] <= moment <= span[1]
