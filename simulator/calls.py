"""One call and its answer, the route tables, and what every service has in common."""

import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.tokens import Principal
from simulator.world import World

GUID = re.compile(r"^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$", re.IGNORECASE)
logger = logging.getLogger("simulator")
ZERO_GUID = "00000000-0000-0000-0000-000000000000"


@dataclass
class Reply:
    """What goes back over the wire."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):  # noqa: N818
    """The call is answered with an error; an empty code means an empty body (contract §3.1)."""

    def __init__(self, status: int, code: str = "", message: str = "", **extra: Any) -> None:
        super().__init__(f"{status} {code} {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers: dict[str, str] = extra.pop("headers", {})
        self.extra = extra


@dataclass
class Call:
    """A request, fully read, with the caller already known."""

    world: World
    origin: str
    method: str
    path: str  # percent-decoded
    query: dict[str, str]
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    principal: Principal | None
    parameters: dict[str, str] = field(default_factory=dict)
    processed: bool = False  # it has reached the service
    outcome: str = "Succeeded"  # how an operation started by this call will end (contract §19.3)

    @property
    def caller(self) -> Principal:
        """The caller of an authenticated service."""
        if self.principal is None:
            raise Refused(401, "Unauthorized", "The request carries no valid token.")
        return self.principal

    def json(self) -> Any:
        """Return the body as JSON, None when it is empty."""
        if not self.body.strip():
            return None
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Refused(400, "InvalidRequestContent", f"The request content is not valid JSON: {error}.") from error

    def json_object(self) -> dict[str, Any]:
        """Return the body as a JSON object; an empty body is an empty object."""
        value = self.json()
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise Refused(400, "InvalidRequestContent", "The request content is not a JSON object.")
        return value


Handler = Callable[[Call], Reply]


class Routes:
    """A table of method, path pattern and handler; `{name}` is one segment, `{name:path}` the rest."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._table: list[tuple[str, re.Pattern[str], Handler]] = []

    def on(self, method: str, *patterns: str) -> Callable[[Handler], Handler]:
        def add(handler: Handler) -> Handler:
            for pattern in patterns:
                self._table.append((method, _compile(self._prefix + pattern), handler))
            return handler

        return add

    def include(self, other: "Routes") -> None:
        self._table += other._table

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]]:
        """Return handler and parameters, or refuse with 404 or 405."""
        known = False
        for verb, pattern, handler in self._table:
            if found := pattern.fullmatch(path):
                known = True
                if verb == method:
                    return handler, found.groupdict()
        if known:
            raise Refused(405, "MethodNotAllowed", f"The method {method} is not allowed on '{path}'.")
        raise Refused(404, "ResourceNotFound", f"No resource answers at '{path}'.")


@dataclass(frozen=True)
class Service:
    """One service: its routes, who may enter, and how its errors look."""

    name: str
    routes: Routes
    admit: Callable[[Call], None]
    render: Callable[[Refused, Call], Reply]

    def answer(self, call: Call) -> Reply:
        try:
            self.admit(call)
            handler, call.parameters = self.routes.find(call.method, call.path)
            return handler(call)
        except Refused as refused:
            return self._refusal(refused, call)
        except Exception:
            logger.exception("%s %s could not be answered", call.method, call.path)
            return self._refusal(Refused(500, "InternalServerError", "An internal server error occurred."), call)

    def _refusal(self, refused: Refused, call: Call) -> Reply:
        reply = self.render(refused, call)
        reply.headers = refused.headers | reply.headers
        return reply


def json_reply(status: int, value: object, headers: dict[str, str] | None = None) -> Reply:
    """Answer with a JSON body."""
    return Reply(
        status, json.dumps(value).encode(), {"Content-Type": "application/json; charset=utf-8"} | (headers or {})
    )


def nested_error(refused: Refused, _call: Call) -> Reply:
    """The common envelope `{"error":{"code","message"}}` (contract §3.1)."""
    if not refused.code:
        return Reply(refused.status)
    return json_reply(refused.status, {"error": {"code": refused.code, "message": refused.message} | refused.extra})


def require_audience(call: Call, audience: str) -> Principal:
    """Accept only a token that was minted for this host (E19)."""
    principal = call.principal
    if principal is None or principal.audience.lower() != audience.lower():
        reason = "is missing, expired or malformed" if principal is None else f"is for {principal.audience}"
        authority = f"{call.world.origins.login}/common/oauth2/authorize"
        header = f'Bearer authorization_uri="{authority}", error="invalid_token"'
        message = f"Authentication failed: the access token {reason}; this service needs {audience}."
        raise Refused(401, "AuthenticationFailed", message, headers={"WWW-Authenticate": header})
    return principal


def _compile(pattern: str) -> re.Pattern[str]:
    pieces = re.split(r"(\{\w+(?::path)?\})", pattern)
    return re.compile("".join(_piece(piece) for piece in pieces) + "/?", re.IGNORECASE)


def _piece(piece: str) -> str:
    if not piece.startswith("{"):
        return re.escape(piece)
    name, _, rest = piece.strip("{}").partition(":")
    return f"(?P<{name}>.+)" if rest else f"(?P<{name}>[^/]+)"
