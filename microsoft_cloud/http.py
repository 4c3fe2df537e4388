"""One way out to Microsoft: trusted hosts only, a deadline, a size cap, one renewed token, sorted errors (§1, §3)."""

from __future__ import annotations

import json as json_format
import logging
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import httpx
import stamina

from core_app import clock

from .bodies import OverCapError, read_body
from .endpoints import Endpoints, Service
from .errors import (
    CloudError,
    Facts,
    NotReadyError,
    PermanentError,
    ResponseTooLargeError,
    TransientError,
    UntrustedUrlError,
)
from .faults import FailedAnswer, claims_challenge, request_ids_in, retry_after_seconds
from .fields import Json, http_date, text
from .pool import client_for, deadline, has_time_for

log = logging.getLogger(__name__)

BODY_CAP = 5_000_000  # bytes, after decompression
LIST_CAP = 50_000_000  # a page with every environment of a large tenant
CALL_SECONDS = 45.0  # one call from token to last byte, also when a 401 makes it two exchanges
READ_SECONDS = 60.0  # a read with its retries
READ_ATTEMPTS = 3
LONGEST_WAIT_IN_PLACE = 3.0  # seconds; a longer Retry-After belongs in the caller's row, not in a sleeping worker
_MOST_PAGES = 500
_BEFORE_SENDING = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
)


class TokenSource(Protocol):
    """Whoever can get tokens: an ``Identity``, or a test."""

    def token(self, endpoints: Endpoints, scope: str) -> str:
        """Return an access token for the scope."""

    def renewed_token(self, endpoints: Endpoints, scope: str, claims: str | None = None) -> str:
        """Return a fresh token after a 401, meeting the claims challenge if there was one."""


@dataclass(frozen=True)
class Answer:
    """An answer with a status below 300. The body never shows in ``repr``: it may hold a secret."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)
    session: Session = field(repr=False)
    answers_write: bool = False

    @property
    def retry_after(self) -> float | None:
        """Seconds the service asks to wait (0 to 300), or None."""
        return retry_after_seconds(self.headers.get("Retry-After"), clock.now())

    @property
    def served_at(self) -> datetime | None:
        """When the service answered by its own clock, in whole seconds; None when it does not say."""
        return http_date(self.headers.get("Date", ""))

    def object(self) -> Json:
        """Return the JSON object in the body.

        Raises:
            TransientError: code UnreadableAnswer: HTML, truncated, wrongly encoded, too deep or not an object.
        """
        try:
            found = json_format.loads(self.body)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            return found
        raise TransientError(
            f"The {self.session.service} service answered {self.status} with a body that is not a JSON object.",
            service=self.session.service.value,
            status=self.status,
            code="UnreadableAnswer",
            request_ids=request_ids_in(self.headers),
            maybe_executed=self.answers_write,
        )

    def followed_url(self, *names: str) -> str | None:
        """Return the URL in the first of these headers that is present.

        Raises:
            UntrustedUrlError: it names a host that must not see the token; the change itself was accepted.
        """
        url = next((self.headers[name] for name in names if name in self.headers), None)
        if url is not None:
            try:
                self.session.endpoints.require_trusted(self.session.service, url)
            except UntrustedUrlError as error:
                error.maybe_executed = self.answers_write
                raise
        return url


@dataclass(frozen=True)
class Call:
    """One request, ready to be sent and sent again."""

    method: str
    url: str
    content: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    is_write: bool = False
    cap: int = BODY_CAP

    @property
    def line(self) -> str:
        """Method, host and path: what a log may show."""
        url = httpx.URL(self.url)
        return f"{self.method} {url.host}{url.path}"


@dataclass(frozen=True)
class Session:
    """Calls to one service, as one identity, under one correlation id.

    Attributes:
        base: where relative targets ("/locations") start.
        shows_messages: whether Microsoft's error text may appear in our errors (not for Key Vault).
        client: for tests; the process-wide pool otherwise.
        answered: where the service notes its name once it has answered without an error.
    """

    endpoints: Endpoints
    service: Service
    tokens: TokenSource = field(repr=False)
    scope: str
    correlation_id: str
    base: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    shows_messages: bool = True
    client: httpx.Client | None = field(default=None, repr=False)
    answered: set[str] = field(default_factory=set, repr=False, compare=False)

    def read(
        self,
        target: str,
        *,
        method: str = "GET",
        params: Mapping[str, str] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        cap: int = BODY_CAP,
    ) -> Answer:
        """Ask something that changes nothing; brief trouble is retried here (three attempts, one minute)."""
        call = self._call(method, target, params, json)
        call = replace(call, headers={**call.headers, **(headers or {})}, cap=cap)
        with deadline(READ_SECONDS):
            for attempt in stamina.retry_context(
                on=_worth_repeating, attempts=READ_ATTEMPTS, timeout=READ_SECONDS, wait_max=LONGEST_WAIT_IN_PLACE
            ):
                with attempt:
                    return self._send(call)
        raise AssertionError("stamina always returns or raises")  # pragma: no cover

    def write(
        self,
        method: str,
        target: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Change something, once. ``CloudError.maybe_executed`` says when the caller must read before repeating."""
        call = self._call(method, target, params, json)
        body = call.content if content is None else content
        return self._send(replace(call, content=body, headers={**call.headers, **(headers or {})}, is_write=True))

    def read_pages(self, target: str, *, params: Mapping[str, str] | None = None, cap: int = BODY_CAP) -> list[Json]:
        """Return the items of a list, following ``nextLink`` in any spelling while it stays on trusted hosts."""
        items: list[Json] = []
        for _ in range(_MOST_PAGES):
            page = self.read(target, params=params, cap=cap).object()
            value = page.get("value")
            items += [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
            target, params = _next_link(page), None
            if not target:
                return items
        raise PermanentError("The list does not end.", service=self.service.value, code="TooManyPages")

    def _call(self, method: str, target: str, params: Mapping[str, str] | None, json: Any) -> Call:
        url = f"{self.base}{target}" if target.startswith("/") else target
        self.endpoints.require_trusted(self.service, url)
        if params:
            url += "?" + urlencode(params, quote_via=quote, safe="$,/:@'()")
        if json is None:
            return Call(method, url, headers=self.headers)
        return Call(method, url, json_format.dumps(json).encode(), {"Content-Type": "application/json", **self.headers})

    def _send(self, call: Call) -> Answer:
        """Exchange; after a 401 once more with a fresh token, because a 401 proves that nothing was executed."""
        with deadline(CALL_SECONDS):
            answer = self._exchange(call, self.tokens.token(self.endpoints, self.scope))
            if answer.status == httpx.codes.UNAUTHORIZED:
                claims = claims_challenge(answer.headers)
                answer = self._exchange(call, self.tokens.renewed_token(self.endpoints, self.scope, claims))
        if answer.status >= httpx.codes.MULTIPLE_CHOICES:
            raise self._failure(call, answer)
        self.answered.update((self.service.value, Service.LOGIN.value))
        return answer

    def _exchange(self, call: Call, token: str) -> Answer:
        client = self.client or client_for(self.endpoints.ca)
        headers = {**self._common_headers(), **call.headers, "Authorization": f"Bearer {token}"}
        request = client.build_request(call.method, call.url, content=call.content, headers=headers)
        try:
            response = client.send(request, stream=True, follow_redirects=False)
            try:
                body = read_body(response, call.cap)
            finally:
                response.close()
        except (httpx.TransportError, zlib.error) as error:
            raise self._unreachable(call, error) from None
        except OverCapError:
            raise ResponseTooLargeError(
                f"{call.line}: the answer is larger than {call.cap} bytes.",
                service=self.service.value,
                status=response.status_code,
                code="ResponseTooLarge",
                request_ids=request_ids_in(response.headers),
                maybe_executed=call.is_write,
            ) from None
        log.debug("%s: %s", call.line, response.status_code, extra={"request_ids": request_ids_in(response.headers)})
        return Answer(response.status_code, response.headers, body, self, call.is_write)

    def _common_headers(self) -> dict[str, str]:
        return {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": "elm-power-platform/1",
            "X-Correlation-Id": self.correlation_id,
            "x-ms-client-request-id": self.correlation_id,
            "client-request-id": self.correlation_id,
        }

    def _failure(self, call: Call, answer: Answer) -> CloudError:
        return FailedAnswer(
            service=self.service,
            line=call.line,
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            is_write=call.is_write,
            shows_message=self.shows_messages,
            now=clock.now(),
        ).error()

    def _unreachable(self, call: Call, error: Exception) -> CloudError:
        """Sort what happened below HTTP: before the request left nothing was executed, after that who knows."""
        kind = type(error).__name__
        facts = Facts(service=self.service.value, code=kind)
        if isinstance(error, _BEFORE_SENDING):
            if self.service is Service.DATAVERSE:
                return NotReadyError(f"{call.line}: the organisation cannot be reached yet ({kind}).", **facts)
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                return PermanentError(f"{call.line}: the server's certificate is not trusted.", **facts)
            return TransientError(f"{call.line}: no connection ({kind}).", **facts)
        facts["maybe_executed"] = call.is_write
        return TransientError(f"{call.line}: no complete answer ({kind}).", **facts)


def _worth_repeating(error: Exception) -> bool | float:
    """Say whether a read should be repeated at once, or after how many seconds."""
    if not isinstance(error, TransientError) or isinstance(error, NotReadyError):
        return False
    if not has_time_for(error.retry_after or 0.0):
        return False
    if error.retry_after is None:
        return True
    return error.retry_after if error.retry_after <= LONGEST_WAIT_IN_PLACE else False


def _next_link(page: Json) -> str:
    """Return the next page's URL; its key is spelt differently from service to service."""
    return next((text(page, key) for key in page if key.lower() in {"nextlink", "@odata.nextlink"}), "")
