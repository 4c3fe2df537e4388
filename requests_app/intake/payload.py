"""From the agent's JSON object to the fields of a request: one table says what is read from where. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, cast

from django.utils.translation import gettext as _

from core_app.errors import InvalidInputError
from core_app.text import MAX_TEXT
from requests_app.choices import LOCATION, DataSensitivity, EnvironmentType, ExpectedUsers, Region, Zone
from requests_app.fields import REQUESTED
from requests_app.intake import fields as read
from requests_app.intake.document import Document, kind_of, parse
from requests_app.policies.classification import Answers, Classification, classify
from requests_app.policies.naming import MAX_NAME_LENGTH
from requests_app.services.drafts import RequestFields

Problem = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Field:
    """One value of the payload.

    Attributes:
        name: What we call it; a request's field where it has one.
        path: Where the agent puts it: a section and a key, or a key.
        read: Turns it into our value.
        required: Whether a payload without it is refused.
    """

    name: str
    path: str
    read: read.Reader
    required: bool = True

    @property
    def section(self) -> str:
        """Return the section of the payload, or nothing for its own keys."""
        return self.path.rpartition(".")[0]

    @property
    def key(self) -> str:
        """Return the key within its section."""
        return self.path.rpartition(".")[2]


FIELDS: Final[tuple[Field, ...]] = (
    Field("external_id", "requestId", read.text(100)),
    Field("sent_at", "timestamp", read.moment),
    Field("upn", "requester.upn", read.text(254)),
    Field("display_name", "requester.displayName", read.optional_text(200), required=False),
    Field("department", "requester.department", read.optional_text(200), required=False),
    Field("environment_name", "environment.name", read.text(MAX_NAME_LENGTH)),
    Field("environment_type", "environment.type", read.environment_type),
    Field("region", "environment.region", read.region_code(LOCATION)),
    Field("zone", "classification.zone", read.zone),
    Field("auto_flags", "classification.autoFlags", read.flags, required=False),
    Field("data_sensitivity", "classification.dataSensitivity", read.data_sensitivity),
    Field("zone_rationale", "classification.zoneRationale", read.optional_text(MAX_TEXT), required=False),
    Field("has_customer_data", "classification.hasCustomerData", read.flag, required=False),
    Field("has_financial_data", "classification.hasFinancialData", read.flag, required=False),
    Field("has_external_access", "classification.hasExternalAccess", read.flag, required=False),
    Field("security_group_id", "access.securityGroupId", read.group_id, required=False),
    Field("security_group_name", "access.securityGroupName", read.optional_text(256), required=False),
    Field("expected_users", "access.expectedUserCount", read.expected_users),
    Field("business_justification", "businessContext.purpose", read.text(MAX_TEXT)),
    Field("user_population", "businessContext.expectedUsers", read.optional_text(MAX_TEXT), required=False),
    Field("manager_approval", "approvalRequired.manager", read.flag),
    Field("compliance_approval", "approvalRequired.compliance", read.flag),
    Field("zone_review", "approvalRequired.zoneReviewRequired", read.flag, required=False),
)
PATHS: Final = {field.name: f"$.{field.path}" for field in FIELDS}

# The three answers, and the flag that stands for each in a payload of before they travelled with it
_FLAG_OF: Final = {
    "has_customer_data": "CUSTOMER_PII",
    "has_financial_data": "FINANCIAL_TRANSACTIONS",
    "has_external_access": "EXTERNAL_ACCESS",
}
_FOR_CLASSIFICATION: Final = {"environment_type", "data_sensitivity", "expected_users", "auto_flags", *_FLAG_OF}
# The answers of least risk stand in for bad ones while problems are collected: whatever zone they lead to is asked for
# at least, because more risk never lowers a zone.
_STAND_INS: Final[RequestFields] = {
    "environment_type": EnvironmentType.SANDBOX,
    "region": Region.UNITED_STATES,
    "data_sensitivity": DataSensitivity.PUBLIC,
    "expected_users": ExpectedUsers.JUST_ME,
    "has_customer_data": False,
    "has_financial_data": False,
    "has_external_access": False,
}


@dataclass(frozen=True, slots=True)
class Payload:
    """What could be read.

    Attributes:
        values: Our name → value, for everything that was given and is good.
        answers_from: Key of each of the three yes/no answers → ``payload`` or ``autoFlags``.
        problems: (JSON path, sentence) of everything else.
    """

    values: Mapping[str, Any]
    answers_from: Mapping[str, str]
    problems: tuple[Problem, ...]

    def request_fields(self) -> RequestFields:
        """Return the fields of a draft; where one is bad or missing, the least risky value stands in."""
        known = {name: value for name, value in self.values.items() if name in REQUESTED}
        return cast(RequestFields, {**_STAND_INS, **known})

    def answers(self) -> Answers:
        """Return the six answers that the zone depends on."""
        fields = self.request_fields()
        return Answers(
            has_customer_data=fields["has_customer_data"],
            has_financial_data=fields["has_financial_data"],
            has_external_access=fields["has_external_access"],
            data_sensitivity=DataSensitivity(fields["data_sensitivity"]),
            environment_type=EnvironmentType(fields["environment_type"]),
            expected_users=ExpectedUsers(fields["expected_users"]),
        )

    @property
    def zone(self) -> Zone:
        """Return the zone that the agent suggests."""
        return Zone(self.values["zone"])


def read_payload(document: Document) -> Payload:
    """Read everything; keys we do not know are ignored, because the agent may grow."""
    return _read(document, {field.name for field in FIELDS})


def classify_payload(content: bytes) -> Classification:
    """Return the zone a payload would get, from the answers alone; nothing else in it has to be complete.

    Raises:
        InvalidInputError: by JSON path, what keeps the answers from being read.
    """
    payload = _read(parse(content), _FOR_CLASSIFICATION)
    if payload.problems:
        raise InvalidInputError(payload.problems)
    return classify(payload.answers())


def path_of(name: str, payload: Payload) -> str:
    """Return where in the payload the value of a request's field comes from, or would."""
    if name == "business_unit":
        return PATHS["upn"]
    if name == "security_group_id" and not payload.values.get(name) and payload.values.get("security_group_name"):
        return PATHS["security_group_name"]
    return PATHS.get(name, "$")


def _read(document: Document, names: Collection[str]) -> Payload:
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    wanted = [field for field in FIELDS if field.name in names]
    complete = _with_user_count(document)
    for section, fields in groupby(wanted, lambda field: field.section):
        _read_section(complete, section, list(fields), values, problems)
    return Payload(values, _fill_answers(values, problems), tuple(problems))


def _read_section(
    document: Document, section: str, fields: Iterable[Field], values: dict[str, Any], problems: list[Problem]
) -> None:
    inside = document if not section else document.get(section)
    if inside is not None and not isinstance(inside, dict):
        problems.append((f"$.{section}", _("must be an object, not %(kind)s.") % {"kind": kind_of(inside)}))
        return
    needed = ", ".join(field.key for field in fields if field.required)
    if inside is None and needed:
        problems.append((f"$.{section}", _("is missing; it needs %(needed)s.") % {"needed": needed}))
        return
    for field in fields:
        value = (inside or {}).get(field.key)
        try:
            if value is not None:
                values[field.name] = field.read(value)
            elif field.required:
                problems.append((PATHS[field.name], _("is missing.")))
        except read.WrongValue as wrong:
            problems.append((PATHS[field.name], str(wrong)))


def _with_user_count(document: Document) -> Document:
    """Where only the words for the users are there and are one of the agent's labels, take them as the count."""
    access, context = document.get("access") or {}, document.get("businessContext")
    words = context.get("expectedUsers") if isinstance(context, dict) else None
    if not isinstance(access, dict) or access.get("expectedUserCount") is not None or not isinstance(words, str):
        return document
    if words.strip().casefold() not in {label.casefold() for label in read.USERS_BY_LABEL}:
        return document
    return {**document, "access": {**access, "expectedUserCount": words}}


def _fill_answers(values: dict[str, Any], problems: list[Problem]) -> dict[str, str]:
    """Take missing answers from the flags that an older payload gives instead; say where each came from."""
    came_from: dict[str, str] = {}
    bad = {path for path, _ in problems}
    for name, flag in _FLAG_OF.items():
        if name in values:
            came_from[name] = "payload"
        elif "auto_flags" in values and PATHS[name] not in bad:
            values[name] = flag in values["auto_flags"]
            came_from[name] = "autoFlags"
        elif not bad & {"$.classification", PATHS[name], PATHS["auto_flags"]}:
            problems.append(
                (PATHS[name], _("is missing; answer true or false (or give autoFlags, as older payloads do)."))
            )
    return came_from
