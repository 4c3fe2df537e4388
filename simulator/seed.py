"""Reads a seed: tenants with their applications, people, groups and policies; says everything that is wrong with it."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from cryptography import x509

from simulator import reference_data
from simulator.calls import GUID
from simulator.clock import parse_time
from simulator.directory import (
    Application,
    Certificate,
    Container,
    EnvironmentGroup,
    FederatedCredential,
    Group,
    Secret,
    SecretVersion,
    Tenant,
    User,
)
from simulator.operations import BAP, SYSTEM
from simulator.timing import Timing
from simulator.world import World

_BEFORE, _NEVER = timedelta(days=30), timedelta(days=730)


class SeedError(ValueError):
    """The seed is not usable; every problem is listed with its path."""


class _Reader:
    """One JSON object of the seed; it collects problems and knows which members were asked for."""

    def __init__(self, value: object, path: str, problems: list[str]) -> None:
        self.path, self._problems = path, problems
        self._asked: set[str] = set()
        self.values: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
        if not isinstance(value, Mapping):
            self.problem("", "must be an object")

    def problem(self, name: str, text: str) -> None:
        self._problems.append(f"{self.path}{'.' if name and self.path else ''}{name}: {text}")

    def get(self, name: str, kind: type | tuple[type, ...], default: Any, words: str) -> Any:
        self._asked.add(name)
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.problem(name, f"must be {words}")
            return default
        return value

    def text(self, name: str, default: str = "") -> str:
        return str(self.get(name, str, default, "a string"))

    def guid(self, name: str, *, required: bool = False) -> str:
        value = self.text(name)
        if value and not GUID.fullmatch(value):
            self.problem(name, f"'{value}' is not a GUID")
        elif not value and required:
            self.problem(name, "is missing")
        return value.lower() or str(uuid4())

    def required(self, name: str) -> str:
        value = self.text(name)
        if not value:
            self.problem(name, "is missing")
        return value

    def flag(self, name: str, default: bool) -> bool:
        return bool(self.get(name, bool, default, "true or false"))

    def texts(self, name: str) -> list[str]:
        items = self.get(name, list, [], "a list of strings")
        if not all(isinstance(item, str) for item in items):
            self.problem(name, "must be a list of strings")
            return []
        return list(items)

    def optional_texts(self, name: str) -> set[str] | None:
        return {item.lower() for item in self.texts(name)} if name in self.values else None

    def mapping(self, name: str) -> dict[str, Any]:
        return dict(self.get(name, Mapping, {}, "an object"))

    def items(self, name: str) -> Iterator["_Reader"]:
        values = self.get(name, list, [], "a list")
        for position, value in enumerate(values):
            yield _Reader(value, f"{self.path}{'.' if self.path else ''}{name}[{position}]", self._problems)

    def finish(self) -> None:
        for name in sorted(set(self.values) - self._asked):
            self.problem(name, "unknown member")


def load(world: World, document: object, *, only_new: bool = False) -> list[str]:
    """Merge a seed into the world, all of it or nothing; return the ids of its tenants.

    With `only_new` what the world has already stays as it is, for example a credential that was rotated meanwhile.
    """
    problems: list[str] = []
    reader = _Reader(document, "", problems)
    tenants = [_tenant(item, world.clock.now(), world.timing) for item in reader.items("tenants")]
    timing = reader.mapping("timing")
    faults = reader.get("faults", list, [], "a list")
    reader.finish()
    new_timing = _checked(lambda: world.timing.updated(timing), problems) or world.timing
    if not problems:
        _checked(lambda: world.faults.add(faults), problems)
    if problems:
        raise SeedError("; ".join(problems))
    world.timing = new_timing
    for tenant in tenants:
        _merge(world, tenant, only_new=only_new)
    return [tenant.id for tenant in tenants]


def _checked(action: Callable[[], Any], problems: list[str]) -> Any:
    try:
        return action()
    except ValueError as error:
        problems.append(str(error))
        return None


_KEYED = ("applications", "users", "groups", "environment_groups", "locations", "dlp_policies", "vault", "timing")


def _merge(world: World, tenant: Tenant, *, only_new: bool) -> None:
    """Add to an existing tenant what the seed brings; its environments stay."""
    known = world.tenants.get(tenant.id)
    if known is None:
        world.add_tenant(tenant)
        return
    if only_new:
        tenant.management_applications -= set(known.applications)
    for name in _KEYED:
        mine, brought = getattr(known, name), getattr(tenant, name)
        mine.update({key: value for key, value in brought.items() if not (only_new and key in mine)})
    known.management_applications |= tenant.management_applications
    known.containers |= {name: item for name, item in tenant.containers.items() if name not in known.containers}
    for name in ("capacity_gb", "allow_developer", "key_vault_readers", "key_vault_officers"):
        if getattr(tenant, name) != getattr(Tenant("", ""), name):
            setattr(known, name, getattr(tenant, name))


def _tenant(reader: _Reader, now: datetime, timing: Timing) -> Tenant:
    tenant = Tenant(reader.guid("id", required=True), reader.text("name", "Contoso"))
    for item in reader.items("applications"):
        application = _application(item, now)
        tenant.applications[application.client_id] = application
        if item.flag("management_application", False):
            tenant.management_applications.add(application.client_id)
        item.finish()
    tenant.users = {user.id: user for user in map(_user, reader.items("users"))}
    tenant.groups = {group.id: group for group in map(_group, reader.items("groups"))}
    tenant.environment_groups = {
        group.id: group for group in (_group_of(item, now) for item in reader.items("environment_groups"))
    }
    tenant.locations = _locations(reader)
    tenant.dlp_policies = dict(_policy(item) for item in reader.items("dlp_policies"))
    tenant.vault = {
        name: [SecretVersion(str(value), now, now)] for name, value in reader.mapping("key_vault_secrets").items()
    }
    tenant.key_vault_readers = reader.optional_texts("key_vault_readers")
    tenant.key_vault_officers = reader.optional_texts("key_vault_officers")
    tenant.containers |= {item.required("name"): _container(item) for item in reader.items("containers")}
    tenant.capacity_gb = reader.get("capacity_gb", (int, float), 500, "a number")
    tenant.allow_developer = reader.flag("allow_developer", False)
    tenant.timing = reader.mapping("timing")
    try:
        timing.updated(tenant.timing)
    except ValueError as error:
        reader.problem("timing", str(error))
    _check_people(reader, tenant)
    reader.finish()
    return tenant


def _application(reader: _Reader, now: datetime) -> Application:
    values = [reader.text("secret")] if reader.values.get("secret") else []
    reader.text("secret")
    end = reader.text("secret_end")
    until = _checked(lambda: parse_time(end), []) if end else now + _NEVER
    if until is None:
        reader.problem("secret_end", f"'{end}' is not an ISO time")
    application = Application(
        client_id=reader.guid("client_id", required=True),
        object_id=reader.guid("object_id"),
        display_name=reader.text("display_name", "application"),
        service_principal_id=reader.guid("service_principal_id"),
        secrets=[Secret(value, "seed", now - _BEFORE, until or now) for value in values + reader.texts("secrets")],
    )
    if pem := reader.text("certificate_pem"):
        certificate = _checked(lambda: x509.load_pem_x509_certificate(pem.encode()), [])
        if certificate is None:
            reader.problem("certificate_pem", "is not a PEM certificate")
        else:
            application.certificates.append(Certificate(certificate, "seed"))
    for item in reader.items("federated_credentials"):
        audience = item.text("audience", FederatedCredential.audience)
        application.federated.append(FederatedCredential(item.required("issuer"), item.required("subject"), audience))
        item.finish()
    application.redirect_uris = set(reader.texts("redirect_uris"))
    application.owned = {client_id.lower() for client_id in reader.texts("owns")}
    if "graph_permissions" in reader.values:
        application.graph_permissions = set(reader.texts("graph_permissions"))
    return application


def _user(reader: _Reader) -> User:
    upn = reader.required("upn")
    user = User(
        id=reader.guid("id"),
        upn=upn,
        display_name=reader.text("display_name", upn),
        mail=reader.text("mail", upn),
        manager=reader.text("manager") or None,
        enabled=reader.flag("enabled", True),
        licensed=reader.flag("licensed", True),
    )
    reader.finish()
    return user


def _group(reader: _Reader) -> Group:
    group = Group(
        id=reader.guid("id"),
        display_name=reader.required("display_name"),
        security_enabled=reader.flag("security_enabled", True),
        mail_enabled=reader.flag("mail_enabled", False),
        group_types=reader.texts("group_types"),
        members=reader.texts("members"),
    )
    reader.finish()
    return group


def _group_of(reader: _Reader, now: datetime) -> EnvironmentGroup:
    group_id, name, description = reader.guid("id"), reader.required("display_name"), reader.text("description")
    reader.finish()
    return EnvironmentGroup(group_id, name, description, now, {"id": SYSTEM["id"], "type": SYSTEM["type"]})


def _locations(reader: _Reader) -> dict[str, dict[str, Any]]:
    locations = reader.mapping("locations")
    for name in set(locations) - set(reference_data.LOCATIONS):
        reader.problem(f"locations.{name}", f"unknown location; known are {', '.join(reference_data.LOCATIONS)}")
    return locations


def _policy(reader: _Reader) -> tuple[str, dict[str, Any]]:
    name = reader.guid("guid") if "guid" in reader.values else reader.guid("name")
    scope = reader.text("environment_type", "AllEnvironments")
    if scope not in ("AllEnvironments", "OnlyEnvironments", "ExceptEnvironments", "SingleEnvironment"):
        reader.problem("environment_type", f"'{scope}' is unknown")
    definition = {
        "name": name,
        "displayName": reader.required("display_name"),
        "defaultConnectorsClassification": reader.text("default_classification", "Blocked"),
        "environmentType": scope,
        "environments": [_policy_environment(item) for item in reader.texts("environments")],
        "connectorGroups": [
            {"classification": item, "connectors": []} for item in ("Confidential", "General", "Blocked")
        ],
        "createdBy": {"displayName": "admin"},
        "createdTime": "2026-01-01T00:00:00.0000000Z",
        "lastModifiedBy": {"displayName": "admin"},
        "lastModifiedTime": "2026-01-01T00:00:00.0000000Z",
        "etag": uuid4().hex,
    }
    reader.finish()
    rule = {"order": 1, "customConnectorRuleClassification": "Ignore", "pattern": "*"}
    return name, {
        "policyDefinition": definition,
        "connectorConfigurationsDefinition": {"connectorActionConfigurations": [], "endpointConfigurations": []},
        "customConnectorUrlPatternsDefinition": {"rules": [rule]},
    }


def _policy_environment(name: str) -> dict[str, str]:
    kind = "Microsoft.BusinessAppPlatform/scopes/environments"
    return {"id": f"{BAP}/scopes/admin/environments/{name}", "name": name, "type": kind}


def _container(reader: _Reader) -> Container:
    container = Container(reader.flag("version_level_worm", True))
    reader.finish()
    return container


def _check_people(reader: _Reader, tenant: Tenant) -> None:
    for user in tenant.users.values():
        if user.manager and not tenant.user(user.manager):
            reader.problem("users", f"the manager '{user.manager}' of '{user.upn}' is not among the users")
