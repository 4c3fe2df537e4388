"""Faults on demand: which call, and what goes wrong with it (contract §19.3)."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from fnmatch import fnmatch
from typing import Any
from uuid import uuid4

_HTML_502 = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_THROTTLES = ("seconds", "http-date", "absent", "duration", "negative", "huge")
_OUTCOMES = ("Succeeded", "Failed", "Stuck")


@dataclass
class Rule:
    """One fault: the calls it meets (all given conditions hold) and what it does to them."""

    id: str = ""
    name: str = ""
    # which calls
    method: str = ""
    path: str = ""  # a regular expression, searched in path and query
    host: str = ""  # login, bap, bap_regional (`bap*`: both), power_platform, graph, key_vault, blob, dataverse, arm
    tenant: str = ""
    management_application: bool = False  # only calls of registered management applications (contract §2.5)
    nth: int = 1  # the first matching call that is hit
    every: int = 1  # from there, one call in so many
    count: int = 1  # how many calls are hit in all; 0: no end
    # what happens
    status: int = 0
    body: Any = None
    body_base64: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False  # process the call, then answer with `status` instead
    delay: float = 0
    trickle: float = 0  # seconds between the bytes of the body
    padding_mb: int = 0  # so many megabytes of blanks after the body
    drop_before: bool = False
    drop_after: bool = False
    truncated_json: bool = False
    html_502: bool = False
    hostile_location: str | bool = False
    throttle: str = ""  # 429 with Retry-After: seconds, http-date, absent, duration, negative, huge
    retry_after: float = 1
    aadsts: int = 0  # an error of the token endpoint (contract §2.3)
    cae: bool = False  # a claims challenge (contract §2.4)
    operation: str = ""  # how operations end that the call starts: Failed or Stuck
    remove_headers: list[str] = field(default_factory=list)
    # what happened
    scenario: str = ""  # the scenario that brought the rule
    seen: int = 0
    hits: int = 0

    def meets(self, target: "Target") -> bool:
        return (
            self.tenant.lower() in ("", target.tenant)  # first: it tells most rules apart, and costs least
            and self.method.upper() in ("", target.method)
            and fnmatch(target.host, self.host or "*")
            and (target.by_management_application or not self.management_application)
            and re.search(self.path, target.url, re.IGNORECASE) is not None
        )

    def is_due(self) -> bool:
        """Whether the call that was just counted is one of those to hit."""
        turn, rest = divmod(self.seen - self.nth, self.every)
        return turn >= 0 and rest == 0 and (self.count == 0 or turn < self.count)

    def label(self) -> str:
        return self.name or self.id

    def answer(self, now: datetime) -> tuple[int, bytes, dict[str, str]] | None:
        """Return the fault's own answer, None when the call is to be processed."""
        if self.html_502:
            return 502, _HTML_502.encode(), {"Content-Type": "text/html"}
        if self.throttle:
            error = {"error": {"code": "TooManyRequests", "message": "Too many requests. Try again later."}}
            return 429, json.dumps(error).encode(), _JSON | self._retry_after(now) | self.headers
        if self.status:
            return self.status, self._body(), (_JSON if isinstance(self.body, dict | list) else {}) | self.headers
        return None

    def _body(self) -> bytes:
        if self.body_base64:
            return base64.b64decode(self.body_base64)
        if self.body is None:
            return b""
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()

    def _retry_after(self, now: datetime) -> dict[str, str]:
        forms = {
            "seconds": f"{self.retry_after:g}",
            "http-date": format_datetime(now + timedelta(seconds=self.retry_after), usegmt=True),
            "duration": f"00:00:{int(self.retry_after):02}",
            "negative": "-5",
            "huge": "1000000000",
        }
        return {"Retry-After": forms[self.throttle]} if self.throttle in forms else {}


@dataclass(frozen=True)
class Target:
    """What rules look at in a call."""

    host: str
    method: str
    url: str  # path and query
    tenant: str
    by_management_application: bool


_JSON = {"Content-Type": "application/json; charset=utf-8"}
_FIELDS = {item.name: item for item in fields(Rule)}
_OURS = frozenset({"scenario", "seen", "hits"})


class Faults:
    """The rules in force, in the order they came."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def add(self, documents: object, scenario: str = "") -> list[Rule]:
        """Add rules from JSON; raise ValueError that says what is wrong, and then add none."""
        rules = [replace(rule, scenario=scenario) for rule in parse(documents)]
        self.rules += rules
        return rules

    def clear(self, rule_id: str = "") -> None:
        self.rules = [rule for rule in self.rules if rule_id and rule.id != rule_id]

    def clear_scenarios(self) -> None:
        """Remove what scenarios brought; rules of their own stay."""
        self.rules = [rule for rule in self.rules if not rule.scenario]

    def strike(self, target: Target) -> Rule | None:
        """Return the first rule that hits this call; every rule that meets it counts it."""
        struck = None
        for rule in [rule for rule in self.rules if rule.meets(target)]:
            rule.seen += 1
            if struck is None and rule.is_due():
                rule.hits += 1
                struck = rule
        return struck

    def as_json(self) -> list[dict[str, Any]]:
        """List the rules; what has its default is left out."""
        blank = asdict(Rule())
        return [{k: v for k, v in asdict(rule).items() if v != blank[k]} for rule in self.rules]


def parse(documents: object) -> list[Rule]:
    """Read rules from JSON, one object or a list; raise ValueError that says what is wrong."""
    items = documents if isinstance(documents, list) else [documents]
    return [_rule(item, position) for position, item in enumerate(items)]


def _rule(document: object, position: int) -> Rule:
    if not isinstance(document, Mapping):
        raise ValueError(f"faults[{position}]: must be an object")  # noqa: TRY004
    problems = [problem for name, value in document.items() if (problem := _problem(name, value))]
    if problems:
        raise ValueError(f"faults[{position}]: {'; '.join(problems)}")
    return Rule(**{"id": uuid4().hex[:8], **document})


def _problem(name: str, value: object) -> str | None:
    item = _FIELDS.get(name)
    if item is None or name in _OURS:
        return f"{name}: unknown"
    if name == "every" and (type(value) is not int or value < 1):
        return "every: must be a whole number, one or more"
    if name == "throttle" and value not in _THROTTLES:
        return f"throttle: must be one of {', '.join(_THROTTLES)}"
    if name == "operation" and value not in _OUTCOMES:
        return f"operation: must be one of {', '.join(_OUTCOMES)}"
    if name in ("path", "hostile_location", "body"):
        return _pattern_problem(value) if name == "path" else None
    expected: dict[str, type | tuple[type, ...]] = {
        "bool": bool,
        "int": int,
        "str": str,
        "float": (int, float),
        "dict": dict,
        "list": list,
    }
    kind = str(getattr(item.type, "__name__", item.type))
    return None if isinstance(value, expected[kind]) else f"{name}: must be {kind}"


def _pattern_problem(value: object) -> str | None:
    try:
        re.compile(str(value))
    except re.error as error:
        return f"path: not a regular expression ({error})"
    return None
